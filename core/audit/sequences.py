"""Statistics of sequences of symbols and of shuffles (random-audit.md B6), within a sequence and between sequences.

Two numbers that are never mixed: `within` asks whether the order inside the sequences is random, given their symbols;
`between` asks whether sequence differs from sequence as independent draws from the target would.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .counts import g_test

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

PERMUTATIONS = 10_000
LAGS = 10
_CHUNK_CELLS = 2_000_000  # numbers of permuted sequences held at once


def runs(x: Ints) -> Ints:
    """Number of runs of equal symbols of each sequence [..., n]: 1 to n."""
    return np.asarray(1 + (x[..., 1:] != x[..., :-1]).sum(axis=-1))


def runs_z(x: Ints) -> Floats:
    """Wald-Wolfowitz z of sequences [..., n] over two symbols; above 0: alternates too often. 0 without variance.

    μ = 2 n₁ n₂ / n + 1, σ² = (μ − 1)(μ − 2)/(n − 1), z = (R − μ)/σ.
    """
    n = x.shape[-1]
    ones = (x == x.max()).sum(axis=-1)
    mean = 2 * ones * (n - ones) / n + 1
    variance = (mean - 1) * (mean - 2) / max(1, n - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(variance > 0, (runs(x) - mean) / np.sqrt(variance), 0.0)


def longest_run(x: Ints) -> Ints:
    """Length of the longest run of equal symbols of each sequence [..., n]: 1 to n."""
    n = x.shape[-1]
    begins = np.ones(x.shape, dtype=bool)
    begins[..., 1:] = x[..., 1:] != x[..., :-1]
    start = np.maximum.accumulate(np.where(begins, np.arange(n), 0), axis=-1)
    return np.asarray((np.arange(n) - start).max(axis=-1) + 1)


def autocorrelations(x: Ints, lags: int = LAGS) -> Floats:
    """Autocorrelations [..., lags] of sequences [..., n] at lags 1, 2, …; 0 for a constant sequence.

    Symbols count as numbers. There are at most n − 1 lags.
    """
    centred = x - x.mean(axis=-1, keepdims=True)
    power = np.square(centred).sum(axis=-1)
    lags = min(lags, x.shape[-1] - 1)
    products = [(centred[..., lag:] * centred[..., :-lag]).sum(axis=-1) for lag in range(1, lags + 1)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack([np.where(power > 0, product / power, 0.0) for product in products], axis=-1)


def ljung_box(x: Ints, lags: int = LAGS) -> Floats:
    """Ljung-Box Q = n (n + 2) Σ ρ_k² / (n − k) of sequences [..., n]; 0 or more, large: the past tells the next."""
    n = x.shape[-1]
    correlations = autocorrelations(x, lags)
    return np.asarray(n * (n + 2) * (np.square(correlations) / (n - np.arange(1, correlations.shape[-1] + 1))).sum(-1))


def transitions(x: Ints, symbols: int) -> Ints:
    """Counts [..., symbols, symbols] of the pairs that follow one another within the m sequences of x [..., m, n]."""
    flat = x.reshape(-1, *x.shape[-2:])
    codes = flat[..., :-1] * symbols + flat[..., 1:] + np.arange(len(flat))[:, None, None] * symbols**2
    counts = np.bincount(codes.ravel(), minlength=len(flat) * symbols**2)
    return counts.reshape(*x.shape[:-2], symbols, symbols)


def transition_chi2(pairs: Ints) -> Floats:
    """χ² of independence of transition tables [..., K, K], N (Σ c² / (row · column) − 1); 0 or more."""
    rows, columns = pairs.sum(axis=-1, keepdims=True), pairs.sum(axis=-2, keepdims=True)
    shares = np.square(pairs, dtype=np.float64) / np.maximum(1, rows * columns)
    return np.asarray(pairs.sum(axis=(-2, -1)) * (shares.sum(axis=(-2, -1)) - 1))


def conditional_entropy_bits(pairs: Ints) -> Floats:
    """Plug-in H(x_t | x_{t−1}) in bits of transition tables [..., K, K]: 0 to log₂ K, biased low in short sequences."""
    from scipy.special import xlogy

    rows = pairs.sum(axis=-1)
    nats = xlogy(rows, rows).sum(axis=-1) - xlogy(pairs, pairs).sum(axis=(-2, -1))
    return np.asarray(nats / (pairs.sum(axis=(-2, -1)) * math.log(2)))


def repetition_ratio(x: Ints, q: Floats) -> Floats:
    """P(x_t = x_{t−1}) over Σ q² of sequences [..., n]: 1 for independent draws, below 1: avoids repeats."""
    return np.asarray((x[..., 1:] == x[..., :-1]).mean(axis=-1) / np.square(q).sum())


def two_sided(drawn: Floats, observed: float) -> float:
    """Two-sided Monte Carlo p of an observed value among drawn ones: twice the smaller tail, at most 1."""
    slack = 1e-9 * max(1.0, abs(observed))
    tails = (drawn >= observed - slack).sum(), (drawn <= observed + slack).sum()
    return min(1.0, 2 * (float(min(tails)) + 1) / (len(drawn) + 1))


def upper(drawn: Floats, observed: float) -> float:
    """Monte Carlo p of an observed value or a larger one among drawn ones."""
    return float(((drawn >= observed - 1e-9 * max(1.0, abs(observed))).sum() + 1) / (len(drawn) + 1))


def _order_statistics(places: Ints, symbols: Ints, q: Floats) -> dict[str, Floats]:
    """The statistics [...] of the m sequences of places [..., m, n] in the sorted symbols that occur.

    Those of one sequence are averaged over the m; pairs are counted in one table, since a sequence has too few.
    """
    pairs = transitions(places, len(symbols))
    found = {
        "runs": runs(places).mean(axis=-1),
        "longest_run": longest_run(places).mean(axis=-1),
        "ljung_box": ljung_box(symbols[places]).mean(axis=-1),
        "transition_chi2": transition_chi2(pairs),
        "repetition_ratio": repetition_ratio(places, q).mean(axis=-1),
        "conditional_entropy_bits": conditional_entropy_bits(pairs),
    }
    return {name: np.asarray(value, dtype=np.float64) for name, value in found.items()}


# Which way each departs from chance: order can only add to these two, and take from the entropy.
_P: dict[str, Callable[[Floats, float], float]] = {
    "runs": two_sided,
    "longest_run": two_sided,
    "ljung_box": upper,
    "transition_chi2": upper,
    "repetition_ratio": two_sided,
    "conditional_entropy_bits": lambda drawn, observed: upper(-drawn, -observed),
}


def within(
    sequences: Ints, q: Floats, rng: np.random.Generator, *, permutations: int = PERMUTATIONS
) -> dict[str, dict[str, float | None]]:
    """Whether the order inside sequences is random, given the symbols that each has.

    Statistics are averaged over the sequences, pairs counted in one table; p comes from permuting each by itself.

    Args:
        sequences: Symbols 0 to K − 1, shape [m, n], n at least 3. Numbers should be ranked by value: lags use them.
        q: Target law of the symbols, shape [K], sum 1.
        rng: For the permutations.
        permutations: How many.

    Returns:
        For ``runs``, ``longest_run``, ``ljung_box``, ``transition_chi2``, ``repetition_ratio`` and
        ``conditional_entropy_bits``: ``value``, ``expected`` (mean over the permutations) and ``p`` (two-sided for
        runs, longest run and repetition ratio). ``runs_z`` has a value only, null for other than two symbols.
    """
    symbols, ranked = np.unique(sequences, return_inverse=True)
    places = ranked.reshape(sequences.shape)
    observed = _order_statistics(places, symbols, q)
    drawn: dict[str, list[Floats]] = {name: [] for name in observed}
    rows = max(1, _CHUNK_CELLS // (places.size + len(symbols) ** 2))
    for start in range(0, permutations, rows):
        shape = (min(rows, permutations - start), *places.shape)
        permuted = rng.permuted(np.broadcast_to(places, shape), axis=-1)
        for name, values in _order_statistics(permuted, symbols, q).items():
            drawn[name].append(values)
    found: dict[str, dict[str, float | None]] = {}
    for name, value in observed.items():
        law = np.concatenate(drawn[name])
        found[name] = {"value": float(value), "expected": float(law.mean()), "p": _P[name](law, float(value))}
    found["runs_z"] = {"value": float(runs_z(places).mean()) if len(q) == 2 else None}
    return found


def between(sequences: Ints, q: Floats, rng: np.random.Generator) -> dict[str, float | None]:
    """Whether sequences differ from one another as independent draws from the target would.

    Args:
        sequences: Symbols 0 to K − 1, shape [m, n].
        q: Target law of the symbols, shape [K], sum 1.
        rng: For the Monte Carlo draws of the test.

    Returns:
        ``first_symbol_p`` (G-test of the first symbols over the sequences, which are independent draws), and
        ``equal_pairs`` (share of pairs of sequences that are equal, 0-1, null for one sequence) with
        ``equal_pairs_expected`` of a perfect sampler.
    """
    firsts = np.bincount(sequences[:, 0], minlength=len(q))
    m, n = sequences.shape
    times = np.unique(sequences, axis=0, return_counts=True)[1]
    return {
        "first_symbol_p": g_test(firsts, q, rng),
        "equal_pairs": float((times * (times - 1)).sum() / (m * (m - 1))) if m > 1 else None,
        "equal_pairs_expected": float(np.square(q).sum()) ** n,
    }


def symbol_p(sequences: Ints, q: Floats, rng: np.random.Generator) -> float | None:
    """P of the G-test of all symbols against the target, as if they were independent draws.

    Args:
        sequences: Symbols 0 to K − 1, shape [m, n].
        q: Target law of the symbols, shape [K], sum 1.
        rng: For the Monte Carlo draws of the test.
    """
    return g_test(np.bincount(sequences.ravel(), minlength=len(q)), q, rng)
