from __future__ import annotations

import numpy as np
import pytest

from divtool.core.metrics.features import GroupFeatures, ResponseFeatures
from divtool.core.metrics.text import tokenizer, words


def group(texts, embed=None, **kwargs):
    return GroupFeatures([ResponseFeatures({"response": text}, words) for text in texts], embed, **kwargs)


def test_features_of_a_response():
    record = {"response": "The cat. The dog.", "logprob": -3.0}
    features = ResponseFeatures(record, words, {"token_logprobs": lambda row: np.array([row["logprob"]])})
    assert features.record is record
    assert features.words == ["the", "cat", "the", "dog"]
    assert features.counts == {"the": 2, "cat": 1, "dog": 1}
    assert features.sentences == ["The cat.", "The dog."]
    assert features.words_and_sentences == (features.words, features.sentences)
    assert features.get("words") is features.words
    assert features.get("token_logprobs").tolist() == [-3.0]
    assert features.get("token_logprobs_and_text") == (np.array([-3.0]), "The cat. The dog.")


def test_the_tokenizer_is_the_one_given():
    assert ResponseFeatures({"response": "A b."}, tokenizer("whitespace")).words == ["a", "b."]


def test_each_distinct_text_is_encoded_once():
    calls = []

    def embed(texts):
        calls.append(texts)
        return np.array([[3.0, 4.0], [0.0, 2.0]], dtype=np.float32)

    features = group(["one", "...", "two", "one"], embed)
    for _ in range(2):
        assert features.embeddings == pytest.approx(np.array([[0.6, 0.8], [0, 0], [0, 1], [0.6, 0.8]]))
    assert features.embeddings.dtype == np.float64
    assert calls == [["one", "two"]]


def test_a_response_without_a_word_stands_as_nothing():
    features = group(["one", "!!!", ""])
    assert features.texts == ["one", "", ""]
    assert features.word_lists == [["one"], [], []]
    assert group(["!!!", ""], lambda texts: pytest.fail("nothing to encode")).embeddings.tolist() == [[0], [0]]


def test_style_vectors():
    lite = group(["The cat.", "zebra", "", "The dog."]).style_vectors
    assert lite.shape == (4, 162)
    assert np.linalg.norm(lite, axis=1) == pytest.approx([1, 0, 0, 1])
    other = group(["a", "b"], style_embed=lambda texts: np.array([[2.0], [5.0]])).style_vectors
    assert other.tolist() == [[1], [1]]


def test_a_missing_encoder_is_named():
    with pytest.raises(ValueError, match="'embeddings'"):
        group(["one"]).get("embeddings")
    with pytest.raises(ValueError, match="'piece_resultant'"):
        ResponseFeatures({"response": "one"}, words).get("piece_resultant")


def test_white_space_is_no_text_whatever_the_tokenizer_finds():
    features = GroupFeatures(
        [ResponseFeatures({"response": text}, list) for text in (" \n", "one")], lambda texts: np.eye(len(texts))
    )
    assert features.texts == ["", "one"]
    assert features.embeddings.tolist() == [[0], [1]]
