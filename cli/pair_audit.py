"""The pair audit as people see it, for every command that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import console
from .layout import Column
from .marks import histogram

if TYPE_CHECKING:
    from ..core.selection.audit import Audit

_COLUMNS = ("mean", "median", "sd", "p5", "p95", "t")


def show_audit(audit: Audit) -> None:
    """The checks, then the figures behind them."""
    console.table(
        f"Pair audit: {audit.verdict}, {audit.pairs:,} pairs",
        (Column("check", kind="words"), "found", Column("limit", kind="words"), "verdict"),
        [(check.check, check.value, check.limit, check.verdict) for check in audit.checks],
    )
    if not audit.pairs:
        return
    figures = audit.figures
    rows = [
        (f"{side}, {unit}", *(summary.get(name) for name in _COLUMNS))
        for unit, sides in figures["lengths"].items()
        for side, summary in sides.items()
    ]
    drops = {"median": 3, "sd": 2, "5 %": 4, "95 %": 5, "t against 0": 1}
    heads = ("", "mean", "median", "sd", "5 %", "95 %", "t against 0")
    console.table("Lengths", [Column(head, drops.get(head, 0)) for head in heads], rows)
    for line in _notes(figures):
        console.note(line)


def _notes(figures: Mapping[str, Any]) -> list[str]:
    shown, counts = console.shown, figures["delta_histogram"]["counts"]
    edge = figures["delta_histogram"]["edges"][-1]
    correlation, longer = figures["correlation"], figures["longer_chosen_share"]
    return [
        f"words, chosen - rejected: {-edge:+.1f} {histogram(counts)} {edge:+.1f}; "
        f"chosen longer in {'–' if longer is None else f'{longer:.0%}'} of the unequal pairs, "
        f"equal in {figures['equal_length_share']:.0%}",
        f"gap with length difference: Pearson {shown(correlation['pearson'])}, "
        f"Spearman {shown(correlation['spearman'])}",
        "a guess by one cue finds the chosen: "
        + ", ".join(f"{cue} {share:.0%}" for cue, share in figures["cue_accuracy"].items()),
        *_quality(figures["quality_metric"], figures["quality"]),
        "largest gaps: " + ", ".join(f"{pair['prompt_id']} {pair['gap']:.2f}" for pair in figures["largest_gaps"]),
    ]


def _quality(metric: str | None, means: Mapping[str, float | None]) -> list[str]:
    """The means of what judged quality, by its name: some scores are better where they are lower."""
    from ..core.selection.recipe import quality_sign

    if metric is None or means["chosen"] is None:
        return []
    sides = ", ".join(f"{side} {console.shown(mean)}" for side, mean in means.items())
    return [f"mean {metric}{', lower is better' if quality_sign(metric) < 0 else ''}: {sides}"]
