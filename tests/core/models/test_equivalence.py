from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from divtool.core.errors import DivtoolError
from divtool.core.models.equivalence import PairClassifier

TEXTS = ["the old bird", "a river fell", "the old bird", "under the town a stone bird sang", "", "slowly " * 40]


def probability(folder: str, first: str, second: str, tokens: int) -> float:
    """One pair at a time, from the pieces' spelling up."""
    from transformers import AutoTokenizer, BertForSequenceClassification

    tokenizer, model = (
        AutoTokenizer.from_pretrained(folder),
        BertForSequenceClassification.from_pretrained(folder).eval(),
    )
    a, b = (tokenizer.tokenize(text)[:tokens] for text in (first, second))
    ids = tokenizer.convert_tokens_to_ids(["[CLS]", *a, "[SEP]", *b, "[SEP]"])
    kinds = [0] * (len(a) + 2) + [1] * (len(b) + 1)
    with torch.no_grad():
        logits = model(torch.tensor([ids]), token_type_ids=torch.tensor([kinds])).logits[0].double()
    return float(logits.softmax(-1)[1] if len(logits) == 2 else logits.sigmoid()[0])


@pytest.mark.parametrize("labels", [1, 2])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_equals_pairs_one_by_one(tmp_path: Path, make_bert: Any, labels: int, batch_size: int) -> None:
    folder = make_bert(tmp_path, labels=labels, seed=4)
    n = len(TEXTS)
    values = {
        (i, j): probability(folder, TEXTS[i], TEXTS[j], 20) for j in range(n) for i in range(j) if TEXTS[i] != TEXTS[j]
    }
    cut = float(np.median(list(values.values())))
    equal = PairClassifier(folder, threshold=cut + 1e-4, max_tokens=20, device="cpu").same(TEXTS, batch_size)
    assert equal.dtype == np.bool_
    assert np.array_equal(equal, equal.T)
    assert equal.diagonal().all()
    assert equal[0, 2]
    assert {bool(equal[pair]) for pair in values} == {False, True}
    for pair, value in values.items():
        assert equal[pair] == (value > cut + 1e-4), pair


def test_earlier_text_stands_first(tmp_path: Path, make_bert: Any) -> None:
    folder = make_bert(tmp_path, labels=2, seed=4)
    one, other = TEXTS[0], TEXTS[3]
    forth, back = probability(folder, one, other, 128), probability(folder, other, one, 128)
    assert abs(forth - back) > 1e-3
    model = PairClassifier(folder, threshold=(forth + back) / 2, device="cpu")
    assert model.same([one, other])[0, 1] == (forth > back)
    assert model.same([other, one])[0, 1] == (forth < back)


def test_few_texts(tmp_path: Path, make_bert: Any) -> None:
    model = PairClassifier(make_bert(tmp_path, labels=2), device="cpu")
    assert model.same([]).shape == (0, 0)
    assert model.same(["a"]).tolist() == [[True]]
    assert model.same(["a", "a"]).all()


def test_pair_never_passes_the_models_length(tmp_path: Path, make_bert: Any) -> None:
    model = PairClassifier(make_bert(tmp_path, labels=2), device="cpu")
    assert model._max_tokens == 62
    model.same(["bird " * 200, "stone " * 200])


def test_three_labels_are_refused(tmp_path: Path, make_bert: Any) -> None:
    with pytest.raises(DivtoolError, match="has 3 labels; it needs 1 or 2"):
        PairClassifier(make_bert(tmp_path, labels=3), device="cpu")


def test_model_without_a_head_is_refused(tmp_path: Path, make_bert: Any) -> None:
    with pytest.raises(DivtoolError, match=r"no trained weights for classifier\.bias"):
        PairClassifier(make_bert(tmp_path), device="cpu")


def test_tokenizer_without_separators_is_refused(tiny_model: str, tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForSequenceClassification

    folder = shutil.copytree(tiny_model, tmp_path / "llama")
    LlamaForSequenceClassification(LlamaConfig.from_pretrained(tiny_model, num_labels=2)).save_pretrained(folder)
    with pytest.raises(DivtoolError, match=r"no \[CLS\] and \[SEP\]"):
        PairClassifier(str(folder), device="cpu")


def test_tokenizer_of_the_model_it_was_trained_from(tmp_path: Path, make_bert: Any) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "trained").mkdir()
    base, trained = make_bert(tmp_path / "base", labels=2), make_bert(tmp_path / "trained", labels=2)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (Path(trained) / name).unlink()
    config = Path(trained) / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "_name_or_path": base}))
    model, whole = PairClassifier(trained, 0.5, device="cpu"), PairClassifier(base, 0.5, device="cpu")
    assert np.array_equal(model.same(TEXTS), whole.same(TEXTS))
