"""Pairs by reward alone."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from divtool.core.draws import generator
from divtool.core.selection.pairing import best_winners, disjoint, every, unequal


def drawn(rewards: list[float], gap: float, seed: int = 0) -> list[tuple[int, int]]:
    return disjoint(unequal(rewards), rewards, gap, np.random.default_rng(seed))


def test_hand_checks() -> None:
    for seed in range(50):
        pairs = drawn([10, 9, 3, 1], 5, seed)
        assert len(pairs) == 2
        assert all([10, 9, 3, 1][i] - [10, 9, 3, 1][j] >= 5 for i, j in pairs)
        assert len(drawn([5, 5, 5, 4], 5, seed)) == 1


@given(st.lists(st.integers(0, 20), min_size=2, max_size=12), st.floats(0, 10), st.integers(0, 99))
def test_no_response_twice_and_no_pair_against_the_reward(rewards: list[float], gap: float, seed: int) -> None:
    pairs = drawn(rewards, gap, seed)
    used = [place for pair in pairs for place in pair]
    assert len(set(used)) == len(used)
    assert all(rewards[i] > rewards[j] for i, j in pairs)
    # None is left that could have been made, and no wide one beside two narrow ones.
    free = set(range(len(rewards))) - set(used)
    assert len({rewards[place] for place in free}) <= 1


def test_both_outcomes_are_equally_likely() -> None:
    found = [
        (0, 3) in disjoint(unequal([10, 9, 3, 1]), [10, 9, 3, 1], 5, generator(seed, "pairing", "p"))
        for seed in range(10_000)
    ]
    assert binomtest(sum(found), len(found)).pvalue > 1e-4


def test_every_pair_up_to_a_hundred() -> None:
    few = unequal([1, 2, 2])
    assert every(few, np.random.default_rng(0)) == few == [(1, 0), (2, 0)]
    many = unequal(list(range(20)))
    kept = every(many, np.random.default_rng(0))
    assert len(many) == 190
    assert len(set(kept)) == 100


def test_the_best_winners_stay() -> None:
    rewards = [3, 1, 3, 2, 0]
    pairs = [(3, 4), (2, 3), (0, 1), (2, 1), (0, 3)]
    assert best_winners(pairs, rewards, 3) == [(0, 1), (2, 1), (0, 3)]
    assert len(best_winners(pairs, rewards, None)) == 5


def test_the_order_of_the_lines_changes_nothing(choose: Any, respond: Any) -> None:
    draw = random.Random(0)
    records = [
        respond(
            "p", i, scores={"reward": draw.random(), "semantic_deviation": draw.random(), "style_deviation": 0.1 * i}
        )
        for i in range(9)
    ]
    first = choose(records, "deviation").records
    draw.shuffle(records)
    assert choose(records, "deviation").records == first
    assert choose(records, "deviation", seed=1).records != first
    assert len(first) == 4


def test_the_usual_gap_is_a_quarter_of_the_range(choose: Any, respond: Any) -> None:
    """Rewards 0, .2, .8, 1: pairs of a gap of .25 come first, so never (1, .8) or (.2, 0)."""
    records = [
        respond("p", i, scores={"reward": r, "semantic_deviation": 0.1 * i, "style_deviation": 0.1})
        for i, r in enumerate((0, 0.2, 0.8, 1))
    ]
    for seed in range(20):
        assert {pair["chosen_sample_index"] for pair in choose(records, "deviation", seed=seed).records} == {2, 3}
    narrow = [choose(records, "deviation", seed=seed, min_gap=0.0).records for seed in range(20)]
    assert any({pair["chosen_sample_index"] for pair in pairs} == {1, 3} for pairs in narrow)


def test_a_tolerance_of_length_holds_where_it_is_asked_for(choose: Any, respond: Any) -> None:
    records = [
        respond("p", i, words=80 + 10 * i, scores={"reward": i, "semantic_deviation": 0.1 * i, "style_deviation": 0.1})
        for i in range(4)
    ]
    out = choose(records, "deviation", pairing="all", length_tolerance=10.0)
    assert {pair["delta_words"] for pair in out.records} == {10}
    assert out.dropped["over 10 words apart"] == 3
