"""Which two responses of a prompt make a pair, by reward alone (after arXiv 2503.17126)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Place = tuple[int, int]

MOST_PAIRS = 100


def unequal(rewards: Sequence[float]) -> list[Place]:
    """Every (higher, lower) pair of places."""
    n = len(rewards)
    return [(i, j) for i in range(n) for j in range(n) if rewards[i] > rewards[j]]


def disjoint(
    candidates: Sequence[Place], rewards: Sequence[float], least_gap: float, draw: np.random.Generator
) -> list[Place]:
    """Pairs that share no response, drawn at random: first those with a gap of `least_gap`, then any other.

    One greedy pass over a random permutation is the same as drawing from the pairs still free, one by one.

    Args:
        candidates: (higher, lower) places.
        rewards: By place.
        least_gap: The reward gap of the first round.
        draw: Gives the order.
    """
    used: set[int] = set()
    taken = []
    for wide in (True, False):
        # A gap of 5 - 1e-15 is 5: rewards are often sums.
        round_ = [(i, j) for i, j in candidates if not wide or rewards[i] - rewards[j] >= least_gap - 1e-9]
        for place in draw.permutation(len(round_)).tolist():
            i, j = round_[place]
            if i not in used and j not in used:
                used |= {i, j}
                taken.append((i, j))
    return taken


def every(candidates: Sequence[Place], draw: np.random.Generator) -> list[Place]:
    """Every pair; a draw of 100 where there are more."""
    if len(candidates) <= MOST_PAIRS:
        return list(candidates)
    kept = draw.choice(len(candidates), size=MOST_PAIRS, replace=False)
    return [candidates[place] for place in sorted(kept.tolist())]


def best_winners(pairs: Sequence[Place], rewards: Sequence[float], most: int | None) -> list[Place]:
    """The so many pairs with the highest winner reward; ties by larger gap, then by lower place."""
    ordered = sorted(pairs, key=lambda pair: (-rewards[pair[0]], rewards[pair[1]], pair))
    return ordered[:most]
