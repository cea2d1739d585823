"""The front, the baseline's curve, what a run adds to it, and the words for both axes."""

from __future__ import annotations

from itertools import product
from typing import Any, get_args

import numpy as np
import pytest

from divtool.core.evaluation.frontier import (
    TRADEOFFS,
    Standing,
    front,
    height,
    matched_difference,
    on_front,
    standing,
    tradeoff,
)
from divtool.core.evaluation.statistics import HeadlineVerdict

# Of a model that is drawn hotter and hotter: quality falls, diversity rises.
QUALITY, DIVERSITY = (0.97, 0.95, 0.90, 0.80, 0.60), (0.20, 0.30, 0.40, 0.50, 0.60)


def _units(means: Any, n: int, noise: float, draw: np.random.Generator) -> Any:
    """Values by unit: what is common to all sides, and what is not."""
    means = np.asarray(means)
    return means + draw.normal(0, 0.1, (n, 1)) + draw.normal(0, noise, (n, len(means)))


def test_the_front_of_five_runs() -> None:
    """Best in quality, best in diversity, between both, behind the third, level with it in quality only."""
    quality, diversity = [0.9, 0.5, 0.7, 0.6, 0.7], [0.2, 0.8, 0.5, 0.45, 0.4]
    assert on_front(quality, diversity).tolist() == [True, True, True, False, False]
    draw = np.random.default_rng(0)
    found = front(_units(quality, 40, 0.01, draw), _units(diversity, 40, 0.01, draw))
    assert found.on == (True, True, True, False, False)
    assert found.shares is not None
    assert found.shares[:4] == (1.0, 1.0, 1.0, 0.0)
    assert 0.1 < found.shares[4] < 0.9  # its quality is that of the third, give or take the noise
    assert found.n_units == 40


def test_shares_of_the_front_say_how_firm_it_is() -> None:
    """Two runs of one quality that differ by chance share the front; equal ones do not take each other off it."""
    draw = np.random.default_rng(1)
    quality = np.full((20, 3), 0.1) + 0.2
    diversity = draw.normal(0.5, 0.1, (20, 2))
    found = front(quality, np.column_stack([diversity, diversity[:, 0]]))
    assert found.on == (False, True, False) or found.on == (True, False, True)
    assert found.shares is not None
    assert found.shares[0] == found.shares[2]
    assert 0.02 < found.shares[0] < 0.98
    assert found.shares[0] + found.shares[1] == pytest.approx(1)
    few = front(quality[:5], diversity[:5, [0, 1, 0]])
    assert few.shares is None


def test_means_that_differ_by_rounding_are_equal() -> None:
    assert on_front([0.1 + 0.2, 0.3], [1.0, 1.0]).tolist() == [True, True]


@pytest.mark.parametrize(
    ("quality", "expected"),
    [
        (0.97, 0.20), (0.96, 0.25), (0.85, 0.45), (0.60, 0.60),
        (0.971, np.nan), (0.59, np.nan),
    ],
)  # fmt: skip
def test_the_curve_is_interpolated_between_its_points(quality: float, expected: float) -> None:
    assert height(quality, QUALITY, DIVERSITY) == pytest.approx(expected, nan_ok=True)
    # The other way round, as for min_p.
    assert height(quality, QUALITY[::-1], DIVERSITY[::-1]) == pytest.approx(expected, nan_ok=True)


def test_the_best_of_several_settings_of_one_quality_counts() -> None:
    flat = (1.0, 1.0, 1.0, 0.8)
    assert height([1.0, 0.9, 0.8], [flat] * 3, [(0.2, 0.5, 0.4, 0.6)] * 3) == pytest.approx([0.5, 0.5, 0.6])


def test_a_setting_that_is_better_on_both_axes_counts() -> None:
    """Small models lose quality at low temperatures too, and diversity at high ones."""
    quality, diversity = (0.5, 0.9, 0.7, 0.4), (0.1, 0.5, 0.6, 0.55)
    assert height([0.6, 0.8, 0.5], [quality] * 3, [diversity] * 3) == pytest.approx([0.6, 0.55, 0.6])


def test_a_run_equal_to_a_setting_adds_nothing() -> None:
    draw = np.random.default_rng(2)
    curve = _units(QUALITY, 12, 0.03, draw), _units(DIVERSITY, 12, 0.03, draw)
    for point in (0, 2, 4):
        found = matched_difference((curve[0][:, point], curve[1][:, point]), curve)
        assert found.value == pytest.approx(0, abs=1e-12)
        assert found.ci_low is not None
        assert found.ci_high is not None
        assert found.ci_low - 1e-12 <= 0 <= found.ci_high + 1e-12
        assert found.above == 0


