"""How a law over ordered options differs from its target."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def ratio(share: float, wanted: float) -> float | None:
    """A share over the share that is wanted; None where nothing is."""
    return share / wanted if wanted > 0 else None


def whole_numbers(texts: Sequence[str]) -> NDArray[np.int64] | None:
    """The options as whole numbers, braces around them forgiven; None where one is none."""
    try:
        return np.array([int(text.strip("{}")) for text in texts], dtype=np.int64)
    except (ValueError, OverflowError):
        return None


def ordinal_statistics(valid: Floats, q: Floats, texts: Sequence[str]) -> dict[str, float | None]:
    """How a law over ordered options differs from its target.

    Args:
        valid: Law of the valid answers p̃, shape [K], sum 1, in the options' order.
        q: Target, shape [K], sum 1.
        texts: The options. Where they are whole numbers, mean and sd are theirs, else those of the places 1 to K.

    Returns:
        ``w1_steps`` (Wasserstein-1 in steps from option to option, 0 to K − 1), ``cdf_gap`` (largest gap of the
        distribution functions, 0 to 1), ``mean_error`` and ``sd_error`` (p̃ less target), ``edge_ratio`` (p̃ of the
        first and last option over their target); of whole numbers ``p_odd``, ``p_multiple_of_5``, both with their
        target, and ``ends_in_7_ratio``, else null.
    """
    numbers = whole_numbers(texts)
    values = np.arange(1.0, len(q) + 1) if numbers is None else numbers.astype(np.float64)
    gaps = np.abs(np.cumsum(valid - q))[:-1]
    edge = np.unique([0, len(q) - 1])
    keys = {
        "w1_steps": float(gaps.sum()),
        "cdf_gap": float(gaps.max(initial=0.0)),
        "mean_error": float(values @ (valid - q)),
        "sd_error": _sd(values, valid) - _sd(values, q),
        "edge_ratio": ratio(float(valid[edge].sum()), float(q[edge].sum())),
    }
    return keys | _digit_habits(valid, q, numbers)


def _sd(values: Floats, p: Floats) -> float:
    return math.sqrt(max(0.0, float(np.square(values - values @ p) @ p)))


def _digit_habits(valid: Floats, q: Floats, numbers: NDArray[np.int64] | None) -> dict[str, float | None]:
    """Odd numbers, multiples of five and final sevens; null where the options are no whole numbers."""
    names = ("p_odd", "p_odd_target", "p_multiple_of_5", "p_multiple_of_5_target", "ends_in_7_ratio")
    if numbers is None:
        return dict.fromkeys(names)
    odd, fives, sevens = numbers % 2 == 1, numbers % 5 == 0, np.abs(numbers) % 10 == 7
    values = [float(law[kind].sum()) for kind in (odd, fives) for law in (valid, q)]
    return dict(zip(names, [*values, ratio(float(valid[sevens].sum()), float(q[sevens].sum()))], strict=True))
