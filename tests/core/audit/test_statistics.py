"""The statistics of a law against its target, and their bounds (random-audit.md A5, A7)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2, entropy, ncx2, wasserstein_distance

from divtool.core.audit import statistics as audit
from divtool.core.audit.task import AuditOption, AuditTask
from divtool.core.audit.verdict import verdict

from .make import exact, task


def test_every_key_against_an_independent_formula() -> None:
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(6))
    made = AuditTask("t", "f", tuple(AuditOption(str(i), q) for i, q in enumerate(weights)))
    p = 0.7 * rng.dirichlet(np.ones(6))
    found = audit.distribution_statistics(p, made)
    whole, wanted, valid = np.append(p, 0.3), np.append(weights, 0.0), p / p.sum()
    assert found["valid_mass"] == pytest.approx(0.7)
    assert found["tv"] == pytest.approx(np.abs(whole - wanted).sum() / 2)
    assert found["tv_valid"] == pytest.approx(np.abs(valid - weights).sum() / 2)
    assert found["js_bits"] == pytest.approx(jensenshannon(whole, wanted, base=2) ** 2)
    assert found["kl_bits"] == pytest.approx(entropy(weights, valid, base=2) - math.log2(0.7))
    assert found["entropy_bits"] == pytest.approx(entropy(valid, base=2))
    assert found["normalized_entropy"] == pytest.approx(entropy(valid) / entropy(weights))
    assert found["effective_options"] == pytest.approx(math.exp(entropy(valid)))
    assert found["min_entropy_bits"] == pytest.approx(-math.log2(valid.max()))
    assert found["collision_effective"] == pytest.approx(1 / (valid**2).sum())
    assert found["top_option"] == str(valid.argmax())
    assert found["over_representation"] == pytest.approx(valid.max() / weights[valid.argmax()])
    assert [row["n"] for row in found["coverage"]] == [6, 100, 1000]
    assert found["coverage"][0] == pytest.approx(
        {"n": 6, "expected": (1 - (1 - valid) ** 6).sum(), "perfect": (1 - (1 - weights) ** 6).sum()}
    )
    n = found["draws_to_detect"]
    strength = ((valid - weights) ** 2 / weights).sum()
    power = ncx2.sf(chi2.isf(0.01, 5), 5, strength * np.array([n - 1, n]))
    assert power[0] < 0.9 <= power[1]


def test_a_perfect_law() -> None:
    found = audit.distribution_statistics(np.full(10, 0.1), task(10))
    assert (found["tv"], found["tv_valid"], found["kl_bits"]) == pytest.approx((0, 0, 0), abs=1e-15)
    assert found["draws_to_detect"] is None
    assert found["normalized_entropy"] == pytest.approx(1)
    assert verdict(exact(np.full(10, 0.1)), task(10)) == {"verdict": "pass"}


def test_a_one_hot_law() -> None:
    found = audit.distribution_statistics(np.eye(10)[3], task(10))
    assert (found["tv"], found["tv_valid"]) == pytest.approx((0.9, 0.9))
    assert (found["effective_options"], found["entropy_bits"], found["collision_effective"]) == (1, 0, 1)
    assert (found["top_option"], found["over_representation"]) == ("4", pytest.approx(10))
    assert found["kl_bits"] is None
    assert found["coverage"][0]["expected"] == 1
    assert verdict(exact(np.eye(10)[3]), task(10)) == {"verdict": "fail"}


@pytest.mark.parametrize("p", [0.0, 1e-14])
def test_a_model_that_never_answers_has_nulls(p: float) -> None:
    found = audit.distribution_statistics(np.full(10, p), task(10, ordinal=True))
    nulls = set(found) - {"valid_mass", "tv", "js_bits", "kl_bits"}
    assert {found[name] for name in nulls} == {None}
    assert {"tv_valid", "draws_to_detect", "coverage", "top_option", "ordinal_statistics"} <= nulls
    assert (found["valid_mass"], found["tv"], found["js_bits"]) == pytest.approx((0, 1, 1), abs=1e-9)
    assert found["kl_bits"] is None if p == 0 else found["kl_bits"] == pytest.approx(-math.log2(p * 10))


def test_a_target_without_entropy_and_options_of_target_0() -> None:
    made = AuditTask("t", "f", (AuditOption("a", 1.0), AuditOption("b", 0.0)))
    found = audit.distribution_statistics(np.array([0.5, 0.5]), made)
    assert found["normalized_entropy"] is None
    assert found["kl_bits"] == 1
    assert found["draws_to_detect"] == math.ceil(math.log(0.1) / math.log(0.5))  # b is noticed when it is drawn
    top = audit.distribution_statistics(np.array([0.2, 0.8]), made)
    assert (top["top_option"], top["over_representation"]) == ("b", None)
    assert audit.distribution_statistics(np.array([0.0, 1.0]), made)["draws_to_detect"] == 1
    assert audit.distribution_statistics(np.array([1.0, 0.0]), made)["draws_to_detect"] is None


@pytest.mark.parametrize(("size", "draws"), [(2, 1488), (6, 2203), (10, 2613)])
def test_draws_to_detect_an_effect_of_a_tenth(size: int, draws: int) -> None:
    q = np.full(size, 1 / size)
    shift = np.where(np.arange(size) % 2, -1, 1) * 0.1 / size  # w² = Σ (p − q)²/q = .01
    assert audit.draws_to_detect(q + shift, q) == draws


def test_ordinal_statistics() -> None:
    made = task(20, ordinal=True)
    q, p = np.full(20, 0.05), np.random.default_rng(1).dirichlet(np.ones(20))
    values = np.arange(1, 21)
    found = audit.distribution_statistics(p, made)["ordinal_statistics"]
    assert found["w1_steps"] == pytest.approx(wasserstein_distance(values, values, p, q))
    assert found["cdf_gap"] == pytest.approx(np.abs(np.cumsum(p) - np.cumsum(q)).max())
    assert found["mean_error"] == pytest.approx(p @ values - 10.5)
    deviation = math.sqrt(p @ values**2 - (p @ values) ** 2)
    assert found["sd_error"] == pytest.approx(deviation - math.sqrt((20**2 - 1) / 12))
    assert (found["p_odd"], found["p_odd_target"]) == (pytest.approx(p[::2].sum()), pytest.approx(0.5))
    assert (found["p_multiple_of_5"], found["p_multiple_of_5_target"]) == (pytest.approx(p[4::5].sum()), 0.2)
    assert found["ends_in_7_ratio"] == pytest.approx((p[6] + p[16]) / 0.1)
    assert found["edge_ratio"] == pytest.approx((p[0] + p[19]) / 0.1)


def test_ordered_names_have_no_digits() -> None:
    days = AuditTask("t", "f", tuple(AuditOption(day, 1 / 3) for day in ("Mo", "Tu", "We")), ordinal=True)
    found = audit.distribution_statistics(np.array([0.0, 0.0, 1.0]), days)["ordinal_statistics"]
    assert (found["w1_steps"], found["mean_error"]) == pytest.approx((1, 1))
    assert {found[name] for name in found if name.startswith(("p_", "ends"))} == {None}


def test_bounds_hold_for_random_completions() -> None:
    rng = np.random.default_rng(2)
    for size, left in ((2, 0.5), (7, 0.05), (40, 0.3)):
        made = task(size)
        low = (1 - left) * rng.dirichlet(np.full(size + 1, 0.3))[:-1]
        ends = audit.bounds_statistics(low, left, made)
        # The last place is ⊥; peaked completions come near the ends.
        added = np.concatenate([rng.dirichlet(np.full(size + 1, a), 250)[:, :-1] for a in (0.02, 0.1, 1, 10)])
        for p in low + left * added:
            found = audit.distribution_statistics(p, made)
            for name in ("tv", "valid_mass", "entropy_bits"):
                assert ends[f"{name}_low"] - 1e-12 <= found[name] <= ends[f"{name}_high"] + 1e-12, name


def test_the_ends_of_the_entropy_are_reached() -> None:
    low = np.array([0.4, 0.1, 0.05])
    ends = audit.entropy_range(low, 0.2)
    level = (0.1 + 0.05 + 0.2) / 2
    reached = [np.array(p) / 0.75 for p in ([0.6, 0.1, 0.05], [0.4, level, level])]
    assert ends == pytest.approx([entropy(p, base=2) for p in reached])
    assert audit.entropy_range(low, 0.0) == pytest.approx([entropy(low, base=2)] * 2)
    assert audit.entropy_range(np.zeros(4), 0.5) == pytest.approx((0, 2))
    assert audit.entropy_range(np.zeros(4), 0.0) is None
    assert audit.bounds_statistics(np.zeros(4), 0.0, task(4))["entropy_bits_low"] is None


def test_bounds_without_a_rest_are_the_exact_values() -> None:
    p, made = np.random.default_rng(3).dirichlet(np.ones(9))[:-1], task(8)
    ends, found = audit.bounds_statistics(p, 0.0, made), audit.distribution_statistics(p, made)
    for name in ("tv", "valid_mass", "entropy_bits"):
        assert ends[f"{name}_low"] == pytest.approx(found[name])
        assert ends[f"{name}_high"] == pytest.approx(found[name])
