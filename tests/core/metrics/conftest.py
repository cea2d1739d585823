"""The texts and vectors whose values were worked out by hand or with independent programs."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from divtool.core.metrics.semantic import resultant
from divtool.core.metrics.text import words

D = [
    "The cat sat on the mat.",
    "The cat sat on the red mat.",
    "A dog ran in the park today.",
    "The cat sat on the mat.",
]


@pytest.fixture
def t1() -> str:
    return "The cat sat on the mat and the dog sat on the log."


@pytest.fixture
def t2() -> list[str]:
    return [f"w{(i * i + i // 7) % 53}" for i in range(150)]


@pytest.fixture
def t3() -> list[str]:
    return [f"w{i}" for i in range(60)]


@pytest.fixture
def texts_d() -> list[str]:
    return list(D)


@pytest.fixture
def words_d() -> list[list[str]]:
    return [words(text) for text in D]


@pytest.fixture
def words_d3(words_d):
    return words_d[:3]


@pytest.fixture
def x():
    return np.array([[1, 0, 0], [0.6, 0.8, 0], [0, 0, 1], [0, 0.6, 0.8]])


@pytest.fixture
def embed():
    """A stand-in for an encoder: each word adds its own fixed random vector."""

    def vector(word: str):
        seed = int.from_bytes(hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest()[:8], "little")
        return np.random.default_rng(seed).standard_normal(16)

    def encode(texts: list[str]):
        return np.array([np.sum([vector(word) for word in words(text) or [text]], axis=0) for text in texts])

    return encode


@pytest.fixture
def supplied(embed):
    """Stand-ins for models and tables: each supplied feature as a simple function of the text."""

    def vectors(record):
        own = words(record["response"])[:50]
        return resultant(embed(own) if own else np.zeros((0, 16)))

    return {
        "piece_resultant": vectors,
        "contextual_resultant": vectors,
        "token_logprobs": lambda record: np.full(min(5, len(record["response"].split())), -1.5),
        "reward_logit": lambda record: float(len(record["response"]) % 7) - 3,
        "ratings": lambda record: [7.0, None, 4.0] if record["response"] else [None],
        "content_frequencies": lambda record: [1 / (2 + len(word)) for word in words(record["response"])[:50]],
    }
