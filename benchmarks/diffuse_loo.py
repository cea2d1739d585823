"""Leave one out: what a family that was never trained gains. `python benchmarks/diffuse_loo.py --folder loo`.

Trains on five of the six families of the preset `diffuse` and audits the sixth, six times; once on all; and on the
numbers 1 to 10 with an audit of 1 to 100, and the reverse. `--quick`: `diffuse-quick`, one prompt held out at a time.
Everything is done by divtool's commands, printed before they run; a stage whose output is whole is skipped.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from diffuse_stages import COLUMNS, Record, Stages, arrows, options, table


def leave_one_out(stages: Stages, preset: str, key: str) -> str:
    """The table of a preset, one row a value of `key`."""
    every = stages.export(preset)
    spec = stages.write("all.jsonl", every)
    base = stages.audit("base.jsonl", spec)
    trained = stages.audit("all-trained.jsonl", spec, stages.train("all", "--builtin", preset))
    rows = []
    for name in dict.fromkeys(record[key] for record in every):
        slug = name.replace("/", "-")
        held = [record for record in every if record[key] == name]
        adapter = stages.train(f"without-{slug}", "--builtin", preset, "--hold-out", name)
        out = stages.audit(f"held-{slug}.jsonl", stages.write(f"spec-{slug}.jsonl", held), adapter)
        own = {record["prompt"] for record in held}
        rows.append([name, *arrows(_of(base, own), out, _of(trained, own))])
    return table(f"{preset}: base → held out → trained", ("held out", *COLUMNS), rows)


def _of(found: Sequence[Record], prompts: set[str]) -> list[Record]:
    return [record for record in found if record["prompt"] in prompts]


def ranges(stages: Stages) -> str:
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
    given = options(__doc__.splitlines()[0], "diffuse-loo").parse_args()
    stages = Stages(given)
    if given.quick:
        parts = [leave_one_out(stages, "diffuse-quick", "prompt_id")]
    else:
        parts = [leave_one_out(stages, "diffuse", "family"), ranges(stages)]
    stages.path("tables.md").write_text("\n".join(parts) + "\n")
    print(*parts, sep="\n")


if __name__ == "__main__":
    sys.exit(main())
