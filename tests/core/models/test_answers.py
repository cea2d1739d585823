"""Several answers to one chat: the numbers of each chat with each answer alone."""

from __future__ import annotations

import numpy as np
import pytest

from divtool.core.models.answers import answer_logprobs
from divtool.core.models.language import load
from divtool.core.models.likelihood import encode_plain, response_logprobs

_ITEMS = [
    ((("user", "the bird"),), ("sang", "walked slowly under the bridge", "a")),
    ((("system", "quiet"), ("user", "where is the old town and who sang there")), ("night", "a river", "stone")),
    ((("user", "x"),), ("a", "b")),
]


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_each_answer_has_the_likelihood_it_has_alone(tiny_model: str, batch_size: int) -> None:
    lm = load(tiny_model)
    alone = response_logprobs(lm, [(chat, answer) for chat, answers in _ITEMS for answer in answers], 1)
    found = [row for rows in answer_logprobs(lm, _ITEMS, batch_size) for row in rows]
    assert [len(row) for row in found] == [len(row) for row in alone]
    assert max(len(row) for row in found) > 3
    np.testing.assert_allclose(np.concatenate(found), np.concatenate(alone), atol=1e-5)


def test_an_answer_beyond_the_positions_or_without_text_has_none(tiny_model: str) -> None:
    found = answer_logprobs(load(tiny_model), [((("user", "x"),), ("stone " * 1100, "", "stone"))])[0]
    assert [len(row) > 0 for row in found] == [False, False, True]


def test_a_plain_text_is_encoded_whole(tiny_model: str) -> None:
    lm = load(tiny_model)
    before, rest = encode_plain(lm, "The", " old bridge sang.")
    assert before + rest == lm.tokenizer("The old bridge sang.")["input_ids"]
    assert lm.tokenizer.decode(before) == "The"
    assert encode_plain(lm, "The", " stone" * 1100)[1] == []
