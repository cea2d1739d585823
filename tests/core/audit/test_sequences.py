"""Statistics of sequences and shuffles (random-audit.md B6)."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import binom, chi2_contingency, kendalltau

from divtool.core.audit import sequences as audit
from divtool.core.audit.shuffles import fixed_points, kendall_tau, place_chi2, shuffle_statistics

COIN = np.full(2, 0.5)


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_runs_by_hand() -> None:
    x = np.array([0, 0, 1, 1, 1, 0, 1])
    assert (audit.runs(x), audit.longest_run(x)) == (4, 3)
    mean = 2 * 4 * 3 / 7 + 1
    assert audit.runs_z(x) == pytest.approx((4 - mean) / math.sqrt((mean - 1) * (mean - 2) / 6))
    assert audit.runs_z(np.zeros(5, dtype=int)) == 0
    assert audit.longest_run(np.array([[1, 2, 3], [4, 4, 4]])).tolist() == [1, 3]


def test_runs_z_is_standard_in_permutations() -> None:
    z = audit.runs_z(_rng().permuted(np.tile(np.repeat([0, 1], [25, 35]), (4000, 1)), axis=1))
    assert (z.mean(), z.std()) == (pytest.approx(0, abs=0.05), pytest.approx(1, abs=0.03))


def test_autocorrelations_and_ljung_box_by_loops() -> None:
    x = _rng().integers(0, 9, 30)
    centred = x - x.mean()
    known = [sum(centred[k:] * centred[:-k]) / sum(centred**2) for k in range(1, 11)]
    assert audit.autocorrelations(x) == pytest.approx(known)
    assert audit.ljung_box(x) == pytest.approx(30 * 32 * sum(r * r / (30 - k) for k, r in enumerate(known, 1)))
    assert audit.ljung_box(np.ones((2, 6), dtype=int)).tolist() == [0, 0]
    assert audit.autocorrelations(x[:4]).shape == (3,)


def test_transitions_and_what_they_tell() -> None:
    x = _rng().integers(0, 3, (4, 50))
    pairs = audit.transitions(x, 3)
    known = np.zeros((3, 3))
    for row in x:
        for before, after in pairwise(row):
            known[before, after] += 1
    assert pairs.tolist() == known.tolist()
    assert audit.transition_chi2(pairs) == pytest.approx(chi2_contingency(known, correction=False).statistic)
    shares = known / known.sum(axis=1, keepdims=True)
    entropy = -(known / known.sum() * np.log2(shares)).sum()
    assert audit.conditional_entropy_bits(pairs) == pytest.approx(entropy)
    assert audit.transitions(np.stack([x, x]), 3).tolist() == [known.tolist()] * 2
    assert audit.conditional_entropy_bits(audit.transitions(np.tile([0, 1], (1, 9)), 2)) == 0


def test_repetition_ratio() -> None:
    assert audit.repetition_ratio(np.array([0, 0, 1, 1, 0]), COIN) == pytest.approx(2 / 4 / 0.5)
    x = _rng().integers(0, 6, (200, 500))
    assert audit.repetition_ratio(x, np.full(6, 1 / 6)).mean() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(("symbols", "length"), [(2, 40), (6, 60)])
def test_fair_sequences_are_rejected_at_the_level(symbols: int, length: int) -> None:
    runs, alpha, q = 500, 0.05, np.full(symbols, 1 / symbols)
    rejected: dict[str, int] = {}
    rng = _rng(symbols)
    for _ in range(runs):
        found = audit.within(rng.integers(0, symbols, (1, length)), q, rng, permutations=199)
        for name, key in found.items():
            rejected[name] = rejected.get(name, 0) + (key.get("p", 1.0) <= alpha)
        p = audit.symbol_p(rng.integers(0, symbols, (1, 5 * length)), q, rng)
        rejected["symbols"] = rejected.get("symbols", 0) + (p <= alpha)
    # Discrete statistics may be rejected less often, never more.
    assert max(rejected.values()) <= binom.isf(1e-4, runs, alpha)
    assert min(rejected[name] for name in ("ljung_box", "symbols")) >= binom.isf(1 - 1e-4, runs, alpha)


@pytest.mark.parametrize("symbols", [2, 4])
def test_alternating_and_sorted_sequences_are_always_rejected(symbols: int) -> None:
    q = np.full(symbols, 1 / symbols)
    cycle = np.tile(np.arange(symbols), 40 // symbols)
    for x in (cycle, np.sort(cycle)):
        found = audit.within(x[None], q, _rng(), permutations=999)
        for name in ("runs", "ljung_box", "transition_chi2", "repetition_ratio", "conditional_entropy_bits"):
            assert found[name]["p"] <= 0.01, name
    assert found["longest_run"]["p"] <= 0.01
    assert found["repetition_ratio"]["value"] > 1 > audit.repetition_ratio(cycle, q)


def test_sorted_numbers_with_gaps_show_in_the_lags() -> None:
    x = np.sort(_rng().integers(0, 100, (2, 50)), axis=1)
    found = audit.within(x, np.full(100, 0.01), _rng(), permutations=199)
    assert found["ljung_box"]["p"] == 1 / 200
    assert found["ljung_box"]["value"] == pytest.approx(audit.ljung_box(x).mean())
    assert found["runs_z"]["value"] is None


def test_order_within_and_differences_between_are_two_things() -> None:
    fair = np.tile(_rng().integers(0, 2, 20), (50, 1))  # one fair sequence, fifty times
    found = audit.between(fair, COIN, _rng())
    assert (found["equal_pairs"], found["equal_pairs_expected"]) == (1, 2.0**-20)
    assert found["first_symbol_p"] < 1e-6
    honest = audit.between(_rng().integers(0, 2, (300, 3)), COIN, _rng())
    assert honest["equal_pairs"] == pytest.approx(1 / 8, abs=0.02)
    assert audit.between(fair[:1], COIN, _rng())["equal_pairs"] is None


def test_shuffles_by_hand() -> None:
    shuffles = np.array([[0, 1, 2, 3], [3, 2, 1, 0], [0, 2, 1, 3]])
    assert fixed_points(shuffles).tolist() == [4, 0, 2]
    assert kendall_tau(shuffles).tolist() == pytest.approx([kendalltau(range(4), row).statistic for row in shuffles])
    table = np.zeros((4, 4))
    for row in shuffles:
        table[np.arange(4), row] += 1
    assert place_chi2(shuffles) == pytest.approx(((table - 0.75) ** 2 / 0.75).sum() * 3 / 4)


def test_fair_shuffles_have_the_expected_statistics() -> None:
    fair = _rng().permuted(np.broadcast_to(np.arange(6), (2000, 40, 6)), axis=-1)
    chi2 = place_chi2(fair)
    assert (chi2.mean(), chi2.var()) == (pytest.approx(25, rel=0.02), pytest.approx(50, rel=0.15))
    assert fixed_points(fair).mean() == pytest.approx(1, abs=0.02)
    assert kendall_tau(fair).mean() == pytest.approx(0, abs=0.01)


def test_shuffles_that_are_none_are_rejected() -> None:
    rng = _rng()
    ps = [
        shuffle_statistics(rng.permuted(np.tile(np.arange(5), (20, 1)), axis=1), rng, permutations=199)
        for _ in range(100)
    ]
    for name in ps[0]:
        assert sum(found[name]["p"] <= 0.05 for found in ps) <= binom.isf(1e-4, 100, 0.05)
    lazy = np.tile(np.arange(8), (20, 1))
    lazy[:, [0, 1]] = lazy[:, [1, 0]]
    found = shuffle_statistics(lazy, rng, permutations=999)
    assert {found[name]["p"] <= 0.002 for name in found} == {True}
    assert found["fixed_points"] == {"value": 6, "expected": 1, "p": found["fixed_points"]["p"]}
