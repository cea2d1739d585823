from __future__ import annotations

import numpy as np
import pytest

from divtool.core.models.embedder import Embedder

pytestmark = pytest.mark.model
LONG = " ".join(f"The number {n} stands in a long row of words." for n in range(60))


@pytest.fixture(scope="module")
def minilm() -> Embedder:
    return Embedder("minilm", "cpu")


def test_short_texts_equal_the_library(minilm: Embedder) -> None:
    texts = ["A quiet town.", "Ein Fluss", "🙂", "x" * 300]
    vectors = minilm.encode(texts)
    assert vectors.dtype == np.float64
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-12)
    assert np.abs(vectors - minilm._model.encode(texts, normalize_embeddings=True)).max() < 1e-5


def test_long_text_is_the_token_weighted_mean_of_its_pieces(minilm: Embedder) -> None:
    pieces = minilm._pieces(LONG)
    assert len(pieces) > 2
    assert all(count <= 254 for _, count in pieces)
    assert "".join(piece for piece, _ in pieces).replace(" ", "") == LONG.replace(" ", "")
    parts = minilm.encode([piece for piece, _ in pieces])
    mean = np.average(parts, axis=0, weights=[count for _, count in pieces])
    assert minilm.encode([LONG])[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)
    # What stands behind the encoder's limit counts too.
    assert np.abs(minilm.encode([LONG + " Penguins dance on volcanoes." * 40]) - minilm.encode([LONG])).max() > 1e-3


def test_piece_vectors_leave_out_punctuation(minilm: Embedder) -> None:
    plain = minilm.piece_vectors("a quiet town")
    assert plain.shape == (3, 384)
    assert np.array_equal(minilm.piece_vectors("A quiet, town! ..."), plain)
    assert minilm.piece_vectors("...").shape == (0, 384)


def test_paraphrases_are_nearer_than_other_topics(minilm: Embedder) -> None:
    texts = ["The cat sleeps on the sofa.", "A cat is asleep on the couch.", "Interest rates rose again."]
    a, b, c = minilm.encode(texts)
    assert a @ b > 0.7 > 0.3 > a @ c
