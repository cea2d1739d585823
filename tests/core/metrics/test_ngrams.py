from __future__ import annotations

from math import log

import pytest

from divtool.core.metrics import ngrams
from divtool.core.metrics.text import truncate_words, words


def split(*texts: str) -> list[list[str]]:
    return [words(text) for text in texts]


def test_distinct(words_d, words_d3):
    assert [ngrams.distinct(words_d, k) for k in (1, 2, 3, 4)] == [12 / 26, 13 / 22, 11 / 18, 9 / 14]
    assert [ngrams.distinct(words_d3, k) for k in (1, 2, 3, 4)] == [12 / 20, 13 / 17, 11 / 14, 9 / 11]


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_corpus_distinct_is_distinct_over_a_run(words_d, k):
    pool = ngrams.CorpusDistinct(k)
    assert pool.value() is None
    for tokens in [*words_d, ["short"][: k - 1]]:
        pool.add(tokens)
    assert pool.value() == ngrams.distinct([*words_d, ["short"][: k - 1]], k)


def test_no_ngram_crosses_a_text_border(words_d, words_d3):
    """The `diversity` package joins the texts first and gives 2.592 for D."""
    assert ngrams.ngram_diversity(words_d) == pytest.approx(2.3064158064, abs=1e-9)
    assert ngrams.ngram_diversity(words_d3) == pytest.approx(2.9686019862, abs=1e-9)
    assert ngrams.distinct(split("a b", "b a"), 2) == 1.0
    assert ngrams.ngram_diversity(split("a b c", "a b c")) is None


def test_equal_texts_are_not_diverse():
    """Distinct-n inside one response, then averaged, would call ten equal answers diverse."""
    ten = split(*["one two three four five"] * 10)
    assert [ngrams.distinct(ten, k) for k in (1, 2, 3, 4)] == [0.1] * 4


def test_distinct_at_equal_length(texts_d):
    cut = [truncate_words(text, 6) for text in texts_d]
    assert ngrams.distinct(split(*cut), 2) == 11 / 20


def test_unique(texts_d, words_d, words_d3):
    assert ngrams.unique_share(texts_d) == 0.75
    assert ngrams.unique_share(texts_d[:3]) == 1
    assert [ngrams.unique_first(words_d, k) for k in (1, 5, 10)] == [0.5, 0.5, 0.75]
    assert [ngrams.unique_first(words_d3, k) for k in (1, 5, 10)] == [2 / 3, 2 / 3, 1]


def test_unique_share_sees_through_case_and_quotes():
    assert ngrams.unique_share(["It’s RED", "it's red\n", ""]) == 0.5


def test_opening_share(words_d):
    assert ngrams.opening_share(words_d) == 0.75
    assert ngrams.opening_share(split("yes", "yes", "yes it is", "")) == 2 / 3
    assert ngrams.opening_share([[]]) is None


def test_self_repetition(words_d, words_d3):
    assert ngrams.self_repetition(words_d) == pytest.approx(1.298239212723, abs=1e-12)
    assert ngrams.self_repetition(words_d) == pytest.approx((2 * log(6) + log(5)) / 4)
    assert ngrams.self_repetition(words_d3) == pytest.approx(0.732408192445, abs=1e-12)


def test_short_texts_are_left_out_of_self_repetition():
    """Counted as 0, equal short answers would look diverse."""
    assert ngrams.self_repetition(split("red red", "red red")) is None
    long = "one two three four"
    assert ngrams.self_repetition(split(long, "red", long)) == pytest.approx(log(2))
    assert ngrams.self_repetition(split(long, "red")) is None


def test_dullness_counts_content_words_only(words_d):
    # cat, sat, mat three times each; red, dog, ran, park, today once: 14 content words.
    assert ngrams.dullness(words_d) == pytest.approx((3 * 9 + 5) / 14**2)
    assert ngrams.dullness(split("zebra zebra", "the zebra")) == 1
    assert ngrams.dullness(split("the of", "and")) is None


def test_pool_word_rarity(words_d):
    expected = [-0.1666666667, -0.1483516484, -0.0714285714, -0.1666666667]
    assert ngrams.pool_word_rarity(words_d) == pytest.approx(expected, abs=1e-9)
    small = ngrams.pool_word_rarity(split("the cat", "the dog", "a dog dog"))
    assert small == pytest.approx([-0.2142857143, -0.3571428571, -0.3333333333], abs=1e-9)
    assert ngrams.pool_word_rarity(split("", "a")) == [None, -1.0]


@pytest.mark.parametrize("lists", [[], [[]], [[], []]])
def test_null_without_text(lists):
    assert ngrams.distinct(lists, 1) is None
    assert ngrams.ngram_diversity(lists) is None
    assert ngrams.unique_first(lists, 1) is None
    assert ngrams.self_repetition(lists) is None
    assert ngrams.dullness(lists) is None
    assert ngrams.opening_share(lists) is None
    assert ngrams.unique_share(["" for _ in lists]) is None
    assert ngrams.pool_word_rarity(lists) == [None] * len(lists)


def test_minimum_of_texts():
    assert ngrams.unique_first(split("a b", ""), 1) is None
    assert ngrams.unique_share(["a"]) == 1
    assert ngrams.distinct(split("a b"), 3) is None
