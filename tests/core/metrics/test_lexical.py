from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import comb

import pytest

from divtool.core.metrics import lexical
from divtool.core.metrics.text import sentences, words


def test_values_of_a_sentence(t1):
    tokens = words(t1)
    counts = Counter(tokens)
    assert (lexical.word_count(tokens), len(counts)) == (13, 8)
    assert lexical.char_count(f" {t1}\n") == 50
    assert lexical.sentence_count(sentences(t1)) == 1
    assert lexical.words_per_sentence((tokens, sentences(t1))) == 13
    assert lexical.ttr(counts) == pytest.approx(0.6153846153846154, abs=1e-12)
    assert lexical.root_ttr(counts) == pytest.approx(2.218800784900917, abs=1e-12)
    assert lexical.herdan_c(counts) == pytest.approx(0.8107144632819592, abs=1e-12)
    assert lexical.maas(counts) == pytest.approx(0.07379698790831948, abs=1e-12)
    assert lexical.word_entropy(counts) == pytest.approx(2.7773627950641693, abs=1e-12)
    assert lexical.word_entropy_norm(counts) == pytest.approx(0.7505493959132433, abs=1e-12)
    assert [lexical.within_distinct(tokens, k) for k in (1, 2, 3, 4)] == pytest.approx([8 / 13, 10 / 12, 10 / 11, 1.0])
    assert lexical.repetition(tokens) == 0
    assert (lexical.mattr(tokens), lexical.mtld(tokens), lexical.hdd(counts)) == (None, None, None)


def test_values_of_150_words(t2):
    counts = Counter(t2)
    assert len(counts) == 48
    assert lexical.ttr(counts) == pytest.approx(0.32, abs=1e-12)
    assert lexical.root_ttr(counts) == pytest.approx(3.9191835884530852, abs=1e-12)
    assert lexical.herdan_c(counts) == pytest.approx(0.7725968432524126, abs=1e-12)
    assert lexical.maas(counts) == pytest.approx(0.04538409670636446, abs=1e-12)
    assert lexical.mattr(t2) == pytest.approx(0.6299009900990099, abs=1e-12)
    assert len(t2) / lexical._factors(t2, 0.72) == pytest.approx(30.851063829787236, abs=1e-9)
    assert len(t2) / lexical._factors(t2[::-1], 0.72) == pytest.approx(28.314606741573034, abs=1e-9)
    assert lexical.mtld(t2) == pytest.approx(29.582835285680133, abs=1e-9)
    assert lexical.hdd(counts) == pytest.approx(0.6937440437704345, abs=1e-10)
    assert lexical.word_entropy(counts) == pytest.approx(5.434233381193082, abs=1e-12)
    assert lexical.word_entropy_norm(counts) == pytest.approx(0.7517457020104493, abs=1e-12)
    assert lexical.within_distinct(t2, 2) == pytest.approx(0.9865771812080537, abs=1e-12)
    assert lexical.within_distinct(t2, 4) == 1.0


def test_without_a_repeat_mtld_has_no_value(t3):
    assert lexical.mtld(t3) is None
    assert lexical.hdd(Counter(t3)) == 1.0
    assert lexical.mtld([*t3[:-1], t3[0]]) == pytest.approx(1008, abs=1e-9)


def test_mattr_is_the_mean_over_windows(t2):
    for window in (1, 2, 7, 50, 150):
        ratios = [len(set(t2[i : i + window])) / window for i in range(len(t2) - window + 1)]
        assert lexical.mattr(t2, window) == pytest.approx(sum(ratios) / len(ratios), abs=1e-12)


def test_hdd_is_hypergeometric():
    counts = Counter({"a": 40, "b": 7, "c": 1})
    absent = [Fraction(comb(48 - f, 42), comb(48, 42)) for f in counts.values()]
    assert lexical.hdd(counts) == float(sum(1 - p for p in absent) / 42)


def test_a_repeated_word_is_the_least_diverse_text():
    """Extreme values, not null: averages would lose exactly the collapsed texts."""
    tokens, counts = ["a"] * 100, Counter(["a"] * 100)
    assert lexical.ttr(counts) == 0.01
    assert lexical.herdan_c(counts) == 0
    assert lexical.maas(counts) > 0
    assert lexical.mattr(tokens) == 0.02
    assert lexical.mtld(tokens) == 2
    assert lexical.hdd(counts) == pytest.approx(1 / 42)
    assert str(lexical.word_entropy(counts)) == "0.0"
    assert lexical.word_entropy_norm(counts) == 0
    assert lexical.within_distinct(tokens, 4) == 1 / 97
    assert lexical.repetition(tokens) == 1 - 1 / 97


@pytest.mark.parametrize(
    ("function", "least"),
    [
        (lexical.mattr, 50),
        (lexical.mtld, 50),
        (lambda tokens: lexical.hdd(Counter(tokens)), 42),
        (lambda tokens: lexical.ttr(Counter(tokens)), 1),
        (lambda tokens: lexical.root_ttr(Counter(tokens)), 1),
        (lambda tokens: lexical.herdan_c(Counter(tokens)), 2),
        (lambda tokens: lexical.maas(Counter(tokens)), 2),
        (lambda tokens: lexical.word_entropy(Counter(tokens)), 1),
        (lambda tokens: lexical.word_entropy_norm(Counter(tokens)), 2),
        (lambda tokens: lexical.within_distinct(tokens, 1), 1),
        (lambda tokens: lexical.within_distinct(tokens, 3), 3),
        (lexical.repetition, 4),
    ],
)
def test_null_below_the_least_number_of_words(function, least):
    assert function(["a"] * (least - 1)) is None
    assert function(["a"] * least) is not None


def test_no_sentence_no_mean_length():
    assert lexical.words_per_sentence(([], [])) is None
