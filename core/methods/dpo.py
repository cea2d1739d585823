"""Direct preference optimisation, arXiv 2305.18290: plain, on any pairs."""

from __future__ import annotations

from .base import Method, TrainRecipe

DPO = Method(name="dpo", training=TrainRecipe(runner="training.preference:train"))
