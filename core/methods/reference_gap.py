"""Clear Preferences Leave Traces, arXiv 2501.15109: pairs that the reference model tells apart."""

from __future__ import annotations

from .base import Method, SelectRecipe

REFERENCE_GAP = Method(
    name="reference-gap",
    selection=SelectRecipe(
        runner="selection.reference_gap:run",
        options="selection.reference_gap:ReferenceGapOptions",
        # Pairs of any order: they need not stand prompt by prompt.
        spreads=False,
    ),
)
