"""Statistics of shuffles (random-audit.md B6): does each item reach each place, does the input show?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .sequences import PERMUTATIONS, two_sided, upper

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_CHUNK_CELLS = 2_000_000  # numbers of drawn shuffles held at once


def place_chi2(shuffles: Ints) -> Floats:
    """χ² of items against places of shuffles [..., m, n]: 0 or more, mean and degrees of freedom (n − 1)².

    Every shuffle puts each item in one place, so that the plain χ² is n/(n − 1) times too large for this law.
    """
    m, n = shuffles.shape[-2:]
    flat = shuffles.reshape(-1, m, n)
    codes = np.arange(n) * n + flat + np.arange(len(flat))[:, None, None] * n * n
    counts = np.bincount(codes.ravel(), minlength=len(flat) * n * n).reshape(*shuffles.shape[:-2], n * n)
    return np.asarray(np.square(counts - m / n).sum(axis=-1) * n / m * (n - 1) / n)


def fixed_points(shuffles: Ints) -> Ints:
    """Items that stand where they stood, of each shuffle [..., n]: 0 to n, expected 1."""
    return np.asarray((shuffles == np.arange(shuffles.shape[-1])).sum(axis=-1))


def kendall_tau(shuffles: Ints) -> Floats:
    """Kendall's τ to the input order of each shuffle [..., n]: −1 (reversed) to 1 (the input), expected 0."""
    n = shuffles.shape[-1]
    concordant = sum((shuffles[..., lag:] > shuffles[..., :-lag]).sum(axis=-1) for lag in range(1, n))
    return np.asarray(4 * concordant / (n * (n - 1)) - 1)


def _statistics(shuffles: Ints) -> dict[str, Floats]:
    """The statistics of sets of shuffles [..., m, n]; those of one shuffle are averaged."""
    return {
        "place_chi2": place_chi2(shuffles),
        "fixed_points": fixed_points(shuffles).mean(axis=-1),
        "kendall_tau": kendall_tau(shuffles).mean(axis=-1),
    }


def shuffle_statistics(
    shuffles: Ints, rng: np.random.Generator, *, permutations: int = PERMUTATIONS
) -> dict[str, dict[str, Any]]:
    """Compare shuffles of n items with as many fair ones.

    Args:
        shuffles: The input places 0 to n − 1 of the items in the order given, each once, shape [m, n], n at least 2.
        rng: For the fair shuffles.
        permutations: Sets of fair shuffles drawn.

    Returns:
        For ``place_chi2``, ``fixed_points`` and ``kendall_tau``: ``value``, ``expected`` ((n − 1)², 1 and 0) and the
        Monte Carlo ``p`` (two-sided but for the χ²).
    """
    m, n = shuffles.shape
    drawn: dict[str, list[Floats]] = {}
    rows = max(1, _CHUNK_CELLS // max(m * n, n * n))
    for start in range(0, permutations, rows):
        shape = (min(rows, permutations - start), m, n)
        fair = rng.permuted(np.broadcast_to(np.arange(n), shape), axis=-1)
        for name, values in _statistics(fair).items():
            drawn.setdefault(name, []).append(values)
    expected = {"place_chi2": float((n - 1) ** 2), "fixed_points": 1.0, "kendall_tau": 0.0}
    found = {}
    for name, value in _statistics(shuffles).items():
        p = upper if name == "place_chi2" else two_sided
        law = np.concatenate(drawn[name])
        found[name] = {"value": float(value), "expected": expected[name], "p": p(law, float(value))}
    return found
