"""Made encoders that several tests share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

_PIECES = "the a river stone bird walk ##ed ##s slow ##ly un ##der old bridge sang night fell dont don t over town 3"


def _make_bert_tokenizer(folder: Path) -> int:
    from transformers import BertTokenizer

    letters = [chr(code) for code in range(97, 123)]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", ",", "'", "!", "—", *_PIECES.split()]
    words += [*(letter for letter in letters if letter not in words), *("##" + letter for letter in letters)]
    tokenizer = BertTokenizer(vocab={word: place for place, word in enumerate(words)}, model_max_length=128)
    tokenizer.save_pretrained(folder)
    return len(tokenizer)


def _make_bert(folder: Path, *, labels: int = 0, seed: int = 0, **more: Any) -> str:
    """Write a made BERT of 4 layers: an encoder, or with labels a sequence classifier."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertModel

    config = BertConfig(
        vocab_size=_make_bert_tokenizer(folder),
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=128,
        initializer_range=0.5,
        **({"num_labels": labels} if labels else {}),
        **more,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = BertForSequenceClassification(config) if labels else BertModel(config)
        model.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def make_bert() -> Any:
    """Writes a made BERT: `make_bert(folder, labels=0, seed=0, **config)` gives the folder."""
    return _make_bert
