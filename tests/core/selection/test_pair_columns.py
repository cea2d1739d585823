"""Flat columns say what lists and counters of the same pairs say."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from divtool.core.selection.pair_columns import Column, Largest, Openings, in_order_of_appearance


def _openings(texts: list[str]) -> Openings:
    made = Openings()
    for text in texts:
        made.append(text)
    return made


_FEW = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=60)


@given(_FEW, _FEW)
def test_openings_count_as_counters_do(one: list[str], other: list[str]) -> None:
    here, there = Counter(one), Counter(other)
    lead = here.copy()
    lead.subtract(there)
    assert _openings(one).lead(_openings(other)) == max(abs(n) for n in lead.values())
    assert _openings(one).frequent(0.2) == [(text, n) for text, n in here.most_common() if n > 0.2 * len(one)]
    assert all(_openings(one).count(text) == here[text] for text in "abcdefgh")


@pytest.mark.parametrize("seed", range(10))
def test_a_frequent_opening_is_told_among_thousands(seed: int) -> None:
    """Whatever the order: here the frequent ones come first, last, or in between."""
    draw = random.Random(seed)
    texts = [f"rare {i}" for i in range(5000)]
    texts += ["once upon a"] * 260 + ["it was a"] * 230
    if seed:
        draw.shuffle(texts)
    if seed % 2:
        texts.reverse()
    assert _openings(texts).frequent(0.04) == [("once upon a", 260), ("it was a", 230)]


@given(st.lists(st.integers(-3, 3).map(float), max_size=40))
def test_largest_is_the_head_of_a_stable_sort(values: list[float]) -> None:
    largest = Largest(5)
    for place, value in enumerate(values):
        largest.add(value, f"p{place}")
    order = np.argsort(-np.array(values), kind="stable")[:5].tolist()
    assert largest.found() == [(values[place], f"p{place}") for place in order]


def test_a_column_knows_what_it_lacks() -> None:
    column = Column()
    for value in (1, 2.5):
        column.append(value)
    assert column.known() is not None
    assert column.filled().tolist() == [1.0, 2.5]
    for nothing in (None, "3"):
        column.append(nothing)
    assert column.known() is None
    assert (column.unknown, column.last, column.filled().tolist()) == (2, 0.0, [1.0, 2.5, 0.0, 0.0])


def test_numbers_in_order_of_appearance() -> None:
    assert in_order_of_appearance(np.array([7, 3, 7, 9, 3, 1])).tolist() == [0, 1, 0, 2, 1, 3]
