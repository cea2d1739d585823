"""Resampling of units: bootstrap weights and means, their interval, the sign-flip test; p-values of many tests."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

RESAMPLES = 10_000
MIN_UNITS = 6  # below, even the smallest two-sided sign-flip p, 2 / 2^5, exceeds .05
CHUNK_ROWS = 1_000  # rows of weights held at once, fewer for many units
_CHUNK_WEIGHTS = 4_000_000  # 32 MB
ENUMERATE_UP_TO = 12  # all 4,096 flips cost less than 10,000 draws


def generator(seed: int, task: str, n_units: int, purpose: str = "bootstrap") -> np.random.Generator:
    """A random generator that depends on these arguments alone, so that every metric and run sees the same draws."""
    key = f"{seed}\0{task}\0{n_units}\0{purpose}".encode()
    return np.random.default_rng(int.from_bytes(hashlib.blake2b(key, digest_size=16).digest(), "big"))


def bootstrap_weights(n_units: int, *, seed: int = 0, task: str = "", resamples: int = RESAMPLES) -> Iterator[Floats]:
    """Multinomial counts of a bootstrap over units, in chunks of at most 1,000 resamples and about 32 MB.

    Args:
        n_units: Units in the sample, at least 1.
        seed: The run's seed.
        task: Name that separates the streams of different tasks.
        resamples: Resamples in all.

    Yields:
        Arrays of shape (rows, n_units): how often each unit is drawn; each row sums to ``n_units``.
    """
    rng = generator(seed, task, n_units)
    most = max(1, min(CHUNK_ROWS, _CHUNK_WEIGHTS // n_units))  # the draws do not depend on it
    for start in range(0, resamples, most):
        rows = min(most, resamples - start)
        # Counting uniform draws gives the multinomial law, ten times faster than Generator.multinomial.
        draws = rng.integers(0, n_units, size=(rows, n_units))
        draws += np.arange(rows)[:, None] * n_units
        yield np.bincount(draws.ravel(), minlength=rows * n_units).reshape(rows, n_units).astype(np.float64)


def _whole(units: Floats) -> tuple[Floats, NDArray[np.intc]]:
    """Units as whole numbers times a power of two, one for each column, so small that sums of n of them are exact.

    An exact sum has the same bits in whatever order, next to whatever other columns and on however many threads the
    product takes it. Rounding to them costs no more than adding n floats does.

    Returns:
        The whole numbers in the shape of the units, and the exponents of two to divide by, of shape () or (columns,).
    """
    bits = 53 - (len(units) - 1).bit_length()  # times n, they fill the 53 bits of a float
    _, exponents = np.frexp(np.abs(units).max(axis=0))
    shifts = np.asarray(bits - exponents, dtype=np.intc)
    return np.rint(np.ldexp(units, shifts)), shifts


def bootstrap_mean(values: ArrayLike, *, seed: int = 0, task: str = "", resamples: int = RESAMPLES) -> Floats:
    """Means of resampled units.

    Args:
        values: Shape (n_units,) or (n_units, columns), finite. All columns share the resamples, and each gives the
            same bits as it would alone.
        seed: The run's seed.
        task: The task's name.
        resamples: Resamples in all.

    Returns:
        Shape (resamples,) or (resamples, columns).
    """
    units = np.asarray(values, dtype=np.float64)
    origin = units[0]
    whole, shifts = _whole(units - origin)  # less an origin, a constant gives itself without rounding noise
    means = np.empty((resamples, *whole.shape[1:]))
    done = 0
    for weights in bootstrap_weights(len(units), seed=seed, task=task, resamples=resamples):
        means[done : done + len(weights)] = weights @ whole
        done += len(weights)
    np.ldexp(means, -shifts, out=means)
    means /= len(units)
    means += origin
    return means


def interval(draws: ArrayLike, n_units: int, *, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Ends of the expanded percentile interval (Hesterberg, arXiv 1411.5279).

    The plain percentiles cover too seldom in small samples: their spread lacks the factor sqrt(n / (n - 1)) and they
    use normal where Student quantiles are due. The expanded ones tend to the plain ones as n grows.

    Args:
        draws: Bootstrap means, shape (resamples,) or (resamples, columns).
        n_units: Units that were resampled, at least 2.
        confidence: Nominal coverage.

    Returns:
        Low and high end, each of shape () or (columns,).
    """
    from scipy.special import ndtr, stdtrit

    t_low = stdtrit(n_units - 1, (1 - confidence) / 2)
    tail = float(ndtr(math.sqrt(n_units / (n_units - 1)) * t_low))
    low, high = np.quantile(np.asarray(draws, dtype=np.float64), [tail, 1 - tail], axis=0)
    return np.asarray(low), np.asarray(high)