@pytest.mark.parametrize(("n", "at"), [(10, (0.85, 0.45)), (20, (0.90, 0.40)), (40, (0.70, 0.55))])
def test_the_interval_of_a_run_on_the_curve_covers_zero(n: int, at: tuple[float, float]) -> None:
    """Nominal 95 %, 250 made data sets each; one in the middle of a segment covers .95, one at a bend .96."""
    covered = []
    for seed in range(250):
        draw = np.random.default_rng([n, seed])
        quality, diversity = _units((at[0], *QUALITY), n, 0.05, draw), _units((at[1], *DIVERSITY), n, 0.05, draw)
        run, curve = (quality[:, 0], diversity[:, 0]), (quality[:, 1:], diversity[:, 1:])
        found = matched_difference(run, curve, seed=seed, resamples=400)
        if found.ci_low is not None and found.ci_high is not None:
            covered.append(found.ci_low <= 0 <= found.ci_high)
    assert len(covered) > 235
    assert 0.92 <= np.mean(covered) <= 0.99


@pytest.mark.parametrize("gain", [0.1, -0.1])
def test_a_run_off_the_curve_is_found(gain: float) -> None:
    draw = np.random.default_rng(3)
    quality, diversity = _units((0.85, *QUALITY), 30, 0.03, draw), _units((0.45 + gain, *DIVERSITY), 30, 0.03, draw)
    found = matched_difference((quality[:, 0], diversity[:, 0]), (quality[:, 1:], diversity[:, 1:]))
    assert found.value == pytest.approx(gain, abs=0.03)
    assert found.ci_low is not None
    assert found.ci_high is not None
    assert found.ci_low > 0 if gain > 0 else found.ci_high < 0
    assert found.ci_low < found.value < found.ci_high


@pytest.mark.parametrize(("quality", "side"), [(1.1, "above"), (0.4, "below")])
def test_outside_the_curve_there_is_no_difference(quality: float, side: str) -> None:
    draw = np.random.default_rng(4)
    all_quality, diversity = _units((quality, *QUALITY), 20, 0.02, draw), _units((0.4, *DIVERSITY), 20, 0.02, draw)
    found = matched_difference((all_quality[:, 0], diversity[:, 0]), (all_quality[:, 1:], diversity[:, 1:]))
    assert (found.value, found.ci_low, found.ci_high, found.outside) == (None, None, None, side)
    assert (found.above, found.below) == ((1, 0) if side == "above" else (0, 1))


def test_at_the_ends_of_the_curve_the_interval_is_careful() -> None:
    """Resamples above the curve count as its upper end; too many below it leave no interval."""
    draw = np.random.default_rng(5)
    quality, diversity = _units((0.961, *QUALITY), 20, 0.05, draw), _units((0.5, *DIVERSITY), 20, 0.05, draw)
    quality += (0.965, *QUALITY) - quality.mean(axis=0)
    curve = quality[:, 1:], diversity[:, 1:]
    upper = matched_difference((quality[:, 0], diversity[:, 0]), curve)
    assert upper.above is not None
    assert upper.above > 0.2
    assert upper.ci_low is not None
    lower = matched_difference((quality[:, 0] - 0.36, diversity[:, 0]), curve)
    assert lower.below is not None
    assert lower.below > 0.1
    assert lower.value is not None
    assert lower.ci_low is None


def test_few_units_give_a_value_only() -> None:
    curve = np.tile(QUALITY, (5, 1)), np.tile(DIVERSITY, (5, 1))
    found = matched_difference((np.full(5, 0.85), np.full(5, 0.55)), curve)
    assert found.value == pytest.approx(0.1)
    assert (found.ci_low, found.above, found.n_units) == (None, None, 5)


def test_every_combination_has_its_words() -> None:
    every = set(product(get_args(HeadlineVerdict), (*get_args(Standing), None)))
    assert every == set(TRADEOFFS)
    assert tradeoff(None, "better") is None
    assert tradeoff("more", "better") == "wins both"
    assert tradeoff("more", standing("equivalent", -0.01, 0.01, "+")) == "more diverse, quality not worse"
    assert tradeoff("more", standing("worse", -0.4, -0.1, "+")) == tradeoff("less", "better") == "trade"
    assert tradeoff("less", "worse") == "dominated"


@pytest.mark.parametrize(
    ("verdict", "low", "high", "direction", "expected"),
    [
        ("not worse", 0.01, 0.03, "+", "better"),
        ("not worse", -0.03, -0.01, "+", "not worse"),
        ("not worse", -0.03, -0.01, "-", "better"),
        ("not worse", 0.0, 0.1, "+", "not worse"),
        ("equivalent", -0.01, 0.01, "+", "not worse"),
        ("undecided", -0.2, 0.1, "+", "undecided"),
        ("worse", -0.3, -0.2, "+", "worse"),
        (None, None, None, "+", None),
    ],
)
def test_a_gain_of_quality_is_told_from_no_loss(
    verdict: Any, low: float | None, high: float | None, direction: Any, expected: str | None
) -> None:
    assert standing(verdict, low, high, direction) == expected
