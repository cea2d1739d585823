"""DivPO, arXiv 2501.18101: the most diverse of the good responses against the least diverse of the bad, then DPO."""

from __future__ import annotations

from .base import Method, SelectRecipe, TrainRecipe
from .dpo import RUNNER, TAKES

DIVPO = Method(
    name="divpo",
    selection=SelectRecipe(
        runner="selection.pool_run:run",
        options="selection.divpo_options:DivpoOptions",
        # A budget of calls is one over the whole input.
        spreads_with={"judge_max_calls": None},
    ),
    training=TrainRecipe(runner=RUNNER, takes=TAKES),
)