def sign_rows(n: int, rng: np.random.Generator, draws: int) -> Iterator[Floats]:
    """All sign vectors of length n where they are few, else random ones, in chunks of 1,000 rows."""
    total = 2**n if n <= ENUMERATE_UP_TO else draws
    for start in range(0, total, CHUNK_ROWS):
        rows = min(CHUNK_ROWS, total - start)
        if n <= ENUMERATE_UP_TO:
            bits = (np.arange(start, start + rows)[:, None] >> np.arange(n)) & 1
        else:
            bits = rng.integers(0, 2, size=(rows, n), dtype=np.int8)
        yield np.asarray(2.0 * bits - 1.0, dtype=np.float64)


def sign_flip_ps(differences: ArrayLike, *, seed: int = 0, task: str = "", draws: int = RESAMPLES) -> Floats:
    """`sign_flip_p` of every column of a (n_units, columns) array, with shared flips; each as it would be alone."""
    units, _ = _whole(np.asarray(differences, dtype=np.float64))
    n = len(units)
    # Sums that differ by rounding alone count as ties: that of the caller's floats, and that to whole numbers.
    bound = np.abs(units.sum(axis=0)) - 1e-12 * np.abs(units).sum(axis=0) - n
    rng = generator(seed, task, n, "sign-flip")
    hits = np.zeros(units.shape[1:])
    for signs in sign_rows(n, rng, draws):
        hits += (np.abs(signs @ units) >= bound).sum(axis=0)
    return np.asarray(hits / 2**n if n <= ENUMERATE_UP_TO else (hits + 1) / (draws + 1))


def smallest_flip_p(n_units: int, *, draws: int = RESAMPLES) -> float:
    """The smallest p that `sign_flip_p` can give for so many units: 2 / 2^n where all flips are tried."""
    return 2.0 ** (1 - n_units) if n_units <= ENUMERATE_UP_TO else 1 / (draws + 1)


def sign_flip_p(differences: ArrayLike, *, seed: int = 0, task: str = "", draws: int = RESAMPLES) -> float:
    """Two-sided paired permutation test of the mean difference.

    Null hypothesis: the two runs are exchangeable on every unit, so each difference is as likely with either sign.

    Args:
        differences: One difference a unit.
        seed: The run's seed.
        task: The task's name.
        draws: Random sign vectors for more than 12 units; up to 12, all of them are tried.

    Returns:
        Share of sign vectors whose absolute mean reaches the observed one, ``(b + 1) / (draws + 1)`` where drawn;
        1 where all differences are zero.
    """
    return float(sign_flip_ps(differences, seed=seed, task=task, draws=draws))


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Benjamini-Hochberg adjustment, in the order given. None stays None and is not counted."""
    from scipy.stats import false_discovery_control

    known = [i for i, p in enumerate(p_values) if p is not None]
    adjusted: list[float | None] = [None] * len(p_values)
    if known:
        for i, p in zip(known, false_discovery_control([p_values[i] for i in known], method="bh"), strict=True):
            adjusted[i] = float(p)
    return adjusted
