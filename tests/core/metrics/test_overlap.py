from __future__ import annotations

import random
from collections import Counter
from math import exp, log

import numpy as np
import pytest

from divtool.core.metrics import overlap
from divtool.core.metrics.text import words


def split(*texts: str) -> list[list[str]]:
    return [words(text) for text in texts]


def bleu_by_hand(text: list[str], others: list[list[str]]) -> float:
    """BLEU straight from its definition, one text and one reference at a time."""
    order = min(4, len(text))
    logs = 0.0
    for n in range(1, order + 1):
        own = Counter(tuple(text[i : i + n]) for i in range(len(text) - n + 1))
        matches = 0
        for gram, count in own.items():
            most = max(sum(gram == tuple(o[i : i + n]) for i in range(len(o) - n + 1)) for o in others)
            matches += min(count, most)
        if n == 1 and matches == 0:
            return 0.0
        logs += log((matches or 0.1) / (len(text) - n + 1)) / order
    closest = min((abs(len(o) - len(text)), len(o)) for o in others)[1]
    return exp(logs + min(0.0, 1 - closest / len(text)))


def lcs(a: list[str], b: list[str]) -> int:
    row = [0] * (len(b) + 1)
    for x in a:
        previous = 0
        for j, y in enumerate(b, start=1):
            previous, row[j] = row[j], previous + 1 if x == y else max(row[j], row[j - 1])
    return row[-1]


def random_set(rng: random.Random, least: int = 1) -> list[list[str]]:
    texts = [[rng.choice("abcdefgh") for _ in range(rng.randint(least, 12))] for _ in range(rng.randint(2, 7))]
    return texts + [list(rng.choice(texts)) for _ in range(rng.randint(0, 2))]


def test_self_bleu(words_d, words_d3):
    each = [1, 0.6434588841607616, 0.03303164318013808, 1]
    assert overlap.self_bleu_each(words_d) == pytest.approx(each, abs=1e-12)
    assert overlap.self_bleu(words_d) == pytest.approx(0.669122631835225, abs=1e-12)
    each = [0.6731821382417487, 0.6434588841607616, 0.03303164318013808]
    assert overlap.self_bleu_each(words_d3) == pytest.approx(each, abs=1e-12)
    assert overlap.self_bleu(words_d3) == pytest.approx(sum(each) / 3, abs=1e-12)


def test_self_bleu_of_lower_order(words_d3):
    assert overlap.self_bleu(words_d3, order=2) == pytest.approx(0.5206134070308522, abs=1e-12)
    assert overlap.self_bleu(words_d3, order=3) == pytest.approx(0.48336638485411476, abs=1e-12)


def test_self_bleu_equals_its_definition_on_random_sets():
    rng = random.Random(5)
    for _ in range(150):
        texts = random_set(rng)
        expected = [bleu_by_hand(text, texts[:i] + texts[i + 1 :]) for i, text in enumerate(texts)]
        assert overlap.self_bleu_each(texts) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("largest", [1, 2**16 - 1, 2**16, 2**40, 2**62])
def test_order_digit_by_digit(largest):
    rng = np.random.default_rng(largest % 1000)
    keys = rng.integers(0, largest + 1, size=500)
    keys = np.concatenate([keys, keys[:200], [0, largest]])
    assert (overlap._stable_order(keys) == np.argsort(keys, kind="stable")).all()
    assert overlap._stable_order(keys[:0]).tolist() == []


def test_a_large_vocabulary_does_not_disturb_self_bleu():
    texts = random_set(random.Random(8))
    strange = [[f"w{i}" for i in range(start, start + 90_000)] for start in (0, 90_000)]
    alone = overlap.self_bleu_each(texts)
    assert overlap.self_bleu_each([*strange, *texts])[2:] == pytest.approx(alone, abs=1e-12)


@pytest.mark.parametrize("text", ["yes", "two words", "in three words", "exactly four words here"])
def test_equal_short_texts_have_self_bleu_one(text):
    """NLTK smooths the missing orders: 0.1778 for one word, 0.5623 for three."""
    assert overlap.self_bleu(split(text, text)) == pytest.approx(1.0, abs=1e-12)


