"""Greedy k-center (DiverseEvol, arXiv 2311.08182): next comes what lies farthest from all that is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SAME = 1e-6
_BLOCK_CELLS = 1 << 22  # float64 numbers held at once: 32 MiB


def nearest_to_mean(vectors: NDArray[Any]) -> int:
    """The place of the row nearest to the mean row; ties to the lowest."""
    total = np.zeros(vectors.shape[1])
    for block in _blocks(vectors):
        total += vectors[block].sum(axis=0, dtype=np.float64)
    return int(np.argmin(_distances(vectors, total / len(vectors))))


def farthest_first(vectors: NDArray[Any], k: int, start: Sequence[int]) -> list[tuple[int, float | None]]:
    """Up to `k` places with their Euclidean distance to the nearest place chosen before; None for the start.

    Ties go to the lowest place. Ends early where nothing is farther than 1e-6 from what is chosen. O(n k) time, one
    distance a row in memory.

    Args:
        vectors: Rows, [n, d]; a memory map will do.
        k: How many.
        start: Places to begin with.
    """
    picked: list[tuple[int, float | None]] = [(place, None) for place in start[:k]]
    nearest = np.full(len(vectors), np.inf)
    for place, _ in picked:
        np.minimum(nearest, _distances(vectors, vectors[place]), out=nearest)
    while len(picked) < min(k, len(vectors)):
        place = int(np.argmax(nearest))
        distance = float(nearest[place])
        if distance < _SAME:
            break
        picked.append((place, distance))
        np.minimum(nearest, _distances(vectors, vectors[place]), out=nearest)
    return picked


def _distances(vectors: NDArray[Any], centre: NDArray[Any]) -> NDArray[np.float64]:
    # From differences, so that equal rows lie at exactly 0.
    centre = np.asarray(centre, dtype=np.float64)
    parts = [np.linalg.norm(vectors[block] - centre, axis=1) for block in _blocks(vectors)]
    return np.concatenate(parts)


def _blocks(vectors: NDArray[Any]) -> list[slice]:
    size = max(1, _BLOCK_CELLS // max(1, vectors.shape[1]))
    return [slice(start, start + size) for start in range(0, len(vectors), size)]
