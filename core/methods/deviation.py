"""Deviation weights: a pair counts as much as its winner deviates from the prompt's other responses.

DDPO and DORPO, arXiv 2503.17126; the general combination of signals after CrPO, arXiv 2505.14442. Which rules are the
papers' and which are ours stands in `docs/methods/deviation.md`.
"""

from __future__ import annotations

from .base import Method, SelectRecipe

DEVIATION = Method(
    name="deviation",
    selection=SelectRecipe(runner="selection.pool_run:run", options="selection.options:DeviationOptions"),
)
