"""Marginal diversity: how much of a response its prompt's other responses do not already say.

The rule is ours; the idea of pairs of near-equal reward that favour marginal diversity is REDIPO's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_RIDGE = 0.01


def marginal_values(vectors: Floats) -> Floats:
    """m_i = -ln M_ii with M = (E E^T + 0.01 I)^-1, [n]: the log of what is left of i beside all others.

    Range about [-4.6, 0.01], higher is more diverse: two equal texts get -3.917, one orthogonal to the others 0.00995.

    Args:
        vectors: Unit vectors, [n, d].
    """
    inverse = np.linalg.inv(vectors @ vectors.T + _RIDGE * np.eye(len(vectors)))
    values: Floats = -np.log(np.diag(inverse))
    return values


def near_equal_pairs(rewards: Floats, values: Floats, quality_gap: float, least_margin: float) -> list[tuple[int, int]]:
    """(chosen, rejected) places of near-equal reward, the largest rise in marginal value first.

    The reward of the chosen reaches the median; the rewards lie within `quality_gap` of the range.

    Args:
        rewards: Higher is better, [n].
        values: Marginal values, [n].
        quality_gap: Share of the range of rewards.
        least_margin: Smallest rise.
    """
    span = rewards.max() - rewards.min()
    near = np.abs(rewards[:, None] - rewards[None, :]) <= quality_gap * span + 1e-9 * span
    rise = values[:, None] - values[None, :]
    fit = near & (rewards >= np.median(rewards))[:, None] & (rise >= least_margin)
    np.fill_diagonal(fit, False)
    chosen, rejected = np.nonzero(fit)
    order = np.lexsort((rejected, chosen, -rise[chosen, rejected]))
    return list(zip(chosen[order].tolist(), rejected[order].tolist(), strict=True))
