"""Leave one out: what a family that was never trained gains. `python benchmarks/diffuse_loo.py --folder loo`.

Trains on all families of a preset but one and audits that one, for each in turn; and once on all. `--preset diffuse`
is the 26 prompts after the paper (hours on two cores), and adds the numbers 1 to 10 with an audit of 1 to 100 and the
reverse. `--preset diffuse-quick` holds out one prompt at a time. Everything is done by divtool's commands, printed
before they run; a stage whose output is whole is skipped.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from diffuse_stages import COLUMNS, COSTS, DiffuseStages, arrows, cost, options
from stages import Record, table


def leave_one_out(stages: DiffuseStages, preset: str) -> list[str]:
    """A row for each family of a preset, or for each prompt where there is one family; and what each run cost."""
    every = stages.export(preset)
    key = "family" if len({record["family"] for record in every}) > 1 else "prompt_id"
    spec = stages.write("all.jsonl", every)
    base = stages.audit("base.jsonl", spec)
    full = stages.train("all", "--builtin", preset)
    trained = stages.audit("all-trained.jsonl", spec, full)
    rows, costs = [], [["nothing", *cost(full)]]
    for name in dict.fromkeys(record[key] for record in every):
        adapter = stages.train(f"without-{_slug(name)}", "--builtin", preset, "--hold-out", name)
        own = {record["prompt"] for record in every if record[key] == name}
        out = _held_out(stages, name, [record for record in every if record["prompt"] in own], adapter)
        rows.append([name, str(len(own)), *arrows(_of(base, own), out, _of(trained, own))])
        costs.append([name, *cost(adapter)])
    rows.append(["all, mean of prompts", str(len(every)), *arrows(base, trained)])
    return [
        table(f"{preset}: base → held out → trained", ("held out", "prompts", *COLUMNS), rows),
        table("What each run cost", ("held out", *COSTS), costs),
    ]


def _held_out(stages: DiffuseStages, name: str, records: Sequence[Record], adapter: Path) -> list[Record]:
    spec = stages.write(f"spec-{_slug(name)}.jsonl", records)
    return stages.audit(f"held-{_slug(name)}.jsonl", spec, adapter)


def _slug(name: str) -> str:
    return name.replace("/", "-")


def _of(found: Sequence[Record], prompts: set[str]) -> list[Record]:
    return [record for record in found if record["prompt"] in prompts]


def ranges(stages: DiffuseStages) -> str:
    """Numbers 1 to 10 trained and 1 to 100 audited, and the reverse."""
    rows = []
    for one, other in (("1-10", "1-100"), ("1-100", "1-10")):
        spec = stages.write(f"spec-{other}.jsonl", stages.export(f"numbers/{other}"))
        adapter = stages.train(f"only-{one}", "--builtin", f"numbers/{one}")
        states = stages.audit(f"base-{other}.jsonl", spec), stages.audit(f"from-{one}.jsonl", spec, adapter)
        rows.append([one, other, *arrows(*states)])
    return table("One range trained, another audited: base → trained", ("trained", "audited", *COLUMNS), rows)


def main() -> None:
    """Run every stage, and print the tables."""
    parser = options(__doc__.splitlines()[0], "diffuse-loo")
    parser.add_argument("--preset", default="diffuse-wide", choices=("diffuse-wide", "diffuse", "diffuse-quick"))
    given = parser.parse_args()
    preset = "diffuse-quick" if given.quick else given.preset
    stages = DiffuseStages(given)
    parts = leave_one_out(stages, preset)
    if preset == "diffuse":
        parts.append(ranges(stages))
    stages.path("tables.md").write_text("\n".join(parts) + "\n")
    print(*parts, sep="\n")


if __name__ == "__main__":
    sys.exit(main())
