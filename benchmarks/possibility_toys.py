"""The losses of possibility fine-tuning in made worlds: `python benchmarks/possibility_toys.py --output toys.jsonl`.

- `seen`, toy A: 24 prompts with 4 answers each, over and over for 80 epochs, each answer under a number of 9 that it
  keeps. Different answers of 4, asked by these numbers and by 1 to 4.
- `fresh`, toy B: 16 prompts with 8 answers each, of which 4 are drawn by rank to the power of -1.5 for each of 1,200
  updates, under numbers drawn anew. How even and how right the answers to the numbers 1 to 4 are.
- `ablations` of toy B, one setting at a time: weight of the unlikelihood loss, responses a prompt (k), numbers (P),
  scheme. What only texts have (`--ul-tokens`, `--ul-exclude`) is not in it: all words of a toy are content words, and
  answers share no first one.

A run is a line of the output; those that are there are not done again. Time is that of the process on one thread.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from possibility_worlds import World, fresh, seen
from stages import Record, records, table

ARMS = ("possibility", "numbered", "one-to-many")
WEIGHTS = (0.0, 0.5, 2.0)
USUAL: Record = {"weight": 0.5, "k": 4, "pool": 9, "scheme": "random"}
ABLATIONS: list[Record] = [
    *({"weight": weight} for weight in (0.0, 0.25, 0.5, 1.0, 2.0)),
    *({"k": k} for k in (2, 4, 8)),
    *({"pool": pool} for pool in (4, 9)),
    *({"scheme": scheme} for scheme in ("random", "rank")),
]


class Bench:
    """Runs and their lines.

    Args:
        given: The options.
    """

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.path = Path(given.output)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.lines: list[Record] = records(self.path) if self.path.exists() else []
        self.training: dict[str, Record] = {
            "seen": {"rate": given.learning_rate, "epochs": given.epochs, "groups": given.groups},
            "fresh": {"rate": given.learning_rate, "updates": given.updates},
        }

    def everything(self) -> None:
        """What is lacking of the parts."""
        for seed in self.given.seeds:
            for arm in ARMS if "seen" in self.given.parts else ():
                self.run("seen", {"arm": arm}, seed)
            for weight in WEIGHTS if "fresh" in self.given.parts else ():
                self.run("fresh", {**USUAL, "weight": weight}, seed)
        for seed in self.given.seeds:
            for one in ABLATIONS if "ablations" in self.given.parts else ():
                self.run("fresh", {**USUAL, **one}, seed)

    def run(self, toy: str, setting: Record, seed: int) -> None:
        """One world, trained and read, unless it is there."""
        if self.found(toy, setting, seed):
            return
        begun = time.process_time()
        values = (
            seen(World(24, 4, seed), **setting, **self.training[toy])
            if toy == "seen"
            else fresh(World(16, 8, seed), **setting, **self.training[toy])
        )
        line = {"toy": toy, "setting": setting, "training": self.training[toy], "seed": seed, **values}
        line["seconds"] = round(time.process_time() - begun, 1)
        self.lines.append(line)
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)

    def found(self, toy: str, setting: Record, seed: int | None = None) -> list[Record]:
        """The lines of a setting."""
        wanted = (toy, setting, self.training[toy])
        seeds = self.given.seeds if seed is None else [seed]
        return [
            line
            for line in self.lines
            if (line["toy"], line["setting"], line["training"]) == wanted and line["seed"] in seeds
        ]

    def tables(self) -> Iterator[str]:
        """What was found."""
        head = ("seed", *(f"{arm}, {form}" for arm in ARMS for form in ("assigned", "1 to 4")), "s")
        rows = []
        for seed in self.given.seeds:
            found = [line for arm in ARMS for line in self.found("seen", {"arm": arm}, seed)]
            if len(found) == len(ARMS):
                cells = [f"{line[form]:.2f}" for line in found for form in ("assigned", "counted")]
                rows.append((seed, *cells, f"{sum(line['seconds'] for line in found):.0f}"))
        if rows:
            yield table("Toy A, seen prompts: different answers of 4", head, rows)
        names = ("effective", "valid", "distinct", "same", "seconds")
        head = ("effective answers", "valid", "different of 4, 1 to 4", "number 1", "s")
        each = [(weight, line) for weight in WEIGHTS for line in self.found("fresh", {**USUAL, "weight": weight})]
        rows = [(f"{w:g}", line["seed"], *(shown([line], name) for name in names)) for w, line in each]
        if rows:
            yield table("Toy B, fresh draws", ("weight", "seed", *head), rows)
        rows = []
        for one in ABLATIONS:
            found = self.found("fresh", {**USUAL, **one})
            if found:
                ((name, value),) = one.items()
                usual = " (usual)" if USUAL[name] == value else ""
                rows.append((f"{name} {value}{usual}", *(shown(found, name) for name in names)))
        if rows:
            yield table("Toy B, one setting at a time: mean of the seeds (least to most)", ("setting", *head), rows)


def shown(lines: Sequence[Record], name: str) -> str:
    """The mean over seeds, with the least and the most."""
    values = [line[name] for line in lines]
    digits = 0 if name == "seconds" else 3 if name == "valid" else 2
    mean = f"{sum(values) / len(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def settings() -> Any:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", default="possibility-toys.jsonl", help="a line a run")
    parser.add_argument("--parts", nargs="+", default=["seen", "fresh", "ablations"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--epochs", type=int, default=80, help="of toy A")
    parser.add_argument("--groups", type=int, default=2, help="an update of toy A")
    parser.add_argument("--updates", type=int, default=1200, help="of toy B, of 8 wanted answers")
    parser.add_argument("--table", action="store_true", help="print the tables of what is there")
    return parser.parse_args()


def main() -> None:
    """Do what is lacking, and print the tables."""
    torch.set_num_threads(1)
    bench = Bench(settings())
    if not bench.given.table:
        bench.everything()
    print(*bench.tables(), sep="\n")


if __name__ == "__main__":
    main()
