"""AvgOut dullness (arXiv 2001.05467): how alike a model's next-token distributions are over a whole run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Dullness:
    """<D, D>, D = mean over all responses of p_i, fed response by response.

    It equals the mean of <D, p_i> over the responses, so that one vocabulary-sized sum is all that is kept. Range
    (0, 1], lower is more diverse. Null for no response with a position. Source: after arXiv 2001.05467, which averages
    over steps and batches.
    """

    def __init__(self) -> None:
        self._sum: Floats | None = None
        self._responses = 0

    def add(self, next_tokens: Floats) -> None:
        """Take in one response.

        Args:
            next_tokens: Mean over its positions of the probability of each counted token as the next one, [tokens];
                it is scaled to sum 1, and left out where all of it is 0.
        """
        mass = float(next_tokens.sum())
        if not mass > 0:
            return
        share = next_tokens / mass
        self._sum = share if self._sum is None else self._sum + share
        self._responses += 1

    def value(self) -> float | None:
        """The dullness so far."""
        if self._sum is None:
            return None
        mean = self._sum / self._responses
        return float(mean @ mean)
