"""Intervals, tests and verdicts against enumerations and vectors worked by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from divtool.core import resampling
from divtool.core.evaluation import statistics as st


def test_weights_are_counts_in_chunks() -> None:
    chunks = list(st.bootstrap_weights(7, seed=1, task="story", resamples=2_500))
    assert [chunk.shape for chunk in chunks] == [(1000, 7), (1000, 7), (500, 7)]
    assert all((chunk.sum(axis=1) == 7).all() for chunk in chunks)
    assert np.concatenate(chunks).mean(axis=0) == pytest.approx(np.ones(7), abs=0.1)


def test_weights_depend_on_seed_task_and_units_alone() -> None:
    def draw(seed: int, task: str, n: int) -> np.ndarray:
        return next(st.bootstrap_weights(n, seed=seed, task=task, resamples=50))

    assert (draw(0, "story", 9) == draw(0, "story", 9)).all()
    assert (draw(0, "story", 9) != draw(1, "story", 9)).any()
    assert (draw(0, "story", 9) != draw(0, "dat", 9)).any()


def test_bootstrap_mean_is_the_same_for_a_metric_alone_or_among_others() -> None:
    units = np.random.default_rng(0).normal(size=(30, 4)) * [1, 1e-200, 1e6, 3]
    together = st.bootstrap_mean(units, seed=3, task="t", resamples=500)
    for place in range(4):
        assert (together[:, place] == st.bootstrap_mean(units[:, place], seed=3, task="t", resamples=500)).all()


@pytest.mark.parametrize("n", [1, 2, 7, 1000])
def test_bootstrap_means_are_those_of_the_weights(n: int) -> None:
    units = 5 + np.random.default_rng(n).standard_cauchy(size=(n, 3))
    weights = np.concatenate(list(st.bootstrap_weights(n, seed=1, task="t", resamples=200)))
    expected = [[math.fsum(row * column) / n for column in units.T] for row in weights]
    scale = np.abs(units).max()
    assert np.abs(st.bootstrap_mean(units, seed=1, task="t", resamples=200) - expected).max() < 1e-12 * scale


def test_bootstrap_of_a_constant_is_the_constant() -> None:
    assert (st.bootstrap_mean([0.1] * 9, resamples=50) == 0.1).all()


def test_expanded_percentiles_tend_to_the_plain_ones() -> None:
    draws = np.random.default_rng(0).normal(size=10_000)
    plain = np.quantile(draws, [0.025, 0.975])
    assert np.array(st.interval(draws, 100_000)) == pytest.approx(plain, abs=1e-3)
    low, high = st.interval(draws, 8)
    assert low < plain[0] - 0.3
    assert high > plain[1] + 0.3


def _enumerated(differences: np.ndarray) -> float:
    observed = abs(math.fsum(differences))
    sums = [
        abs(math.fsum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(differences))
    ]
    return sum(value >= observed - 1e-12 for value in sums) / len(sums)


@pytest.mark.parametrize("n", [6, 10, 12])
def test_sign_flip_equals_the_enumeration(n: int) -> None:
    differences = np.random.default_rng(n).normal(0.4, 1, size=n)
    assert st.sign_flip_p(differences) == pytest.approx(_enumerated(differences), abs=1e-15)


def test_sign_flip_draws_come_close_to_the_enumeration() -> None:
    differences = np.random.default_rng(13).normal(0.4, 1, size=13)
    assert st.sign_flip_p(differences) == pytest.approx(_enumerated(differences), abs=0.01)


def test_sign_flip_counts_ties_despite_rounding() -> None:
    # 0.1 + 0.2 + ... differs in its last bits with the order; all six signs alike gives 2 of 64.
    assert st.sign_flip_p([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]) == 2 / 64
    assert st.sign_flip_p([0.1] * 6) == 2 / 64


@pytest.mark.parametrize("n", [6, 13])
def test_all_zero_differences_give_one(n: int) -> None:
    assert st.sign_flip_p([0.0] * n) == 1.0


def test_holm_by_hand() -> None:
    # Sorted .01 .02 .03 .04, times 4 3 2 1: .04 .06 .06 .04, made monotone: .04 .06 .06 .06.
    assert st.holm([0.04, 0.01, None, 0.03, 0.02]) == [0.06, 0.04, None, 0.06, 0.06]
    assert st.holm([0.9, 0.8]) == [1.0, 1.0]
    assert st.holm([]) == []


def test_benjamini_hochberg_by_hand() -> None:
    # Sorted .01 .02 .03 .04, times 4/1 4/2 4/3 4/4: .04 throughout.
    assert st.benjamini_hochberg([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.04] * 4)
    assert st.benjamini_hochberg([0.9, 0.01]) == pytest.approx([0.9, 0.02])


def test_benjamini_hochberg_is_scipys() -> None:
    p = np.random.default_rng(2).uniform(size=25).tolist()
    assert st.benjamini_hochberg([None, *p])[1:] == pytest.approx(false_discovery_control(p).tolist())
    assert st.benjamini_hochberg([None]) == [None]


def test_adjustment_by_name() -> None:
    p = [0.04, 0.01, None, 0.03, 0.02]
    assert st.adjust(p) == st.adjust(p, "holm") == st.holm(p)
    assert st.adjust(p, "bh") == st.benjamini_hochberg(p) != st.holm(p)


def test_a_run_against_itself() -> None:
    units = [0.1 * i for i in range(25)]
    result = st.compare(units, units, task="story")
    assert (result.delta, result.delta_ci_low, result.delta_ci_high, result.p_value) == (0, 0, 0, 1)
    assert st.headline_verdict(result.p_value, result.delta, "+") == "not shown"
    assert st.noninferiority_verdict(result.delta_ci_low, result.delta_ci_high, 0.05) == "equivalent"


def _planted(sd: float) -> st.Comparison:
    rng = np.random.default_rng(4)
    baseline = rng.uniform(0.2, 0.6, size=40)
    noise = rng.normal(size=40)
    noise = (noise - noise.mean()) / noise.std(ddof=1)
    return st.compare((baseline + 0.05 + sd * noise).tolist(), baseline.tolist(), task="story")


def test_planted_effect_is_found() -> None:
    result = _planted(0.05)
    assert result.delta == pytest.approx(0.05)
    assert result.delta_ci_low is not None
    assert 0 < result.delta_ci_low < 0.05
    assert st.headline_verdict(result.p_value, result.delta, "+") == "more"
    assert st.headline_verdict(result.p_value, result.delta, "-") == "less"


def test_noise_hides_the_effect_and_says_how_much_would_show() -> None:
    result = _planted(0.5)
    assert st.headline_verdict(result.p_value, result.delta, "+") == "not shown"
    assert result.detectable_delta == pytest.approx(2.8 * 0.5 / math.sqrt(40))
    assert result.detectable_delta is not None
    assert result.detectable_delta > 0.2


def test_undefined_units_are_left_out_and_counted() -> None:
    a = [1.0, None, 3.0, 4.0, 5.0, 6.0, 7.0, float("nan"), 9.0]
    b = [1.0, 2.0, None, 4.0, 5.0, 6.0, 7.0, 8.0, 8.0]
    result = st.compare(a, b)
    assert (result.n_units, result.left_out) == (6, 3)
    assert result.note == "few units; 3 undefined left out"
    assert result.value == pytest.approx(32 / 6)
    assert result.delta == pytest.approx(1 / 6)


def test_too_few_units_give_values_only() -> None:
    result = st.compare([1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 1.0, 1.0])
    assert (result.value, result.delta, result.note) == (2.5, 1.5, "too few units: 4 of 6")
    assert (result.ci_low, result.delta_ci_low, result.p_value, result.detectable_delta) == (None,) * 4
    empty = st.compare([None], [1.0])
    assert (empty.value, empty.delta, empty.n_units) == (None, None, 0)
    assert st.headline_verdict(None, 1.5, "+") is None
    assert st.noninferiority_verdict(None, None, 0.05) is None


def test_estimate_holds_the_mean_and_is_exact_on_a_constant() -> None:
    result = st.estimate([0.1] * 12)
    assert (result.value, result.ci_low, result.ci_high, result.note) == (0.1, 0.1, 0.1, "few units")


def _columns_with_holes() -> list[list[float | None]]:
    """Columns of 40 units: complete ones, two with equally many nulls in other places, one nearly empty."""
    values = np.random.default_rng(8).normal(1, 1, size=(6, 40)).tolist()
    holes: dict[int, range] = {2: range(3), 3: range(10, 13), 4: range(1), 5: range(36)}
    return [[None if i in holes.get(c, ()) else v for i, v in enumerate(column)] for c, column in enumerate(values)]


def test_columns_together_give_what_each_gives_alone() -> None:
    columns = _columns_with_holes()
    together = st.estimate_many(columns, seed=2, task="story", resamples=700)
    assert together == [st.estimate(column, seed=2, task="story", resamples=700) for column in columns]
    assert [found.n_units for found in together] == [40, 40, 37, 37, 39, 4]
    assert together[5].ci_low is None
    assert st.estimate_many([]) == []


def test_comparisons_together_give_what_each_gives_alone() -> None:
    columns = _columns_with_holes()
    pairs = list(itertools.combinations(columns, 2))
    together = st.compare_many(pairs, seed=2, task="story", resamples=700)
    assert together == [st.compare(*pair, seed=2, task="story", resamples=700) for pair in pairs]
    assert {found.n_units for found in together} == {40, 39, 37, 36, 34, 4}
    assert st.compare_many([]) == []


def test_resamples_are_drawn_once_for_all_columns_of_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[int, str]] = []
    draw = resampling.generator

    def counted(seed: int, task: str, n: int, purpose: str = "bootstrap") -> np.random.Generator:
        drawn.append((n, purpose))
        return draw(seed, task, n, purpose)

    monkeypatch.setattr(resampling, "generator", counted)
    columns = _columns_with_holes()
    st.compare_many([(columns[0], column) for column in columns], resamples=50)
    assert sorted(drawn) == sorted((n, purpose) for n in (37, 39, 40) for purpose in ("bootstrap", "sign-flip"))


def test_align_sorts_and_keeps_common_units() -> None:
    assert st.align({"b": 1.0, "a": 2.0, "x": 0.0}, {"a": None, "b": 3.0}) == (["a", "b"], [2.0, 1.0], [None, 3.0])


@pytest.mark.parametrize(
    ("low", "high", "direction", "verdict"),
    [
        (-0.030, -0.020, "+", "not worse"),  # -m/2, tight
        (-0.110, -0.090, "+", "worse"),  # -2m
        (-0.200, 0.200, "+", "undecided"),
        (-0.060, 0.010, "+", "undecided"),
        (-0.010, 0.010, "+", "equivalent"),
        (-0.010, 0.200, "+", "not worse"),
        (0.090, 0.110, "-", "worse"),
        (0.020, 0.030, "-", "not worse"),
        (-0.300, -0.200, "-", "not worse"),
    ],
)
def test_noninferiority(low: float, high: float, direction: st.Direction, verdict: str) -> None:
    assert st.noninferiority_verdict(low, high, 0.05, direction) == verdict


@pytest.mark.parametrize("n", [6, 8, 12, 13])
def test_the_smallest_p_is_that_of_differences_of_one_sign(n: int) -> None:
    assert st.sign_flip_p(np.full(n, 0.1)) == pytest.approx(st.smallest_flip_p(n), abs=5e-4)
    assert st.sign_flip_p(np.full(n, 0.1)) >= st.smallest_flip_p(n)


def test_comparisons_that_no_responses_can_decide_are_told() -> None:
    """2/256 times 12 is above .05; where others can be decided first, fewer are left to correct for."""
    assert st.unreachable([8] * 12) == [True] * 12
    assert st.unreachable([8] * 6) == [False] * 6
    assert st.unreachable([8] * 12, "bh") == [False] * 12
    assert st.unreachable([8] * 2 + [20] * 10) == [False] * 12
    assert st.unreachable([6, *[20] * 10]) == [False] * 11
    assert st.unreachable([6, 6, *[20] * 10]) == [True, True, *[False] * 10]
