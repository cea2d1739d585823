"""DiverseEvol, arXiv 2311.08182: the responses that lie farthest apart, chosen greedily."""

from __future__ import annotations

from .base import Method, SelectRecipe

K_CENTER = Method(
    name="k-center",
    selection=SelectRecipe(
        runner="selection.k_center_run:run",
        options="selection.k_center_run:KCenterOptions",
        audited=False,
        spreads_with={"scope": "prompt"},
    ),
)
