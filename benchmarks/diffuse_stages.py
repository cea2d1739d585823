"""What the two diffuse benchmarks share: commands of divtool whose output is kept, and tables of audit records."""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def options(description: str, folder: str) -> argparse.ArgumentParser:
    """The options of both."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--folder", default=folder, help="where everything is kept; a stopped run goes on there")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--epochs", default="50", help="passes of every training run")
    parser.add_argument("--learning-rate", help="the highest one; the command's own where left out")
    parser.add_argument("--quick", action="store_true", help="the small form")
    parser.add_argument("--divtool", default="divtool", help="the program")
    return parser


class Stages:
    """A folder of results. A stage is a command of divtool; one whose output is whole is skipped.

    Args:
        given: The options.
    """

    def __init__(self, given: argparse.Namespace) -> None:
        self.folder = Path(given.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.model = given.model
        self._training = ["--model", given.model, "--epochs", given.epochs]
        if given.learning_rate:
            self._training += ["--learning-rate", given.learning_rate]
        self._program = shlex.split(given.divtool)

    def path(self, name: str) -> Path:
        """A file or folder of the results."""
        return self.folder / name

    def run(self, name: str, *words: object, resume: bool = False) -> Path:
        """Run a command with `-o`; the answer is where its output lies."""
        output, done = self.path(name), self.path(f"{name}.done")
        command = [*map(str, words), "-o", str(output)]
        if done.exists() and done.read_text() == shlex.join(command):
            return output
        done.unlink(missing_ok=True)
        if resume and output.exists():
            command.append("--resume")
        elif output.is_dir():
            shutil.rmtree(output)
        self._call(command)
        done.write_text(shlex.join(word for word in command if word != "--resume"))
        return output

    def _call(self, words: Sequence[str], **more: Any) -> None:
        print(f"\n$ divtool {shlex.join(words)}", flush=True)
        begun = time.perf_counter()
        subprocess.run([*self._program, *words], check=True, **more)
        print(f"({time.perf_counter() - begun:.0f} s)", flush=True)

    def export(self, names: str) -> list[Record]:
        """Built-in targets as records."""
        words = [*self._program, "tasks", "--export", names]
        return [
            json.loads(line) for line in subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout.splitlines()
        ]

    def write(self, name: str, records: Iterable[Record]) -> Path:
        """Records to a file; the same ones leave it as it is."""
        text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        if not self.path(name).exists() or self.path(name).read_text() != text:
            self.path(name).write_text(text)
        return self.path(name)

    def train(self, name: str, *words: object) -> Path:
        """Train an adapter."""
        return self.run(name, "train", "--method", "diffuse", *words, *self._training, resume=True)

    def audit(self, name: str, spec: Path, adapter: Path | None = None) -> list[Record]:
        """Audit a model on target records, canonical strings only."""
        words = ["random-audit", "--spec", str(spec), "--variants", "off", "--model", self.model]
        words += [] if adapter is None else ["--adapter", str(adapter)]
        return records(self.run(name, *words))


def records(path: Path) -> list[Record]:
    """The lines of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def figures(found: Sequence[Record]) -> list[float | None]:
    """Valid mass, TV, TV of valid answers, normalised entropy; each the mean over records that have it."""
    columns = (
        [record["valid_mass"] for record in found],
        [record["tv"] for record in found],
        [record["tv_valid"] for record in found],
        [record["normalized_entropy"] for record in found],
    )
    kept = [[value for value in column if value is not None] for column in columns]
    return [sum(column) / len(column) if column else None for column in kept]


# What a training run says of itself.
COSTS = (
    "steps", "perplexity ratio, plain", "chat", "tokens of everyday answers", "share at the cap", "seconds of training",
)  # fmt: skip
COLUMNS = ("valid mass", "TV", "TV of valid answers", "norm. entropy")


def arrows(*states: Sequence[Record]) -> list[str]:
    """The figures of a prompt or family in several states of the model, `before -> after`."""
    each = [figures(found) for found in states]
    return [
        " → ".join("–" if value is None else f"{value:.3f}" for value in column) for column in zip(*each, strict=True)
    ]


def cost(adapter: Path) -> list[str]:
    """Perplexity, length and time, from what a run says of itself."""
    facts = json.loads((adapter / "divtool_train.json").read_text())
    found = facts["capability"]
    before, after = found["before"], found["after"]
    return [
        str(facts["result"]["steps"]),
        f"{found['ppl_ratio_plain']:.3f}",
        f"{found['ppl_ratio_chat']:.3f}",
        f"{before['mean_tokens']:.1f} → {after['mean_tokens']:.1f}",
        f"{before['capped']:.2f} → {after['capped']:.2f}",
        f"{facts['result']['seconds']:.0f}",
    ]


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [f"\n### {title}\n", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])
