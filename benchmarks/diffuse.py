"""What `train --method diffuse` does, and what it costs: `python benchmarks/diffuse.py --folder diffuse`.

Each part is a table of its own, and `--parts` picks some:

- `quick`: the five prompts of `diffuse-quick`, with and without the anchor; exact audits, before and after, of the
  trained prompts, the two held-out ones and two new wordings; perplexity of given texts and length of everyday answers.
- `laws`: targets that are not even: 70 to 30, and Binomial(10, 0.2).
- `biographies`: `--people` targets of the preset of that name, on top of an adapter of the family runs (`--start`, the
  `all` of diffuse_loo.py) or of `quick`; 200 sampled texts before and after.

`--quick` trains 10 passes and samples 40 texts. Everything is done by divtool's commands, printed before they run; a
stage whose output is whole is skipped, so that a stopped run goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from diffuse_stages import COLUMNS, COSTS, DiffuseStages, arrows, cost, options
from stages import Record, records, table

PARTS = ("quick", "laws", "biographies")
# The same answers, asked for in other words than those that are trained.
REWORDED = {
    "diffuse-quick/weekday": "Which weekday shall we meet on? Choose by chance.",
    "diffuse-quick/number": "Give me any number from one to ten.",
}
LAWS: list[Record] = [
    {
        "prompt": "Head or tail? Answer with one word.",
        "prompt_id": "70-30",
        "targets": [{"text": "Head", "weight": 0.7}, {"text": "Tail", "weight": 0.3}],
    },
    {
        "prompt": "Ten coins each show heads with chance 0.2. How many show heads? Output only the number.",
        "prompt_id": "binomial",
        "law": {"name": "binom", "args": {"n": 10, "p": 0.2}},
    },
]


def quick(stages: DiffuseStages) -> list[str]:
    """Trained prompts, held-out ones and new wordings, with and without the anchor."""
    trained = stages.export("diffuse-quick")
    held = stages.export("diffuse-quick-held-out")
    again = [
        {
            "prompt": REWORDED[record["prompt_id"]],
            "prompt_id": f"reworded/{record['prompt_id']}",
            "targets": record["targets"],
        }
        for record in trained
        if record["prompt_id"] in REWORDED
    ]
    spec = stages.write("quick-spec.jsonl", [*trained, *held, *again])
    base = stages.audit("quick-base.jsonl", spec)
    parts, costs = [], []
    for name, anchor in (("anchored", ("--anchor", "1")), ("free", ("--anchor", "0"))):
        adapter = stages.train(name, "--builtin", "diffuse-quick", *anchor)
        after = stages.audit(f"quick-{name}.jsonl", spec, adapter)
        seen = {record["prompt"] for record in trained}
        rows = [
            [one["prompt"], "yes" if one["prompt"] in seen else "no", *arrows([one], [other])]
            for one, other in zip(base, after, strict=True)
        ]
        parts.append(table(f"diffuse-quick, {' '.join(anchor)}: base → after", ("prompt", "trained", *COLUMNS), rows))
        costs.append([" ".join(anchor), *cost(adapter)])
    return [*parts, table("What it costs", ("anchor", *COSTS), costs)]


def laws(stages: DiffuseStages) -> list[str]:
    """Targets that are not even."""
    spec = stages.write("laws.jsonl", LAWS)
    adapter = stages.train("laws", spec)
    states = stages.audit("laws-base.jsonl", spec), stages.audit("laws-after.jsonl", spec, adapter)
    rows = [[one["prompt"], *arrows([one], [other])] for one, other in zip(*states, strict=True)]
    shown = [
        [record["prompt"], option["text"], f"{option['target']:.4f}", f"{option['p']:.4f}"]
        for record in states[1]
        for option in record["options"]
    ]
    head = ("prompt", "answer", "target", "p after")
    return [
        table("Targets that are not even: base → after", ("prompt", *COLUMNS), rows),
        table("Each answer", head, shown),
    ]


def biographies(stages: DiffuseStages, start: str | None, samples: int, people: int) -> list[str]:
    """Invented people before and after."""
    first = Path(start) if start else stages.train("anchored", "--builtin", "diffuse-quick", "--anchor", "1")
    (record,) = stages.export("biographies")
    every = record["targets"]
    record["targets"] = [every[place * len(every) // people] for place in range(people)]
    adapter = stages.train("people", stages.write("people-targets.jsonl", [record]), "--adapter", first)
    words = ("eval", "--task", "biographies", "--model", stages.model, "--adapter", adapter)
    found = records(stages.run("people.jsonl", *words, "--baseline", stages.model, "-n", samples, resume=True))
    rows = [
        [each["metric"], *map(_with_interval, _sides(each)), each["n_responses"]]
        for each in found
        if each["task"] == "biographies" and each.get("baseline_value") is not None
    ]
    return [table("Biographies, sampled", ("measure", "base", "after", "difference", "responses"), rows)]


def _sides(row: Record) -> list[Sequence[float | None]]:
    """Value and interval of the untouched model, of the trained one, and of the difference."""
    names = (("baseline_value",), ("value", "ci_low", "ci_high"), ("delta", "delta_ci_low", "delta_ci_high"))
    return [[row.get(name) for name in side] for side in names]


def _with_interval(side: Sequence[float | None]) -> str:
    value, *ends = ("–" if number is None else f"{number:.3f}" for number in side)
    return f"{value} ({ends[0]} to {ends[1]})" if ends and ends[0] != "–" else value


def settings() -> argparse.Namespace:
    """The options, the small form filled in."""
    parser = options(__doc__.splitlines()[0], "diffuse")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--start", help="adapter that the biographies begin from")
    parser.add_argument("--samples", type=int, default=200, help="biographies that are drawn")
    parser.add_argument("--people", type=int, default=210, help="biographies that are trained, of 210")
    given = parser.parse_args()
    if given.quick:
        given.epochs, given.samples = "10", 40
    return given


def main() -> None:
    """Run every stage, and print the tables."""
    given = settings()
    stages, parts = DiffuseStages(given), []
    if "quick" in given.parts:
        parts += quick(stages)
    if "laws" in given.parts:
        parts += laws(stages)
    if "biographies" in given.parts:
        parts += biographies(stages, given.start, given.samples, given.people)
    stages.path("tables.md").write_text("\n".join(parts) + "\n")
    print(*parts, sep="\n")


if __name__ == "__main__":
    sys.exit(main())
