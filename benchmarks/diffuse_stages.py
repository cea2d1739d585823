"""What the two diffuse benchmarks share: their stages, and tables of audit records."""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from stages import Record, Stages, records


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


class DiffuseStages(Stages):
    """Stages with training towards targets, and audits.

    Args:
        given: The options.
    """

    def __init__(self, given: argparse.Namespace) -> None:
        super().__init__(given)
        self._training = ["--model", given.model, "--epochs", given.epochs]
        if given.learning_rate:
            self._training += ["--learning-rate", given.learning_rate]

    def export(self, names: str) -> list[Record]:
        """Built-in targets as records."""
        words = [*self.program, "tasks", "--export", names]
        return [
            json.loads(line) for line in subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout.splitlines()
        ]

    def train(self, name: str, *words: object) -> Path:
        """Train an adapter."""
        return self.run(name, "train", "--method", "diffuse", *words, *self._training, resume=True)

    def audit(self, name: str, spec: Path, adapter: Path | None = None) -> list[Record]:
        """Audit a model on target records, canonical strings only."""
        words = ["random-audit", "--spec", str(spec), "--variants", "off", "--model", self.model]
        words += [] if adapter is None else ["--adapter", str(adapter)]
        return records(self.run(name, *words))


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