def test_nothing_in_common():
    texts = split("one two three four", "five six seven eight", "nine ten eleven twelve")
    assert overlap.self_bleu(texts) == 0
    assert overlap.homogenization_rougel(texts) == 0


def test_null_under_two_texts():
    assert overlap.self_bleu([]) is None
    assert overlap.self_bleu(split("one text", "", "...")) is None
    assert overlap.homogenization_rougel(split("one text", "")) is None


def test_empty_texts_are_left_out(words_d):
    assert overlap.self_bleu([[], *words_d, []]) == overlap.self_bleu(words_d)
    assert overlap.homogenization_rougel([[], *words_d]) == overlap.homogenization_rougel(words_d)


def test_homogenization(words_d, words_d3):
    assert overlap.rougel_pairs(words_d3) == pytest.approx([12 / 13, 2 / 13, 2 / 14])
    assert overlap.homogenization_rougel(words_d) == pytest.approx(0.5494505494505495, abs=1e-12)
    assert overlap.homogenization_rougel(words_d3) == pytest.approx(0.4065934065934066, abs=1e-12)


def test_homogenization_of_equal_and_disjoint_texts():
    """The `diversity` package gives 1.0 for both."""
    assert overlap.homogenization_rougel(split("a b c", "a b c", "a b c")) == 1.0
    assert overlap.homogenization_rougel(split("a b c", "d e f", "g h i")) == 0.0


def test_rougel_equals_its_definition_on_random_sets():
    rng = random.Random(6)
    for _ in range(100):
        texts = random_set(rng)
        pairs = [(a, b) for i, a in enumerate(texts) for b in texts[i + 1 :]]
        expected = [2 * lcs(a, b) / (len(a) + len(b)) for a, b in pairs]
        assert overlap.rougel_pairs(texts) == pytest.approx(expected, abs=1e-12)


def test_more_words_than_the_first_plane_of_characters():
    texts = [[f"w{i}" for i in range(start, start + 40_000)] for start in (0, 30_000)]
    assert overlap.rougel_pairs([*texts, ["w55296"]]) == pytest.approx([0.25, 0, 2 / 40_001])


def test_many_texts_are_sampled():
    rng = random.Random(7)
    texts = [[rng.choice("abcdefgh") for _ in range(8)] for _ in range(120)]
    exact = overlap.rougel_pairs(texts)
    drawn = overlap.rougel_pairs(texts, seed=1, all_up_to=100, drawn=2_000)
    assert len(drawn) == 2_000
    assert drawn.mean() == pytest.approx(exact.mean(), abs=4 * drawn.std() / np.sqrt(len(drawn)))
    assert (drawn == overlap.rougel_pairs(texts, seed=1, all_up_to=100, drawn=2_000)).all()
    # With as many draws as pairs, each pair is drawn once.
    every = overlap.rougel_pairs(texts, seed=1, all_up_to=100, drawn=10**6)
    assert np.sort(every) == pytest.approx(np.sort(exact))


@pytest.mark.parametrize("n", [2, 3, 50, 100_000])
def test_drawn_pairs_are_distinct_and_ordered(n):
    first, second = overlap._draw_pairs(n, 1_000, seed=3)
    assert len(first) == min(1_000, n * (n - 1) // 2)
    assert (first >= 0).all()
    assert (first < second).all()
    assert (second < n).all()
    assert len(set(zip(first.tolist(), second.tolist(), strict=True))) == len(first)


def test_rougel_of_more_words_than_there_are_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [[f"w{word}" for word in row] for row in np.random.default_rng(5).integers(0, 40, (6, 30))]
    expected = overlap.rougel_pairs(texts)
    monkeypatch.setattr(overlap, "_CHARACTERS", 10)
    assert overlap.rougel_pairs(texts).tolist() == expected.tolist()
    monkeypatch.undo()
    monkeypatch.setattr(overlap, "_SURROGATES", 3)
    assert overlap.rougel_pairs(texts).tolist() == expected.tolist()


def test_rougel_counts_words_of_one_text_in_its_length() -> None:
    assert overlap.homogenization_rougel([["a", "x", "y"], ["a", "z"], ["q"]]) == pytest.approx((2 / 5 + 0 + 0) / 3)
