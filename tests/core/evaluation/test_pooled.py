"""Values of a whole run together: by hand, with as many on both sides, and their intervals."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from divtool.core.evaluation.attributes.measures import entropies, entropies_mm, mean_entropy
from divtool.core.evaluation.pooled import Pool, Pooling, compare_pools, estimate_pool, evened

_LETTERS = "abcdefgh"


def _counts(*counts: int) -> Any:
    return np.array(counts, dtype=np.float64)


def test_entropies_by_hand() -> None:
    assert entropies(_counts(5, 3, 1, 1)) == pytest.approx(1.6854753, abs=1e-7)
    assert entropies_mm(_counts(5, 3, 1, 1)) == pytest.approx(1.9018796, abs=1e-7)
    assert entropies_mm(_counts(5, 0, 3, 1, 1)) == pytest.approx(1.9018796, abs=1e-7)
    assert entropies(_counts(7)) == entropies_mm(_counts(7, 0)) == 0
    assert math.isnan(entropies(_counts(0, 0)))
    assert entropies(np.array([[1.0, 1.0], [2.0, 0.0]])).tolist() == [1, 0]


def test_the_mean_is_over_the_attributes_that_are_stated() -> None:
    keys = [("age", "20s"), ("age", "30s"), ("gender", "man"), ("country", "Chad")]
    age, gender = 1 + 1 / (8 * math.log(2)), 0.0
    assert mean_entropy(_counts(2, 2, 3, 0), keys) == pytest.approx((age + gender) / 2)
    found = mean_entropy(np.array([[2.0, 2.0, 3.0, 0.0], [0.0, 0.0, 1.0, 0.0]]), keys)
    assert found.tolist() == pytest.approx([(age + gender) / 2, 0])


def _keys(value: Any) -> Any:
    return value


def _pool(table: dict[str, str], measure: Any = lambda counts, _: entropies_mm(counts)) -> Pool:
    values = {unit: [("x", letter) for letter in letters] for unit, letters in table.items()}
    return Pool(values, Pooling(_keys, measure))


def test_both_sides_keep_equally_many_values_of_each_attribute_on_each_unit() -> None:
    same = Pooling(_keys, lambda counts, _: counts)
    run = Pool({"p": [("x", "a"), ("y", "k"), ("x", "b"), ("x", "c")], "q": [("x", "a")]}, same)
    base = Pool({"p": [("x", "d"), ("x", "e"), ("y", "k"), ("y", "l")], "r": [("x", "a")]}, same)
    own, other = evened(run, base)
    assert own.values == {"p": [("x", "a"), ("y", "k"), ("x", "b")]}
    assert other.values == {"p": [("x", "d"), ("x", "e"), ("y", "k")]}


def test_no_value_and_too_few_units_have_no_interval() -> None:
    nothing = estimate_pool(_pool({"p": "", "q": ""}))
    assert (nothing.value, nothing.ci_low, nothing.n_units) == (None, None, 0)
    few = compare_pools(*evened(_pool(dict.fromkeys("pqrst", "ab")), _pool(dict.fromkeys("pqrst", "aa"))))
    assert few.delta == few.value == pytest.approx(1 + 1 / (20 * math.log(2)))
    assert (few.ci_low, few.p_value, few.note) == (None, None, "too few units: 5 of 6")


def test_one_class_has_no_entropy_and_no_doubt() -> None:
    found = estimate_pool(_pool(dict.fromkeys(_LETTERS, "aaa")))
    assert (found.value, found.ci_low, found.ci_high) == (0, 0, 0)


def test_a_run_against_itself() -> None:
    draw = np.random.default_rng(0)
    pool = _pool({f"p{n}": "".join(draw.choice(list(_LETTERS), 5)) for n in range(10)})
    found = compare_pools(*evened(pool, pool))
    assert (found.delta, found.delta_ci_low, found.delta_ci_high, found.p_value) == (0, 0, 0, 1)
    assert found.ci_low is not None
    assert found.ci_high is not None
    assert found.ci_low < (found.value or 0) < found.ci_high


def test_the_p_value_counts_every_exchange_of_the_sides() -> None:
    """6 units of one value each, all different against all alike: only no exchange and all of them reach it."""
    different = _pool({f"p{n}": letter for n, letter in enumerate("abcdef")})
    alike = _pool({f"p{n}": "z" for n in range(6)})
    found = compare_pools(*evened(different, alike))
    assert found.p_value == 2 / 2**6
    assert found.delta == pytest.approx(math.log2(6) + 5 / (12 * math.log(2)))


def test_the_interval_holds_the_truth() -> None:
    """24 prompts of 8 values from one law: the interval holds its entropy in 19 of 20 cases or so."""
    law = np.array([0.4, 0.3, 0.15, 0.1, 0.05])
    truth = float(-(law * np.log2(law)).sum())
    draw, held, low = np.random.default_rng(7), 0, 0
    for _ in range(120):
        table = {f"p{n}": "".join(draw.choice(list("abcde"), 8, p=law)) for n in range(24)}
        found = estimate_pool(_pool(table), resamples=300)
        held += (found.ci_low or 0) <= truth <= (found.ci_high or 0)
        low += (found.ci_high or 0) < truth
    assert 105 <= held <= 120
    assert low <= 10


def test_facts_stand_for_the_values_that_count() -> None:
    pooling = Pooling(_keys, lambda counts, _: entropies(counts), "top")
    pool = Pool({"p": [("x", "a"), ("x", "b")], "q": [("x", "a")]}, pooling)
    assert pool.facts() == {"n_values": 3, "n_classes": 2, "top_values": [["a", 2], ["b", 1]]}
    assert pool.counts() == Counter({("x", "a"): 2, ("x", "b"): 1})
