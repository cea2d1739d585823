"""Pairs of near-equal reward whose chosen response says more that the prompt's others do not.

The rule is ours; the idea is REDIPO's (Samuel et al. 2026).
"""

from __future__ import annotations

from .base import Method, SelectRecipe

MARGINAL = Method(
    name="marginal",
    selection=SelectRecipe(runner="selection.pool_run:run", options="selection.options:MarginalOptions"),
)
