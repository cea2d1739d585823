"""Where other packages are wrong or mean something else: their number beside ours, which stays.

Each test is skipped where its package is not installed; our side is pinned in tests/core/metrics as well.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from divtool.core.metrics import compression, lexical, ngrams, overlap, semantic
from divtool.core.metrics.text import words

D = ["the cat sat on the mat", "the cat sat on the red mat", "a dog ran in the park today", "the cat sat on the mat"]
X = np.array([[1, 0, 0], [0.6, 0.8, 0], [0, 0, 1], [0, 0.6, 0.8]])


def split(*texts: str) -> list[list[str]]:
    return [words(text) for text in texts]


def test_diversity_calls_disjoint_texts_homogeneous():
    theirs = pytest.importorskip("diversity.homogenization").homogenization_score
    disjoint, equal = ["a b c", "d e f", "g h i"], ["a b c"] * 3
    assert theirs(disjoint, verbose=False) == theirs(equal, verbose=False) == 1.0
    assert overlap.homogenization_rougel(split(*disjoint)) == 0.0
    assert overlap.homogenization_rougel(split(*equal)) == 1.0


def test_diversity_rounds_to_three_digits():
    theirs = pytest.importorskip("diversity.homogenization").homogenization_score
    assert theirs(D, verbose=False) == 0.549
    assert overlap.homogenization_rougel(split(*D)) == pytest.approx(0.5494505494505495, abs=1e-12)


def test_diversity_packs_twice():
    theirs = pytest.importorskip("diversity.compression").compression_ratio
    texts = ["the old king sat on a stone", "the old king sat on a stone and slept"] * 40
    once = compression.set_compression_ratio(texts)
    assert theirs(texts) < 0.7 * once


def test_diversity_lets_ngrams_cross_the_border_of_a_text():
    theirs = pytest.importorskip("diversity.ngram_diversity").ngram_diversity_score
    assert theirs(D) == 2.592
    assert ngrams.ngram_diversity(split(*D)) == pytest.approx(2.3064158064, abs=1e-9)
    with pytest.raises(ZeroDivisionError):
        theirs(["two words"])
    assert ngrams.ngram_diversity(split("two words")) is None


def test_diversity_divides_the_remote_clique_by_too_much(monkeypatch):
    package = pytest.importorskip("diversity.embedding")
    encoder = SimpleNamespace(encode=lambda data, **_: X)
    monkeypatch.setattr(package, "SentenceTransformer", lambda name: encoder)
    assert package.remote_clique(["w"] * 4, verbose=False) == pytest.approx(0.515)
    assert semantic.semantic_distance(X) == pytest.approx(0.6866666667, abs=1e-9)


def test_diversity_calls_equal_short_answers_free_of_repetition():
    theirs = pytest.importorskip("diversity.self_repetition").self_repetition_score
    assert theirs(D, verbose=False) == pytest.approx(ngrams.self_repetition(split(*D)), abs=1e-12)
    assert theirs(["just red"] * 10, verbose=False) == 0
    assert ngrams.self_repetition(split(*["just red"] * 10)) is None


def test_vendi_score_forgets_the_order():
    theirs = pytest.importorskip("vendi_score.vendi").score_X(X, q=2)
    assert theirs == pytest.approx(2.6636, abs=1e-4)
    assert semantic.vendi(X, 2) == pytest.approx(2.4764735017, abs=1e-9)


@pytest.mark.parametrize(("text", "theirs"), [("yes", 0.1778), ("in three words", 0.5623)])
def test_nltk_smooths_orders_that_short_texts_do_not_have(text, theirs):
    bleu = pytest.importorskip("nltk.translate.bleu_score")
    own = words(text)
    smooth = bleu.SmoothingFunction().method1
    assert bleu.sentence_bleu([own], own, smoothing_function=smooth) == pytest.approx(theirs, abs=1e-4)
    assert overlap.self_bleu([own, own]) == pytest.approx(1)


def test_fast_bleu_smooths_them_too():
    fast_bleu = pytest.importorskip("fast_bleu")
    own = words("in three words")
    assert fast_bleu.SelfBLEU([own, own], {4: (0.25,) * 4}).get_score()[4] == pytest.approx([0.5623] * 2, abs=1e-4)
    assert overlap.self_bleu([own, own]) == pytest.approx(1)


def test_lexicalrichness_has_no_null():
    richness = pytest.importorskip("lexicalrichness").LexicalRichness
    distinct = [f"w{i}" for i in range(60)]
    assert richness(" ".join(distinct), preprocessor=None, tokenizer=str.split).mtld(0.72) == 60
    assert lexical.mtld(distinct) is None
    short = richness("one two", preprocessor=None, tokenizer=str.split)
    with pytest.raises(ValueError, match=r"\w"):
        short.mattr(50)
    assert lexical.mattr(words("one two")) is None
    assert lexical.hdd({"one": 1, "two": 1}) is None


def test_lexicalrichness_drops_digits_and_hyphens():
    theirs = pytest.importorskip("lexicalrichness").LexicalRichness("Well-known 3D tricks of 1999")
    assert theirs.wordlist == ["wellknown", "d", "tricks", "of"]
    assert words("Well-known 3D tricks of 1999") == ["well-known", "3d", "tricks", "of", "1999"]


def test_lexical_diversity_makes_short_texts_diverse():
    package = pytest.importorskip("lexical_diversity.lex_div")
    short, distinct = [f"w{i}" for i in range(20)], [f"w{i}" for i in range(60)]
    assert package.mattr(short) == 1
    assert lexical.mattr(short) is None
    assert package.mtld(distinct) == 0
    assert lexical.mtld(distinct) is None


def test_lexical_diversity_takes_decimal_logarithms():
    package = pytest.importorskip("lexical_diversity.lex_div")
    own = words("the cat sat on the mat and the dog sat on the log")
    counts = {word: own.count(word) for word in own}
    assert package.maas_ttr(own) == pytest.approx(lexical.maas(counts) * np.log(10), abs=1e-12)


def test_verbalized_sampling_looks_inside_one_response():
    evaluator = pytest.importorskip("verbalized_sampling.analysis.evals.ngram").NgramEvaluator(num_workers=1)
    text = "ten equal answers look diverse"
    rows = [evaluator.compute_instance_metric("p", {"text": text}) for _ in range(10)]
    assert evaluator.aggregate_metrics(rows)["avg_distinct_n"] == 1
    assert [ngrams.distinct(split(*[text] * 10), k) for k in (1, 2, 3)] == pytest.approx([0.1] * 3)
    assert lexical.within_distinct(words(text), 2) == 1
