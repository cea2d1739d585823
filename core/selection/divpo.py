"""DivPO (arXiv 2501.18101): the most diverse of the good responses against the least diverse of the bad ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RhoMode = Literal["range", "rank"]

_TOLERANCE = 1e-9


def good_and_bad(rewards: Floats, rho: float, mode: RhoMode = "range", least: int = 1) -> tuple[list[int], list[int]]:
    """The places of the good set and of the bad set.

    Args:
        rewards: Higher is better, [n], n >= 2.
        rho: Share of the range, or of the responses, that each set takes; 0 to 0.5.
        mode: ``range``: rewards within rho of the range from its ends; ``rank``: so many of the best and of the worst.
        least: With ``rank``, the smallest size of a set, as far as the two do not meet.
    """
    n = len(rewards)
    if mode == "rank":
        order = np.lexsort((np.arange(n), -rewards)).tolist()
        size = max(1, int(rho * n + _TOLERANCE))
        size = min(max(size, least), max(1, n // 2))
        return order[:size], order[-size:]
    low, high = float(rewards.min()), float(rewards.max())
    span = high - low
    slack = rho * span + _TOLERANCE * span
    return np.flatnonzero(rewards >= high - slack).tolist(), np.flatnonzero(rewards <= low + slack).tolist()


def ranked(places: list[int], diversity: Floats, ties: Floats, *, most: bool) -> list[int]:
    """The places of a set, the most (or least) diverse first.

    Args:
        places: The set.
        diversity: Higher is more diverse, [n].
        ties: Random numbers that settle equal values, [n].
        most: Whether the most diverse comes first.

    Returns:
        Those of the places whose diversity is defined: NaN has no place in an order.
    """
    sign = -1 if most else 1
    known = [place for place in places if not np.isnan(diversity[place])]
    return sorted(known, key=lambda place: (sign * diversity[place], ties[place]))


def matched(best: Sequence[int], worst: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The first with the first, the next with the next, each response in one pair.

    A response that heads both lists is matched with itself: the guard on equal texts drops it.
    """
    used: set[int] = set()
    while True:
        winner = next((place for place in best if place not in used), None)
        loser = next((place for place in worst if place not in used), None)
        if winner is None or loser is None:
            return
        used |= {winner, loser}
        yield winner, loser
