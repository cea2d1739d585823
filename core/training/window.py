"""Means over the pairs and tokens of one optimiser step, for its line of the log."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

Tensor = torch.Tensor

# Below this share of the mean square a variance is rounding.
_ROUNDING = 1e-12


class Window:
    """What has come by since the step began.

    Attributes:
        pairs: Pairs so far.
        tokens: Tokens of their texts.
        rows: Their places in the training data.
    """

    def __init__(self) -> None:
        self.pairs = 0
        self.tokens = 0
        self.rows: list[int] = []
        self._sums: dict[str, tuple[Tensor | float, float]] = {}
        self._weights: list[tuple[Tensor, Tensor]] = []

    @classmethod
    def joined(cls, windows: Sequence[Window]) -> Window:
        """What came by in several processes together."""
        whole = cls()
        for window in windows:
            whole.pairs += window.pairs
            whole.tokens += window.tokens
            whole.rows += window.rows
            whole._weights += window._weights
            for name, (total, count) in window._sums.items():
                before, divisor = whole._sums.get(name, (0.0, 0.0))
                whole._sums[name] = before + float(total), divisor + count
        return whole

    def settled(self) -> Window:
        """The same with nothing on a device, to be sent to another process."""
        return Window.joined([self])

    def add(self, rows: Tensor, tokens: int, values: dict[str, Tensor]) -> None:
        """Add a batch: one value a pair for each name."""
        self.pairs += len(rows)
        self.tokens += tokens
        self.rows += rows.tolist()
        for name, value in values.items():
            self.add_mean(name, value.double().sum(), len(rows))

    def add_mean(self, name: str, total: Tensor, count: float) -> None:
        """Add to a mean that has a divisor of its own."""
        before, divisor = self._sums.get(name, (0.0, 0.0))
        self._sums[name] = before + total.detach(), divisor + count

    def add_weights(self, weights: Tensor, lengths: Tensor) -> None:
        """Add the weights of a batch, [pairs], and the tokens of their chosen texts."""
        self._weights.append((weights.detach().double().cpu(), lengths.double().cpu()))

    def means(self) -> dict[str, float | None]:
        """The mean of each name; of weights also the share of zeros, the maximum, and their correlation with length."""
        found: dict[str, float | None] = {name: float(total) / max(1, n) for name, (total, n) in self._sums.items()}
        if self._weights:
            weights, lengths = (torch.cat(column) for column in zip(*self._weights, strict=True))
            found["weight/mean"] = float(weights.mean())
            found["weight/zero_share"] = float((weights == 0).double().mean())
            found["weight/max"] = float(weights.max())
            found["weight/corr_length"] = _correlation(weights, lengths)
        return found


def _correlation(one: Tensor, other: Tensor) -> float | None:
    """Pearson's, or None where either does not vary."""
    centred = [column - column.mean() for column in (one, other)]
    spreads = [float(column @ column) for column in centred]
    if any(spread <= _ROUNDING * float(column @ column) for spread, column in zip(spreads, (one, other), strict=True)):
        return None
    return float(centred[0] @ centred[1]) / math.sqrt(spreads[0] * spreads[1])
