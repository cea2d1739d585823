"""Numbers about values, against numbers worked out by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from divtool.core.evaluation.values import (
    collision,
    different_share,
    distance_between,
    distances_to,
    entropy,
    entropy_miller_madow,
    mean_distance,
    rarefied,
    top_values,
)

_COUNTS = (5, 3, 1, 1)


def test_counts_of_a_hand_made_vector() -> None:
    assert rarefied(_COUNTS, 5) == pytest.approx(2.9126984, abs=1e-6)
    assert entropy(_COUNTS) == pytest.approx(1.6854753, abs=1e-6)
    assert entropy_miller_madow(_COUNTS) == pytest.approx(1.9018796, abs=1e-6)
    assert collision(_COUNTS) == pytest.approx(0.2888889, abs=1e-6)


def test_rarefied_to_all_is_what_is_there_and_to_one_is_one() -> None:
    assert rarefied(_COUNTS, 10) == 4
    assert rarefied(_COUNTS, 1) == pytest.approx(1)
    assert rarefied((400, 600), 1_000) == 2
    assert rarefied(_COUNTS, 0) is rarefied(_COUNTS, 11) is rarefied((), 1) is None


def test_rarefied_is_the_mean_over_all_ways_to_draw() -> None:
    values = [value for value, count in enumerate(_COUNTS) for _ in range(count)]
    drawn = [len(set(five)) for five in combinations(values, 5)]
    assert rarefied(_COUNTS, 5) == pytest.approx(sum(drawn) / len(drawn), abs=1e-12)


def test_floors_of_equal_values_and_nulls_of_none() -> None:
    assert (entropy((7,)), collision((7,)), different_share(["a"] * 7, 7)) == (0, 1, 1 / 7)
    assert entropy(()) is entropy_miller_madow(()) is collision((1,)) is different_share([], 0) is None
    assert different_share([], 4) == 0


def test_distance_between_groups_leaves_pairs_within_out() -> None:
    numbers = np.random.default_rng(0)
    groups = [numbers.normal(size=(n, 5)) for n in (3, 1, 4)]
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in groups]
    between = [1 - float(x @ y) for a, b in combinations(unit, 2) for x in a for y in b]
    assert distance_between(groups) == pytest.approx(np.mean(between), abs=1e-12)
    assert distance_between(groups[:1]) is None
    assert distance_between([groups[0], np.zeros((2, 5))]) is None
    assert mean_distance(np.eye(4)) == 1
    assert distances_to(np.array([2.0, 0.0]), np.array([[1.0, 0.0], [0.0, 3.0], [-1.0, 0.0], [0.0, 0.0]])) == [0, 1, 2]


def test_top_values_by_count_then_alphabet() -> None:
    from collections import Counter

    assert top_values(Counter("banana")) == [["a", 3], ["n", 2], ["b", 1]]
    assert top_values(Counter("cab"), most=2) == [["a", 1], ["b", 1]]
