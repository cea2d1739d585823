"""Sums of many numbers that do not hang on their order, so that parts of an input give what the whole gives."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

_DIGITS = 53  # of a mantissa
_HALF = 26


class ExactSum:
    """The sum of double-precision numbers, without rounding."""

    def __init__(self) -> None:
        # By exponent, the sum of the mantissas as whole numbers.
        self._sums: Counter[int] = Counter()

    def add(self, values: NDArray[np.float64]) -> None:
        """Add finite numbers, [n]."""
        mantissas, exponents = np.frexp(values)
        whole = np.ldexp(mantissas, _DIGITS).astype(np.int64)
        for exponent in np.unique(exponents).tolist():
            own = whole[exponents == exponent]
            # In two halves, whose sums fit into 64 bits.
            high, low = own >> _HALF, own & ((1 << _HALF) - 1)
            self._sums[exponent] += (int(high.sum()) << _HALF) + int(low.sum())

    def over(self, count: int) -> float:
        """The sum divided by a count, rounded once; 0 for a count of 0."""
        total = sum((Fraction(n) * Fraction(2) ** (e - _DIGITS) for e, n in self._sums.items()), Fraction())
        return float(total / count) if count else 0.0
