"""What the weights of a pair file look like: their spread, how many pairs they leave, and what they follow."""

from __future__ import annotations

from array import array
from math import isnan
from typing import Any

import numpy as np

from ..jsonl import Record, short_hash
from ..metrics.correlation import Correlations
from ..metrics.text import Tokenizer
from .numbers import REWARDS
from .pair_columns import Largest, in_order_of_appearance

_TOP = 10
_LEAST_CORRELATED = 3
_COLUMNS = ("winner words", "length difference", "reward")


class WeightTable:
    """Collects a few numbers a pair, no texts.

    Args:
        tokenize: Text to words.
        reward: The score that is the reward, or None for the first present.
    """

    def __init__(self, tokenize: Tokenizer, reward: str | None = None) -> None:
        self._tokenize, self._reward = tokenize, reward
        self._weights, self._prompts = array("d"), array("Q")
        self._columns = {name: array("d") for name in _COLUMNS}
        self._floored = self._with_floor = 0
        self._heaviest = Largest(_TOP)

    def __len__(self) -> int:
        return len(self._weights)

    def add(self, pair: Record) -> None:
        """Count a checked pair; its floor is its `min_weight`."""
        weight, prompt = float(pair.get("weight", 1.0)), str(pair.get("prompt_id", len(self)))
        chosen, rejected = (self._words(pair[side]) for side in ("chosen", "rejected"))
        reward = self._reward_of(pair)
        for name, value in zip(_COLUMNS, (chosen, chosen - rejected, reward), strict=True):
            self._columns[name].append(value)
        least = pair.get("min_weight")
        if isinstance(least, (int, float)):
            self._with_floor += 1
            self._floored += weight <= least + 1e-12
        self._heaviest.add(weight, prompt)
        self._prompts.append(short_hash(prompt))
        self._weights.append(weight)

    def _words(self, messages: Any) -> int:
        return len(self._tokenize("\n".join(message["content"] for message in messages)))

    def _reward_of(self, pair: Record) -> float:
        scores = pair.get("chosen_scores") or {}
        names = REWARDS if self._reward is None else (self._reward,)
        value = next((scores[name] for name in names if scores.get(name) is not None), None)
        return float(value) if isinstance(value, (int, float)) else np.nan

    def figures(self) -> dict[str, Any]:
        """Plain data, at least one pair given: the rows of the summary and of `--report`."""
        weights, prompts = np.array(self._weights), in_order_of_appearance(np.array(self._prompts))
        squares = float((weights**2).sum())
        return {
            "pairs": len(weights),
            "mean": float(weights.mean()),
            "sd": float(weights.std(ddof=1)) if len(weights) > 1 else 0.0,
            "min": float(weights.min()),
            "max": float(weights.max()),
            "share_at_floor": self._floored / self._with_floor if self._with_floor else None,
            "share_at_zero": float((weights == 0).mean()),
            "effective_share": float(weights.sum()) ** 2 / (len(weights) * squares) if squares else 0.0,
            "spearman": {name: self._spearman(weights, np.array(self._columns[name]), prompts) for name in _COLUMNS},
            "heaviest": [{"prompt_id": prompt, "weight": w} for w, prompt in self._heaviest.found()],
        }

    def _spearman(self, weights: Any, column: Any, prompts: Any) -> dict[str, float | None]:
        """Rank correlation with the weight, over all pairs and inside prompts; None where it is not defined."""
        known = ~np.isnan(column)
        if known.sum() < _LEAST_CORRELATED:
            return {"overall": None, "within": None}
        _, prompts = np.unique(prompts[known], return_inverse=True)
        found = Correlations(weights[known], prompts, [column[known]])
        _, overall, within = found.under(np.ones((1, int(prompts.max()) + 1)))[0, 0].tolist()
        return {name: None if isnan(r) else r for name, r in (("overall", overall), ("within", within))}
