"""Counting responses and what their noise does to the statistics (random-audit.md A6)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import entropy, multinomial, norm, power_divergence

from divtool.core.audit import counts as audit
from divtool.core.audit.beginnings import Beginnings
from divtool.core.audit.sampled import add_adjusted, read_counts
from divtool.core.audit.statistics import total_variation
from divtool.core.audit.task import AuditOption, AuditTask
from divtool.core.resampling import benjamini_hochberg

from .make import audited, prompt, sampled, task


def _even(size: int) -> np.ndarray:
    return np.full(size, 1 / size)


def test_counts_of_responses() -> None:
    texts = ["1", " 2.", "I pick 2", "1 or 2", "", "2"]
    reading = read_counts(prompt(task(2)), texts, ["stop", "stop", None, "length", "stop", "stop"], 0)
    assert reading.counts is not None
    assert reading.counts.tolist() == [1, 2]
    assert reading.p.tolist() == [1 / 6, 1 / 3]
    assert np.array_equal([reading.p_low, reading.p_high], audit.wilson(reading.counts, 6, 0.05 / 2))
    assert (reading.n, reading.extras["n_valid"], reading.extras["lenient_valid_mass"]) == (6, 3, 4 / 6)
    assert reading.extras["finish_reasons"] == {"length": 1, "stop": 4, "unknown": 1}


def test_draws_depend_on_seed_task_and_wording_alone() -> None:
    texts = ["1"] * 9 + ["2"] * 5 + ["3"] * 4
    made = task(4)

    def p_value(wording: str, seed: int, arm: str = "") -> float:
        return float(read_counts(prompt(made, wording, arm=arm), texts, [], seed).extras["g_p"])

    base = p_value("w1", 0)
    assert base == p_value("w1", 0) == p_value("w1", 0, arm="system")
    assert len({base, p_value("w2", 0), p_value("w1", 1)}) == 3


def test_wilson_inverts_the_score_test() -> None:
    counts, n, alpha = np.array([0, 3, 25, 40]), 40, 0.05 / 4
    low, high = audit.wilson(counts, n, alpha)
    assert (low[0], high[-1]) == (0, 1)
    z = norm.isf(alpha / 2)

    def distance(p: float, share: float) -> float:
        return (share - p) ** 2 - z * z * p * (1 - p) / n

    for count, bottom, top in zip(counts[1:3], low[1:3], high[1:3], strict=True):
        assert brentq(distance, 1e-9, count / n, args=(count / n,)) == pytest.approx(bottom)
        assert brentq(distance, count / n, 1 - 1e-9, args=(count / n,)) == pytest.approx(top)
    assert high[0] == pytest.approx(z * z / (n + z * z))


def test_g_test_by_chi2_is_scipys() -> None:
    counts, q = np.array([30, 20, 25, 45]), np.array([0.3, 0.2, 0.2, 0.3])
    known = power_divergence(counts, 120 * q, lambda_="log-likelihood").pvalue
    assert audit.g_test(counts, q, np.random.default_rng(0)) == pytest.approx(known)


@pytest.mark.parametrize("q", [_even(3), np.array([0.6, 0.3, 0.1])])
def test_g_test_by_monte_carlo_is_the_exact_one(q: np.ndarray) -> None:
    n, observed = 7, np.array([1, 2, 4])
    law = multinomial(n, q)
    every = [np.array([a, b, n - a - b]) for a in range(n + 1) for b in range(n + 1 - a)]

    def g(counts: np.ndarray) -> float:
        return sum(2 * c * math.log(c / (n * share)) for c, share in zip(counts, q, strict=True) if c)

    known = sum(law.pmf(counts) for counts in every if g(counts) >= g(observed) - 1e-9)
    found = audit.g_test(observed, q, np.random.default_rng(0))
    assert found == pytest.approx(known, abs=4 * math.sqrt(known * (1 - known) / audit.MONTE_CARLO))


def test_g_test_without_valid_responses_and_with_unwanted_ones() -> None:
    rng = np.random.default_rng(0)
    assert audit.g_test(np.zeros(3, dtype=np.int64), _even(3), rng) is None
    assert audit.g_test(np.array([5, 1]), np.array([1.0, 0.0]), rng) == 1 / (audit.MONTE_CARLO + 1)
    assert audit.g_test(np.array([5, 0]), np.array([1.0, 0.0]), rng) == 1
    assert audit.g_test(np.array([1, 0, 0]), _even(3), rng, 99) == 1
    assert audit.g_test(np.eye(10, dtype=np.int64)[0] * 30, _even(10), rng, 99) == 1 / 100


@pytest.mark.parametrize(("size", "n", "known"), [(2, 100, None), (10, 100, 0.119), (100, 500, 0.175)])
def test_noise_floor_is_the_monte_carlo_mean(size: int, n: int, known: float | None) -> None:
    q = _even(size)
    drawn = np.random.default_rng(0).multinomial(n, q, size=20_000) / n
    floor = audit.tv_null(q, n)
    assert floor == pytest.approx(np.abs(drawn - q).sum(axis=1).mean() / 2, rel=0.01)
    assert known is None or round(floor, 3) == known


def test_noise_floor_of_many_options_and_of_a_sure_one() -> None:
    assert round(audit.tv_null(_even(200), 1000), 3) == 0.175
    assert audit.tv_null(np.array([1.0, 0.0]), 50) == 0


@pytest.mark.parametrize(("size", "n"), [(10, 2403), (100, 26359)])
def test_responses_needed_for_a_noise_floor(size: int, n: int) -> None:
    q = _even(size)
    assert audit.draws_for_null(q, 0.025) == n
    assert audit.tv_null(q, n) <= 0.025 < audit.tv_null(q, int(n / 1.05) - 1)


def test_mmd2_is_unbiased() -> None:
    q = _even(10)
    p = np.append(np.random.default_rng(1).dirichlet(np.ones(10)) * 0.8, 0.2)
    drawn = np.random.default_rng(0).multinomial(60, p, size=300)[:, :-1]
    values = [audit.mmd2(counts, 60, q) for counts in drawn]
    truth = ((p - np.append(q, 0)) ** 2).sum()
    assert np.mean(values) == pytest.approx(truth, abs=3 * np.std(values) / math.sqrt(300))
    assert audit.mmd2(np.array([1, 0]), 1, _even(2)) is None


@pytest.mark.parametrize("truth", [0.95, 0.49])
def test_corrected_tv_finds_the_truth(truth: float) -> None:
    q = _even(100)
    kept = round(100 * (1 - truth))
    p = np.repeat([1 / kept, 0.0], [kept, 100 - kept])  # TV = the share of options without mass
    rng = np.random.default_rng(0)
    found = np.array([audit.corrected_tv(counts, 500, q, rng) for counts in rng.multinomial(500, p, size=40)])
    assert found[:, 0].mean() == pytest.approx(total_variation(p, q), abs=0.02)
    assert (np.diff(found[:, [1, 0, 2]], axis=1) >= -1e-12).all()


def test_excess_over_corrects_where_the_literature_says() -> None:
    made = task(100)
    known = sampled(made, np.repeat([100, 0], [5, 95])).extras
    assert known["tv_excess"] == pytest.approx(0.775, abs=0.001)
    assert known["tv_corrected"] == pytest.approx(0.95, abs=0.001)


def test_corrected_tv_of_a_perfect_sample_is_0() -> None:
    assert audit.corrected_tv(np.full(10, 50), 500, _even(10), np.random.default_rng(0)) == (0, 0, 0)


def test_entropies() -> None:
    counts = np.array([8, 2, 0, 0])
    plug_in = entropy(counts, base=2)
    assert audit.miller_madow_bits(counts) == pytest.approx(plug_in + 1 / (20 * math.log(2)))
    assert audit.collision_entropy_bits(counts) == pytest.approx(-math.log2((8 * 7 + 2 * 1) / 90))
    assert audit.collision_entropy_bits(np.array([1, 1, 1])) is None
    assert audit.miller_madow_bits(np.zeros(3, dtype=np.int64)) is None


def test_adjusted_p_values_are_monotone_and_sampled_alone() -> None:
    made = task(6)
    rows = [audited(made, sampled(made, counts)) for counts in ([20, 9, 9, 8, 8, 6], [10] * 6, [15, 5, 9, 9, 11, 11])]
    rows.append(audited(made, sampled(made, [0] * 6, invalid=9)))
    rows.append({"mode": "exact"})
    add_adjusted(rows)
    assert [row.get("g_p_adjusted") for row in rows] == [*benjamini_hochberg([row["g_p"] for row in rows[:-1]]), None]
    assert rows[3]["g_p_adjusted"] is None
    assert "g_p_adjusted" not in rows[4]
    pairs = sorted((row["g_p"], row["g_p_adjusted"]) for row in rows[:3])
    assert [adjusted for _, adjusted in pairs] == sorted(adjusted for _, adjusted in pairs)
    assert all(p <= adjusted <= 1 for p, adjusted in pairs)
    assert pairs[0][1] == pytest.approx(min(3 * pairs[0][0], 1.5 * pairs[1][0], pairs[2][0]))


def test_answers_without_an_end_count_by_their_beginning() -> None:
    bins = AuditTask("bins", "made", tuple(AuditOption(text, 0.25) for text in ("-0.1", "0.1", "1.0", "10.0")))
    texts = ["0.12", " 0.1999 or so", "-0.10", "1.05", "10.05", ".12", "about 0.12", "<think>1.0</think>0.1"]
    reading = read_counts(prompt(bins, terminal="none"), texts, [], 0)
    assert reading.counts is not None
    assert reading.counts.tolist() == [1, 3, 1, 1]
    assert (reading.extras["match"], reading.extras["lenient_valid_mass"]) == ("beginning", 6 / 8)
    assert Beginnings(bins, "braces").strict("{0.1}5") == 1
    assert "match" not in read_counts(prompt(bins), texts, [], 0).extras
