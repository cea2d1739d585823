from __future__ import annotations

import random

import numpy as np
import pytest

from divtool.core.metrics import novelty

CLASSES, RATINGS = [0, 0, 1, 0, 2], [7, 9, 5, 8, 10]


def test_utility():
    assert novelty.utility_k(CLASSES, RATINGS) == pytest.approx(4.252736792, abs=1e-9)
    assert novelty.utility_k([0] * 4, [10] * 4, p=0.5) == pytest.approx(10 / 1.875)
    assert novelty.utility_k(list(range(10)), [10] * 10) == pytest.approx(10)
    assert novelty.utility_k([], []) is None


def test_mean_utility_over_orders():
    mean = novelty.utility_k_mean(CLASSES, RATINGS, orders=4000)
    shuffled = list(zip(CLASSES, RATINGS, strict=True))
    random.Random(1).shuffle(shuffled)
    again = novelty.utility_k_mean(*map(list, zip(*shuffled, strict=True)), orders=4000, seed=1)
    assert again == pytest.approx(mean, abs=0.1)
    assert novelty.utility_k_mean(CLASSES, RATINGS) == novelty.utility_k_mean(CLASSES, RATINGS)
    assert novelty.utility_k_mean([], []) is None


def test_short_texts_are_the_same_by_their_words():
    texts = ["Blue", "blue ", "dark blue", "very dark deep blue sky", "a text of more than five words"]
    equal = novelty.same(texts, np.eye(5, dtype=bool))
    assert equal[0].tolist() == [True, True, True, False, False]
    assert equal[2].tolist() == [True, True, True, False, False]  # dark, blue: 2 * 2 < 5
    assert (equal == equal.T).all()


def test_long_texts_are_the_same_by_their_vectors_or_by_a_classifier():
    angles = np.array([0, 0.6, 0.7])
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)  # 1 - cos: .175, .235, .005
    long = [f"one two three four five {last}" for last in ("six", "seven", "eight")]
    given = (long, rows)
    assert novelty.distinct_k_nb(given, k=3, partition="greedy") == 2  # the third is far from the first
    assert novelty.distinct_k_nb(given, k=3, cut=0.24) == 1
    assert novelty.distinct_k_nb(given, k=3, cut=0.001) == 3
    asked = []

    def equivalent(texts):
        asked.append(texts)
        return matrix(3, (0, 2))

    assert novelty.distinct_k_nb(given, k=3, equivalent=equivalent) == 2
    assert asked == [long]


def matrix(n: int, *pairs: tuple[int, int]):
    equal = np.eye(n, dtype=bool)
    for i, j in pairs:
        equal[i, j] = equal[j, i] = True
    return equal


def test_classes_by_linkage_and_greedy():
    chain = matrix(4, (0, 1), (1, 2))
    assert novelty.equivalence_classes(list("abcd"), chain) == [0, 0, 0, 1]
    assert novelty.equivalence_classes(list("abcd"), chain, "greedy") == [0, 0, 1, 2]
    assert novelty.equivalence_classes([], matrix(0)) == []
    assert novelty.equivalence_classes(["a"], matrix(1)) == [0]


def test_order_does_not_matter():
    rng = np.random.default_rng(0)
    for _ in range(200):
        equal = np.triu(rng.random((8, 8)) < 0.3, 1)
        equal = equal | equal.T | np.eye(8, dtype=bool)
        order = rng.permutation(8)
        texts = np.array(list("abcdefgh"))
        before = np.array(novelty.equivalence_classes(texts.tolist(), equal))[order]
        after = novelty.equivalence_classes(texts[order].tolist(), equal[np.ix_(order, order)])
        assert [[a == b for b in before] for a in before] == [[a == b for b in after] for a in after]


def test_distinct_k_counts_classes_of_the_first_k():
    """The scripts of the paper store the last label, one too low."""
    texts = ["", *(f"w{i // 2}" for i in range(10)), "more"]
    rows = np.vstack([np.zeros(12), np.eye(12)[1:]])
    assert novelty.distinct_k_nb((texts, rows)) == 5
    assert novelty.distinct_k_nb((texts, rows), k=3) == 2
    assert novelty.distinct_k_nb((texts, rows), k=12) is None
    assert novelty.distinct_k_nb((["same"] * 10, np.tile([[1.0, 0]], (10, 1)))) == 1


def test_utility_of_a_set_reads_the_first_k():
    texts = ["red", "red", "", "blue", "red", "green", "white"]
    embeddings = np.zeros((7, 2))
    ratings = [7.0, 9.0, 99.0, 5.0, 8.0, 10.0, 10.0]
    assert novelty.utility_of((texts, embeddings, ratings), k=5) == pytest.approx(4.252736792)
    assert novelty.utility_of((texts, embeddings, ratings), k=7) is None
    mean = novelty.utility_of((texts, embeddings, ratings), k=5, mean=True)
    assert mean == pytest.approx(novelty.utility_k_mean([0, 0, 1, 0, 2], [7, 9, 5, 8, 10]))
