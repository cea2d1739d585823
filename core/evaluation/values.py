"""Numbers about the values that tasks read: how many differ, how evenly they are spread, how far vectors lie apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import comb, log, log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics.semantic import mean_pairwise_distance, resultant

Vectors = NDArray[np.float64]


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of those that are defined; None for none."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def different_share(values: Iterable[str], total: int) -> float | None:
    """Different values / all responses, of which some may have no value.

    Range [0, 1], higher is more diverse. Null for no response.
    """
    return len(set(values)) / total if total else None


def entropy(counts: Sequence[int]) -> float | None:
    """Plug-in entropy -sum p log2 p of counts. Range [0, log2 n] bits, higher is more diverse. Null for none."""
    n = sum(counts)
    return max(0.0, -sum(c / n * log2(c / n) for c in counts if c)) if n else None


def entropy_miller_madow(counts: Sequence[int]) -> float | None:
    """Plug-in entropy + (K - 1) / (2 n ln 2), K = different values, which corrects the bias of small samples.

    Range >= 0 bits, higher is more diverse. Null for no value. Source: Miller 1955.
    """
    plain = entropy(counts)
    return None if plain is None else plain + (sum(c > 0 for c in counts) - 1) / (2 * sum(counts) * log(2))


def collision(counts: Sequence[int]) -> float | None:
    """The chance that two responses agree, sum c (c - 1) / (n (n - 1)).

    Range [0, 1], lower is more diverse. Null under 2 values.
    """
    n = sum(counts)
    return sum(c * (c - 1) for c in counts) / (n * (n - 1)) if n > 1 else None


def rarefied(counts: Sequence[int], m: int) -> float | None:
    """Different values to expect among m of the n, sum over values of 1 - C(n - c, m) / C(n, m).

    Range [1, m], higher is more diverse. Null for m < 1 or m > n.
    """
    n = sum(counts)
    if not 1 <= m <= n:
        return None
    return sum(1 - comb(n - c, m) / comb(n, m) for c in counts)


def mean_distance(vectors: Vectors) -> float | None:
    """Mean 1 - cos over pairs of rows. Range [0, 2], higher is more diverse. Null under 2 rows that are not zero."""
    return mean_pairwise_distance(resultant(vectors))


def distance_between(groups: Sequence[Vectors]) -> float | None:
    """Mean 1 - cos over pairs of rows from different groups, in closed form.

    Range [0, 2], higher is more diverse. Null under 2 groups with a row that is not zero.

    Args:
        groups: Rows of each group, [n, d].
    """
    sums = [resultant(group) for group in groups if len(group)]
    sums = [one for one in sums if one.n]
    if len(sums) < 2:
        return None
    total = np.sum([one.total for one in sums], axis=0)
    n = sum(one.n for one in sums)
    cosines = float(total @ total) - sum(float(one.total @ one.total) for one in sums)
    pairs = n * n - sum(one.n * one.n for one in sums)
    return min(max(1 - cosines / pairs, 0.0), 2.0)


def distances_to(origin: Vectors, vectors: Vectors) -> list[float]:
    """1 - cos of each row to one vector, each in [0, 2]; rows that are zero are left out.

    Args:
        origin: One vector, [d], not zero.
        vectors: Rows, [n, d].
    """
    lengths = np.linalg.norm(vectors, axis=1)
    kept = vectors[lengths > 0] / lengths[lengths > 0, None]
    found: list[float] = np.clip(1 - kept @ (origin / np.linalg.norm(origin)), 0, 2).tolist()
    return found


def top_values(counts: Counter[str], most: int = 10) -> list[list[Any]]:
    """The most frequent values, each with its count; equals in alphabetical order."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [[value, count] for value, count in ordered[:most]]
