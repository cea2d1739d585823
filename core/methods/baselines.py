"""Baselines that a pair method has to beat: no length rules, quality alone, chance."""

from __future__ import annotations

from ..selection.recipe import PairRecipe
from .base import Method, SelectRecipe

NO_LENGTH = Method(
    name="no-length",
    # The rules of `--base`, without those on length; `select` fills them in.
    selection=SelectRecipe(rules=PairRecipe(length_rules=False, strict=False)),
)

QUALITY_ONLY = Method(
    name="quality-only",
    selection=SelectRecipe(
        rules=PairRecipe(
            proposal="best-worst",
            quality=("reward", "judge", "perplexity"),
            length_rules=False,
            strict=False,
            scored_by="lexical,perplexity",
        )
    ),
)

RANDOM = Method(
    name="random", selection=SelectRecipe(rules=PairRecipe(proposal="random", length_rules=False, strict=False))
)
