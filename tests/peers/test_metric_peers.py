"""Our metrics beside the packages that others use; each test is skipped where its package is not installed."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from divtool.core.metrics import lexical, overlap, semantic
from divtool.core.metrics.text import words

WORDS = ["the", "red", "fox", "ran", "to", "a", "big", "old", "house", "and", "slept"]


def random_set(rng: random.Random, least: int) -> list[list[str]]:
    texts = [[rng.choice(WORDS) for _ in range(rng.randint(least, 14))] for _ in range(rng.randint(2, 6))]
    return texts + [list(rng.choice(texts)) for _ in range(rng.randint(0, 2))]


def test_self_bleu_equals_nltk():
    bleu = pytest.importorskip("nltk.translate.bleu_score")
    smooth = bleu.SmoothingFunction().method1
    rng = random.Random(0)
    for _ in range(400):
        texts = random_set(rng, least=4)
        expected = [
            bleu.sentence_bleu(texts[:i] + texts[i + 1 :], text, smoothing_function=smooth)
            for i, text in enumerate(texts)
        ]
        assert overlap.self_bleu_each(texts) == pytest.approx(expected, abs=1e-12)


def test_nltk_smooths_orders_that_short_texts_do_not_have():
    bleu = pytest.importorskip("nltk.translate.bleu_score")
    smooth = bleu.SmoothingFunction().method1
    for text, theirs in (["yes"], 0.1778), (["in", "three", "words"], 0.5623):
        assert bleu.sentence_bleu([text], text, smoothing_function=smooth) == pytest.approx(theirs, abs=1e-4)
        assert overlap.self_bleu([text, text]) == pytest.approx(1)


def test_homogenization_equals_rouge_score():
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer(["rougeL"], use_stemmer=False)
    rng = random.Random(1)
    for _ in range(40):
        texts = random_set(rng, least=1)
        joined = [" ".join(text) for text in texts]
        expected = [scorer.score(a, b)["rougeL"].fmeasure for i, a in enumerate(joined) for b in joined[i + 1 :]]
        assert overlap.rougel_pairs(texts) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("q", [0.5, 1, 2])
def test_vendi_equals_vendi_score(q):
    vendi = pytest.importorskip("vendi_score.vendi")
    for n, d in (4, 3), (30, 8), (8, 30):
        rows = np.random.default_rng(n).standard_normal((n, d))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        theirs = vendi.score_dual(rows, q=q) if d <= n else vendi.score_K(rows @ rows.T, q=q)
        assert semantic.vendi(rows, q) == pytest.approx(theirs, abs=1e-9)


def test_vendi_score_forgets_the_order(x):
    vendi = pytest.importorskip("vendi_score.vendi")
    theirs = vendi.score_X(x, q=2)
    assert theirs == pytest.approx(2.6636, abs=1e-4)
    assert semantic.vendi(x, 2) == pytest.approx(2.4764735017, abs=1e-9)


@pytest.fixture
def x():
    return np.array([[1, 0, 0], [0.6, 0.8, 0], [0, 0, 1], [0, 0.6, 0.8]])


def test_distances_equal_scipy(x):
    distance = pytest.importorskip("scipy.spatial.distance")
    rows = np.vstack([x, np.random.default_rng(0).standard_normal((20, 3))])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert semantic.semantic_distance(rows) == pytest.approx(distance.pdist(rows, "cosine").mean(), abs=1e-12)


def test_entropy_equals_scipy():
    stats = pytest.importorskip("scipy.stats")
    counts = Counter(random.Random(2).choices(WORDS, k=90))
    assert lexical.word_entropy(counts) == pytest.approx(stats.entropy(list(counts.values()), base=2), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_lexical_measures_equal_lexicalrichness(seed):
    richness = pytest.importorskip("lexicalrichness")
    vocabulary = [f"w{i}" for i in range(120)]
    tokens = random.Random(seed).choices(vocabulary, k=180)
    theirs = richness.LexicalRichness(" ".join(tokens), preprocessor=None, tokenizer=str.split)
    counts = Counter(tokens)
    assert lexical.ttr(counts) == pytest.approx(theirs.ttr, abs=1e-12)
    assert lexical.root_ttr(counts) == pytest.approx(theirs.rttr, abs=1e-12)
    assert lexical.herdan_c(counts) == pytest.approx(theirs.Herdan, abs=1e-12)
    assert lexical.maas(counts) == pytest.approx(theirs.Maas, abs=1e-12)
    assert lexical.mattr(tokens) == pytest.approx(theirs.mattr(50), abs=1e-12)
    assert lexical.mtld(tokens) == pytest.approx(theirs.mtld(0.72), abs=1e-9)
    assert lexical.hdd(counts) == pytest.approx(theirs.hdd(42), abs=1e-10)


def test_lexicalrichness_has_no_null():
    richness = pytest.importorskip("lexicalrichness")
    distinct = [f"w{i}" for i in range(60)]
    theirs = richness.LexicalRichness(" ".join(distinct), preprocessor=None, tokenizer=str.split)
    assert theirs.mtld(0.72) == 60
    assert lexical.mtld(distinct) is None
    short = richness.LexicalRichness("one two", preprocessor=None, tokenizer=str.split)
    with pytest.raises(ValueError, match=r"\w"):
        short.mattr(50)
    assert lexical.mattr(words("one two")) is None
