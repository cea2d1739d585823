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


def test_self_bleu_equals_fast_bleu():
    """One text against the others at a time; for all at once it reads a length too many, which equal lengths hide."""
    fast_bleu = pytest.importorskip("fast_bleu")
    weights = {4: (0.25,) * 4}
    rng = random.Random(3)
    for _ in range(20):
        texts = random_set(rng, least=4)
        expected = [
            fast_bleu.BLEU(texts[:i] + texts[i + 1 :], weights).get_score([text])[4][0] for i, text in enumerate(texts)
        ]
        assert overlap.self_bleu_each(texts) == pytest.approx(expected, abs=1e-9)
        texts = [(text * 3)[:12] for text in texts]
        assert overlap.self_bleu_each(texts) == pytest.approx(
            fast_bleu.SelfBLEU(texts, weights).get_score()[4], abs=1e-9
        )


def test_self_bleu_of_other_orders_equals_nltk():
    bleu = pytest.importorskip("nltk.translate.bleu_score")
    smooth = bleu.SmoothingFunction().method1
    rng = random.Random(4)
    for order in (1, 2, 3):
        for _ in range(20):
            texts = random_set(rng, least=order)
            expected = [
                bleu.sentence_bleu(texts[:i] + texts[i + 1 :], text, (1 / order,) * order, smooth)
                for i, text in enumerate(texts)
            ]
            assert overlap.self_bleu_each(texts, order) == pytest.approx(expected, abs=1e-12)


def test_homogenization_equals_rouge_score():
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer(["rougeL"], use_stemmer=False)
    rng = random.Random(1)
    for _ in range(40):
        texts = random_set(rng, least=1)
        joined = [" ".join(text) for text in texts]
        expected = [scorer.score(a, b)["rougeL"].fmeasure for i, a in enumerate(joined) for b in joined[i + 1 :]]
        assert overlap.rougel_pairs(texts) == pytest.approx(expected, abs=1e-12)


def test_homogenization_equals_rouge_score_on_texts(words_of_stories):
    """With its own tokenizer, which knows ASCII letters and digits alone."""
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer(["rougeL"], use_stemmer=False)
    texts = words_of_stories
    joined = [" ".join(text) for text in texts]
    expected = [scorer.score(a, b)["rougeL"].fmeasure for i, a in enumerate(joined) for b in joined[i + 1 :]]
    assert overlap.rougel_pairs(texts) == pytest.approx(expected, abs=1e-12)


@pytest.fixture
def words_of_stories():
    stories = [
        "The lighthouse keeper found a letter in a bottle. It was addressed to him, and the date was tomorrow.",
        "A lighthouse keeper found a bottle on the rocks, and in the bottle he found the letter that he had lost.",
        "Nobody had told the robot that winter was a season; it packed its bags and waited for the sun to return.",
        "When the sun returned, the robot unpacked its bags, found a letter, and read it to the keeper of the light.",
    ]
    return [words(story) for story in stories]


@pytest.mark.parametrize("q", [0.5, 1, 2])
def test_vendi_equals_vendi_score(q):
    vendi = pytest.importorskip("vendi_score.vendi")
    for n, d in (4, 3), (30, 8), (8, 30):
        rows = np.random.default_rng(n).standard_normal((n, d))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        theirs = vendi.score_dual(rows, q=q) if d <= n else vendi.score_K(rows @ rows.T, q=q)
        assert semantic.vendi(rows, q) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("q", [0.5, 1, 2, 5, np.inf])
@pytest.mark.parametrize(("n", "d"), [(1, 4), (9, 4), (9, 9), (6, 40)])
def test_vendi_equals_the_eigenvalues_of_the_whole_kernel(q, n, d):
    linalg = pytest.importorskip("scipy.linalg")
    rows = np.random.default_rng(n + d).standard_normal((n, d))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    values = linalg.eigvalsh(rows @ rows.T / n)
    values = values[values > 1e-12]
    if q == 1:
        expected = np.exp(-(values * np.log(values)).sum())
    else:
        expected = 1 / values.max() if np.isinf(q) else (values**q).sum() ** (1 / (1 - q))
    assert semantic.vendi(rows, q) == pytest.approx(expected, abs=1e-9)


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


@pytest.mark.parametrize("length", [50, 51, 80, 180, 1000])
@pytest.mark.parametrize("types", [5, 60, 400])
def test_lexical_measures_equal_lexicalrichness(length, types):
    richness = pytest.importorskip("lexicalrichness")
    draws = np.random.default_rng(length + types).zipf(1.4, length) % types
    tokens = [f"w{draw}" for draw in draws]
    theirs = richness.LexicalRichness(" ".join(tokens), preprocessor=None, tokenizer=str.split)
    counts = Counter(tokens)
    assert lexical.ttr(counts) == pytest.approx(theirs.ttr, abs=1e-12)
    assert lexical.root_ttr(counts) == pytest.approx(theirs.rttr, abs=1e-12)
    assert lexical.herdan_c(counts) == pytest.approx(theirs.Herdan, abs=1e-12)
    assert lexical.maas(counts) == pytest.approx(theirs.Maas, abs=1e-12)
    assert lexical.mattr(tokens) == pytest.approx(theirs.mattr(50), abs=1e-12)
    assert lexical.mtld(tokens) == pytest.approx(theirs.mtld(0.72), abs=1e-9)
    assert lexical.hdd(counts) == pytest.approx(theirs.hdd(42), abs=1e-10)
