"""What each stage of a selection kept, as people see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import console
from .layout import Column
from .marks import Bar

if TYPE_CHECKING:
    from ..core.selection.funnel import Stage


def show_funnel(stages: Sequence[Stage]) -> None:
    """What each stage kept: a bar against the most that were ever counted in its unit, a mark at what came in."""
    most: dict[str, int] = {}
    for stage in stages:
        most[stage.unit] = max(most.get(stage.unit, 1), stage.entered)
    columns = (
        Column("stage", kind="words"),
        "entered",
        "kept",
        Column("kept, │ entered", drop=1),
        Column("counts", drop=2),
        Column("mostly dropped for", drop=3, kind="words"),
    )
    rows = [
        (
            stage.name,
            stage.entered,
            stage.kept,
            Bar(stage.kept / most[stage.unit], stage.entered / most[stage.unit]),
            stage.unit,
            _reasons(stage.dropped.most_common(2)),
        )
        for stage in stages
    ]
    console.table("Funnel", columns, rows)


def _reasons(dropped: list[tuple[str, int]]) -> str:
    return ", ".join(f"{reason} {n:,}" for reason, n in dropped)
