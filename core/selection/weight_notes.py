"""The table of weights as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .job import Table

_NAMES = {
    "mean": "mean (1 over the pool, not over winners)",
    "sd": "sd",
    "min": "least",
    "max": "largest",
    "share_at_floor": "share at the floor",
    "share_at_zero": "share at 0",
    "effective_share": "effective share of the pairs",
}
_FOLLOWS_LENGTH = 0.2


def weight_rows(figures: Mapping[str, Any]) -> Table:
    """The table of `weight_table.WeightTable.figures`."""
    rows: list[tuple[str, Any]] = [(shown, figures[name]) for name, shown in _NAMES.items()]
    for name, found in figures["spearman"].items():
        rows += [(f"Spearman with {name}, {scope}", found[scope]) for scope in ("overall", "within")]
    return Table(f"Weights of {figures['pairs']:,} pairs", ("", "value"), rows)


def heaviest(figures: Mapping[str, Any]) -> str:
    """The line on the heaviest pairs."""
    return "heaviest pairs: " + ", ".join(f"{pair['prompt_id']} {pair['weight']:.2f}" for pair in figures["heaviest"])


def weight_notes(figures: Mapping[str, Any]) -> Iterator[str]:
    """Warnings: weights that all are 0, or that follow length."""
    if not figures["max"]:
        yield "all weights are 0: nothing to learn; set --min-weight"
    for name in ("winner words", "length difference"):
        found = [r for r in figures["spearman"][name].values() if r is not None]
        strongest = max(found, key=abs, default=0.0)
        if abs(strongest) > _FOLLOWS_LENGTH:
            yield f"the weight follows {name} (Spearman {strongest:+.2f}); train --ld-alpha takes the longer tail out"
