from __future__ import annotations

import string
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from divtool.core.errors import DivtoolError
from divtool.core.models.contextual import ContextualEncoder, bert_large, require_bert_large
from divtool.core.models.names import is_local

TEXTS = [
    "The old bird sang. Night fell over the town!",
    "",
    "A river, a stone.",
    "Dont walk slowly under the bridge",
    "— ! ...",
    "bird " * 70,
]


def halves(text: str) -> list[str]:
    return [piece for piece in text.split(". ") if piece]


def mean_distance(total: Any, n: int) -> float:
    return 1 - (float(total @ total) - n) / (n * (n - 1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, make_bert: Any) -> str:
    return str(make_bert(tmp_path_factory.mktemp("bert")))


def vectors_one_by_one(folder: str, text: str, layers: tuple[int, ...]) -> list[Any]:
    """Of the whole model, a sentence at a time."""
    from transformers import AutoTokenizer, BertModel

    tokenizer, model = AutoTokenizer.from_pretrained(folder), BertModel.from_pretrained(folder).eval()
    found = []
    for sentence in halves(text):
        plain = "".join(letter for letter in sentence if letter not in string.punctuation)
        inputs = tokenizer(plain, truncation=True, max_length=50, return_tensors="pt")
        with torch.no_grad():
            states = model(**inputs, output_hidden_states=True).hidden_states
        for place, token in enumerate(tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])):
            if token not in ("[CLS]", "[SEP]", "[UNK]", "—"):
                found += [states[layer][0, place].double().numpy() for layer in layers]
    return found


@pytest.mark.parametrize("layers", [(2, 3), (1,), (0,), (4,)])
def test_equals_a_loop_over_sentences_and_pairs(folder: str, layers: tuple[int, ...]) -> None:
    encoder = ContextualEncoder(folder, "cpu", layers)
    results = encoder.resultants(TEXTS, halves, batch_size=3)
    for text, (total, n) in zip(TEXTS, results, strict=True):
        vectors = vectors_one_by_one(folder, text, layers)
        assert n == len(vectors)
        assert total.shape == (16,)
        if n:
            cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in combinations(vectors, 2)]
            assert mean_distance(total, n) == pytest.approx(1 - np.mean(cosines), abs=1e-6)
    assert [n for _, n in results[1:5:3]] == [0, 0]
    assert results[5][1] == 48 * len(layers)


def test_one_word_piece_has_nothing_to_differ_from(folder: str) -> None:
    encoder = ContextualEncoder(folder, "cpu", (2, 3))
    (piece,) = encoder._tokenizer.tokenize("bird")[:1]
    one, two = encoder.resultants([piece, f"{piece} {piece}"], halves)
    assert (one[1], two[1]) == (0, 4)
    assert not one[0].any()


def test_batch_changes_nothing(folder: str) -> None:
    encoder = ContextualEncoder(folder, "cpu", (2, 3))
    whole = encoder.resultants(TEXTS, halves)
    for text, (total, n) in zip(TEXTS, whole, strict=True):
        ((alone, count),) = encoder.resultants([text], halves, batch_size=1)
        assert count == n
        assert alone == pytest.approx(total, abs=1e-5)
    assert encoder.resultants([], halves) == []


def test_only_the_layers_that_are_read_are_loaded(folder: str) -> None:
    encoder = ContextualEncoder(folder, "cpu", (1, 2))
    assert len(encoder._model.encoder.layer) == 2
    assert encoder.describe() == f"{folder}: encoder, hidden states 1, 2, cpu"


def test_punctuation_plays_no_part(folder: str) -> None:
    encoder = ContextualEncoder(folder, "cpu", (3,))
    plain, straight, curly = encoder.resultants(["dont walk", "'Don't, walk!'", "“Don’t walk”"], halves)
    for other in (straight, curly):
        assert other[1] == plain[1]
        assert np.array_equal(other[0], plain[0])


@pytest.mark.parametrize("layers", [(), (5,), (-1, 2)])
def test_layers_that_are_not_there(folder: str, layers: tuple[int, ...]) -> None:
    with pytest.raises(DivtoolError, match="layers 0 to 4"):
        ContextualEncoder(folder, "cpu", layers)


def test_check_comes_before_the_weights(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ContextualEncoder, "_loaded", lambda *_: pytest.fail("weights were read"))
    with pytest.raises(DivtoolError, match=r"bert-large-uncased .* this is a bert \(4 layers, 16 wide"):
        bert_large(folder, "cpu", (2, 3))


def test_shape_of_bert_large() -> None:
    shape = {"model_type": "bert", "num_hidden_layers": 24, "hidden_size": 1024, "vocab_size": 30522}
    require_bert_large(SimpleNamespace(**shape))
    # bert-large-cased differs in its vocabulary only.
    for other in ({"vocab_size": 28996}, {"num_hidden_layers": 12}, {"model_type": "electra"}):
        with pytest.raises(DivtoolError, match="dsi_lite"):
            require_bert_large(SimpleNamespace(**{**shape, **other}))


def test_another_architecture_is_no_bert(tiny_model: str) -> None:
    with pytest.raises(DivtoolError, match="no BERT"):
        ContextualEncoder(tiny_model, "cpu", (1, 2))


def test_no_such_encoder(tmp_path: Path) -> None:
    with pytest.raises(DivtoolError, match="no such folder"):
        ContextualEncoder("./not/here", "cpu")
    with pytest.raises(DivtoolError, match="cannot be loaded") as caught:
        ContextualEncoder(str(tmp_path), "cpu")
    assert "\n" not in str(caught.value)


def test_is_local_looks_at_this_machine_only(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_local(folder)
    assert not is_local(str(tmp_path))
    assert not is_local("/no/such/folder")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert not is_local("made/bert")
    snapshot = tmp_path / "models--made--bert" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (tmp_path / "models--made--bert" / "refs").mkdir()
    (tmp_path / "models--made--bert" / "refs" / "main").write_text("abc")
    (snapshot / "config.json").write_text("{}")
    assert not is_local("made/bert")
    (snapshot / "model.safetensors").write_bytes(b"")
    assert is_local("made/bert")
