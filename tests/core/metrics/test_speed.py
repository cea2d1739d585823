"""The speed that the metrics promise, on two cores, best of a few runs."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import pytest

from divtool.core.metrics import lexical, ngrams, overlap, semantic
from divtool.core.metrics.catalog import METRICS, PRESETS
from divtool.core.metrics.features import ResponseFeatures
from divtool.core.metrics.text import sentences, truncate_words, words


def best(function, times: int = 3) -> float:
    taken = []
    for _ in range(times):
        start = time.process_time()  # what else runs on the machine does not count
        function()
        taken.append(time.process_time() - start)
    return min(taken)


@pytest.fixture(scope="module")
def texts() -> list[list[str]]:
    """10,000 texts of 80 words with the word frequencies of a natural text."""
    draws = np.random.default_rng(0).zipf(1.3, size=(10_000, 80)) % 20_000
    return [[f"w{word}" for word in row] for row in draws]


def test_lexical_preset(texts):
    text = ". ".join(" ".join(row[:20]) for row in texts[:5]) + "."
    rows = [(METRICS[name].takes, METRICS[name].load()) for name in PRESETS["lexical"]]

    def score():
        features = ResponseFeatures({"response": text}, words)
        return [function(getattr(features, takes)) for takes, function in rows]

    assert len(words(text)) == 100
    assert best(score, 30) <= 0.001


# Work that grows with the text takes well under a second on these sizes, work that grows with its square minutes.
CHARACTERS, WORDS, SECONDS = 320_000, 200_000, 6


ENDS = (".", ". ", "a. ", "A. ", "Dr. ", '."', ".\r\n", ".    ", "\n", "。", "。」")
REPEATED = (*ENDS, "'", "’", "a", "a'", "e\u0301", "\u0301\u0316", "\x00", "😀")


@pytest.mark.parametrize("piece", REPEATED)
def test_reading_text_takes_linear_time(piece):
    text = piece * (CHARACTERS // len(piece))

    def read() -> None:
        words(text)
        sentences(text)
        truncate_words(text, CHARACTERS)

    assert best(read, 1) <= SECONDS


@pytest.mark.parametrize("types", [1, 500, 10**6])
def test_200_000_words_take_linear_time(types):
    draws = np.random.default_rng(types).integers(types, size=WORDS)
    own = [f"w{draw}" for draw in draws]
    for measure in (
        lexical.mattr,
        lexical.mtld,
        lambda part: lexical.hdd(Counter(part)),
        lambda part: lexical.word_entropy(Counter(part)),
        lambda part: ngrams.ngram_diversity([part]),
        lambda part: overlap.self_bleu([part, part[::-1]]),
    ):
        assert best(lambda: measure(own), 1) <= SECONDS  # noqa: B023


def test_self_bleu_is_linear(texts):
    small = best(lambda: overlap.self_bleu(texts[:1_000]))
    large = best(lambda: overlap.self_bleu(texts), 2)
    assert large <= 3
    assert large <= 25 * small


def test_homogenization_of_1000_texts(texts):
    assert best(lambda: overlap.homogenization_rougel(texts[:1_000]), 2) <= 2


def test_vendi_of_4000_texts():
    rows = np.random.default_rng(1).standard_normal((4_000, 384))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert best(lambda: semantic.vendi(rows)) <= 2
