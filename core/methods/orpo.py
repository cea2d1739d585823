"""Odds-ratio preference optimisation, arXiv 2403.07691, and with a weight a pair, DORPO, 2503.17126: no reference."""

from __future__ import annotations

from .base import Method, TrainRecipe
from .dpo import REFERENCE_ADAPTER, RUNNER, WEIGHTS

_TAKES = ("odds_weight", "nll_span", "pack")

ORPO = Method(name="orpo", training=TrainRecipe(runner=RUNNER, settings={"kind": "orpo"}, takes=_TAKES))

DORPO = Method(
    name="dorpo",
    training=TrainRecipe(
        runner=RUNNER,
        settings={"kind": "orpo", "weighted": True},
        takes=(*_TAKES, *WEIGHTS),
        presets={"paper": {"odds_weight": 0.25, "epochs": 4.0, "step_pairs": 12, **REFERENCE_ADAPTER}},
    ),
)
