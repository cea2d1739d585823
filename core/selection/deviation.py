"""Deviation weights: signals of one prompt's responses, scaled, combined, brought to mean 1, and floored.

After DDPO and DORPO (arXiv 2503.17126), generalised as in CrPO (arXiv 2505.14442). NaN stands for a value that is not
defined; it never leaves this room.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Combine = Literal["geometric", "add", "mult"]

# Equal values that float noise turned apart must not become 0 and 1.
_NO_SPREAD = 1e-6
_EQUAL = 1e-9
_SMALL_POOL = 4
_FLOOR, _SMALL_POOL_FLOOR = 0.1, 0.2


def scaled(values: Floats) -> Floats:
    """(d - min) / (max - min) over what is defined; 0.5 for all where they are equal to 1e-6.

    Args:
        values: A signal of each response of a prompt, [n].
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return values
    low, high = known.min() / 2, known.max() / 2  # halves: the difference of two finite numbers may overflow
    if high - low < _NO_SPREAD / 2:
        return np.where(np.isnan(values), np.nan, 0.5)
    result: Floats = (values / 2 - low) / (high - low)
    return result


def combined(parts: Sequence[Floats], shares: Sequence[float], how: Combine = "geometric") -> Floats:
    """One value a response out of its scaled signals.

    Args:
        parts: Scaled signals, each [n].
        shares: The lambda of each; their sum is above 0.
        how: ``geometric``: (prod u^l)^(1 / sum l); ``add``: sum l u; ``mult``: prod u^l.
    """
    table, powers = np.stack(parts), np.asarray(shares, dtype=np.float64)[:, None]
    if how == "add":
        total: Floats = (powers * table).sum(axis=0)
        return total
    product: Floats = (table**powers).prod(axis=0)
    return product ** (1 / powers.sum()) if how == "geometric" else product


def mean_one(values: Floats) -> Floats:
    """Values divided by their mean; 1 for all where they are equal, zeros included."""
    known = values[~np.isnan(values)]
    if not len(known) or is_flat(values):
        return np.where(np.isnan(values), np.nan, 1.0)
    result: Floats = values / known.mean()
    return result


def is_flat(values: Floats) -> bool:
    """Whether all defined values are equal."""
    known = values[~np.isnan(values)]
    return bool(len(known) == 0 or known.max() - known.min() < _EQUAL)


def least_weight(wanted: float | None, pool_size: int) -> float:
    """The floor: what the user set, else 0.1, and 0.2 in pools of up to 4, where zeros are frequent."""
    if wanted is not None:
        return wanted
    return _SMALL_POOL_FLOOR if pool_size <= _SMALL_POOL else _FLOOR


def floored(values: Floats, least: float) -> Floats:
    """Values of at least the floor, not rescaled after it."""
    return np.maximum(values, least)
