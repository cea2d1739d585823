"""Diverse-NS and Diverse-NS-Lite, "Diverse, not Short", arXiv 2505.16245.

Pairs that differ in diversity and not in length, at no loss of quality; then plain DPO. Which rules are the paper's and
which are ours stands in `docs/methods/diverse-ns.md`.
"""

from __future__ import annotations

from ..selection.recipe import PairRecipe
from .base import Method, SelectRecipe, TrainRecipe
from .dpo import RUNNER, TAKES

# Without a likelihood term a small model learns from these pairs to answer at greater length.
_TRAINING = TrainRecipe(runner=RUNNER, settings={"sft_weight_small": 0.2}, audited=True, takes=(*TAKES, "audit"))

FULL = Method(
    name="diverse-ns",
    selection=SelectRecipe(
        rules=PairRecipe(
            diversity=(("dsi", "dsi_lite"), ("word_entropy",)),
            quality=("reward", "judge"),
            gate="perplexity",
            scored_by="lexical,dsi_lite,perplexity",
        )
    ),
    training=_TRAINING,
)

LITE = Method(
    name="diverse-ns-lite",
    selection=SelectRecipe(rules=PairRecipe(diversity=(("ttr",),), quality=("maas",), scored_by="lexical")),
    training=_TRAINING,
)
