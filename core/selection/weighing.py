"""Deviation weights of responses and pairs, out of the signals that a run reads or computes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .deviation import Combine, combined, floored, is_flat, least_weight, mean_one, scaled
from .signals import Signal

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The weights of a pool.

    Attributes:
        weight: Of each response, NaN where a signal is null, [n].
        combined: The combined signals, before mean and floor, [n].
        parts: Each signal, scaled, [n].
        pool_size: How many responses the pool has.
        least: The floor.
    """

    weight: Floats
    combined: Floats
    parts: dict[str, Floats]
    pool_size: int
    least: float

    def of_pair(self, winner: int, loser: int) -> dict[str, Any]:
        """The keys of a pair; its weight is the winner's."""
        return self._keys(float(self.weight[winner]), _number(self.weight[loser]), winner)

    def of_contrasts(self, pairs: Sequence[tuple[int, int]], raw: bool) -> list[dict[str, Any]]:
        """The keys of pairs that weigh by how much more the winner deviates, the mean taken over these pairs."""
        rises = np.maximum(0.0, [self.combined[i] - self.combined[j] for i, j in pairs])
        weights = floored(rises if raw else mean_one(rises), self.least)
        return [self._keys(float(weights[place]), None, i) for place, (i, _) in enumerate(pairs)]

    def _keys(self, weight: float, rejected: float | None, winner: int) -> dict[str, Any]:
        return {
            "weight": weight,
            "weight_rejected": rejected,
            "weight_parts": {name: float(values[winner]) for name, values in self.parts.items()},
            "pool_size": self.pool_size,
            "min_weight": self.least,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Weigher:
    """Weighs pools.

    Attributes:
        signals: What the deviation is made of.
        combine: How.
        raw: Leave the mean as it is.
        least: The floor, or None for the usual one.
        counts: Counts the prompts without spread, and the signals that are null throughout a prompt.
    """

    signals: Sequence[Signal]
    combine: Combine
    raw: bool
    least: float | None
    counts: Counter[str]

    @property
    def names(self) -> tuple[str, ...]:
        """The signals that have a share."""
        return tuple(signal.name for signal in self.signals if signal.share)

    def weigh(self, values: Callable[[str], Floats], n: int) -> Weights:
        """The weights of a pool.

        Args:
            values: A signal of each of its responses, NaN for null, [n].
            n: How many responses it has.
        """
        used = [signal for signal in self.signals if signal.share]
        columns = {signal.name: signal.sign * values(signal.name) for signal in used}
        there = [signal for signal in used if not np.isnan(columns[signal.name]).all()]
        for signal in used:
            if signal not in there:
                self.counts[f"{signal.name} is null for a whole prompt"] += 1
        least = least_weight(self.least, n)
        if not there:
            return Weights(weight=np.ones(n), combined=np.ones(n), parts={}, pool_size=n, least=least)
        parts = {signal.name: scaled(columns[signal.name]) for signal in there}
        value = combined(list(parts.values()), [signal.share for signal in there], self.combine)
        if is_flat(value):
            self.counts["flat"] += 1
        # Of two values one is scaled to 0 and the other to 1, however near they lie: that is no weight.
        told = value if n > 2 or self.raw else np.where(np.isnan(value), np.nan, 1.0)
        weight = floored(told if self.raw else mean_one(told), least)
        return Weights(weight=weight, combined=value, parts=parts, pool_size=n, least=least)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
