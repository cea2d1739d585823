"""Statistics of counts of responses: the G-test, the noise floor of TV and its correction, unbiased distances."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .statistics import total_variation

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

FEW_EXPECTED = 5.0  # below, the χ² law of G is no longer near enough
MONTE_CARLO = 100_000
BOOTSTRAP = 2_000
_CHUNK_CELLS = 2_000_000  # numbers of draws held at once


def wilson(counts: Counts, n: int, alpha: float) -> tuple[Floats, Floats]:
    """Wilson score intervals of shares (Wilson 1927).

    Args:
        counts: Successes, any shape.
        n: Trials, at least 1.
        alpha: 1 − coverage.

    Returns:
        Low and high ends in the shape of `counts`, within [0, 1].
    """
    from scipy.stats import norm

    z2 = float(norm.isf(alpha / 2)) ** 2
    share = counts / n
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    # At the ends the formula gives 0 and 1 up to rounding.
    low = np.where(counts == 0, 0.0, np.clip(centre - half, 0.0, 1.0))
    return low, np.where(counts == n, 1.0, np.clip(centre + half, 0.0, 1.0))


def _g(counts: NDArray[Any], q: Floats) -> Floats:
    """G = 2 Σ c ln(c / (n q)) of rows of counts [..., K] with equal n; q > 0."""
    from scipy.special import xlogy

    n = counts.sum(axis=-1)
    whole = np.arange(int(n.max()) + 1)
    known = xlogy(whole, whole)
    return np.asarray(2 * (known[counts].sum(axis=-1) - counts @ np.log(q) - xlogy(n, n)))


def multinomial_rows(rng: np.random.Generator, n: int, q: Floats, rows: int) -> Counts:
    """Multinomial counts [rows, K]; uniform laws by counting draws, which is twice to ten times as fast."""
    size = len(q)
    if np.ptp(q) > 0:
        return np.asarray(rng.multinomial(n, q, size=rows))
    draws = rng.integers(0, size, size=(rows, n))
    draws += np.arange(rows)[:, None] * size
    return np.bincount(draws.ravel(), minlength=rows * size).reshape(rows, size)


def g_test(counts: Counts, q: Floats, rng: np.random.Generator, draws: int = MONTE_CARLO) -> float | None:
    """P-value of the G-test that valid responses follow the target.

    By Monte Carlo, (b + 1)/(B + 1) over multinomial draws, where an expected count is below 5, else by χ² with K − 1
    degrees of freedom. Options of target 0 are no degree of freedom; one of them drawn gives the least p.

    Args:
        counts: Valid responses of each option, shape [K].
        q: Target, shape [K], sum 1.
        rng: For the Monte Carlo draws.
        draws: B.

    Returns:
        A p above 0 and at most 1; None without any valid response.
    """
    from scipy.stats import chi2

    n, wanted = int(counts.sum()), q > 0
    if n == 0:
        return None
    if counts[~wanted].any():
        return 1 / (draws + 1)
    kept, law = counts[wanted], q[wanted] / q[wanted].sum()
    observed = float(_g(kept, law))
    if n * law.min() >= FEW_EXPECTED:
        return float(chi2.sf(observed, len(law) - 1)) if len(law) > 1 else 1.0
    rows = max(1, _CHUNK_CELLS // max(n, len(law)))
    reached = 0
    for start in range(0, draws, rows):
        drawn = _g(multinomial_rows(rng, n, law, min(rows, draws - start)), law)
        reached += int((drawn >= observed - 1e-9 * max(1.0, observed)).sum())  # ties differ by rounding
    return (reached + 1) / (draws + 1)


def tv_null(q: Floats, n: int) -> float:
    """Expected TV of n draws from the target itself, by De Moivre's mean absolute deviation of a binomial count."""
    from scipy.stats import binom

    m = np.minimum(np.floor(n * q) + 1, n + 1)
    deviation = 2 * m * (1 - q) * binom.pmf(m, n, q)
    return float(deviation.sum() / (2 * n))


def draws_for_null(q: Floats, floor: float) -> int:
    """An n at which a perfect sampler's expected TV is no more than `floor`, at most 5 % above the least such n.

    Args:
        q: Target, shape [K], sum 1.
        floor: TV, above 0.
    """
    n = 1
    while tv_null(q, n) > floor:
        n = int(n * 1.05) + 1
    return n


def corrected_tv(
    counts: Counts, n: int, q: Floats, rng: np.random.Generator, draws: int = BOOTSTRAP
) -> tuple[float, float, float]:
    """TV without the upward bias of small samples, and its interval, from one bootstrap.

    The bootstrap's TV* exceed the sample's TV by as much as this one exceeds the truth; both ends are reflected too.
    That holds away from 0: of a law that meets its target, more than half of `tv_null` is left over.

    Args:
        counts: Responses of each option, shape [K].
        n: All responses; the rest is ⊥.
        q: Target, shape [K], sum 1.
        rng: For the draws.
        draws: Bootstrap draws from the counts, ⊥ included.

    Returns:
        ``clip(2·TV − mean TV*, 0, 1)`` and the ends ``2·TV − TV*`` at 97.5 and 2.5 %, clipped too.
    """
    shares = np.append(counts, n - counts.sum()) / n
    drawn = rng.multinomial(n, shares / shares.sum(), size=draws)[:, :-1] / n
    resampled = np.maximum(0.0, q - drawn).sum(axis=1)
    centre = 2 * total_variation(counts / n, q)
    ends = centre - np.quantile(resampled, [0.975, 0.025])
    mean, low, high = np.clip([centre - resampled.mean(), *ends], 0.0, 1.0).tolist()
    return mean, low, high


def mmd2(counts: Counts, n: int, q: Floats) -> float | None:
    """Unbiased estimate of Σ (p − q)² over options and ⊥; 0 for a perfect law, may be below 0; None for n < 2."""
    if n < 2:
        return None
    every, wanted = np.append(counts, n - counts.sum()).astype(np.float64), np.append(q, 0.0)
    return float((every * (every - 1) / (n * (n - 1)) - 2 * wanted * every / n + np.square(wanted)).sum())


def miller_madow_bits(counts: Counts) -> float | None:
    """Entropy in bits with the bias term (K_seen − 1)/(2 n ln 2); None without a response."""
    from scipy.special import entr

    n = int(counts.sum())
    if n == 0:
        return None
    bias = (int((counts > 0).sum()) - 1) / (2 * n)
    return float((entr(counts / n).sum() + bias) / math.log(2))


def collision_entropy_bits(counts: Counts) -> float | None:
    """−log₂ of the unbiased probability that two responses are the same option; None where no two are."""
    n, pairs = int(counts.sum()), float((counts * (counts - 1)).sum())
    return -math.log2(pairs / (n * (n - 1))) if pairs > 0 else None
