"""Made models and data that tests in several folders share."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_WORDS = "the a river stone bird walked slowly under old bridge and sang while night fell over quiet town it was cold"


def make_tokenizer(vocabulary: int, folder: Path) -> int:
    """Write a byte-level BPE tokenizer with a ChatML template; the answer is its size."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    specials = ["<|im_start|>", "<|im_end|>", "<|pad|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator([_WORDS, "user assistant system", *_WORDS.split()], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|pad|>"
    )
    tokenizer.chat_template = CHATML
    tokenizer.padding_side = "left"
    tokenizer.save_pretrained(folder)
    return len(tokenizer)


def make_model(folder: Path, *, vocabulary: int = 300, hidden: int = 32, seed: int = 0) -> str:
    """Write a made Llama of two layers with its tokenizer; the answer is the folder's path."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    size = make_tokenizer(vocabulary, folder)
    end, pad = 1, 2
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        initializer_range=0.2,
        bos_token_id=0,
        eos_token_id=end,
        pad_token_id=pad,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        LlamaForCausalLM(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of a made Llama: 2 layers, 32 wide, about 300 tokens, ChatML."""
    return make_model(tmp_path_factory.mktemp("tiny-model"))


@pytest.fixture(scope="session")
def other_tiny_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A second made model, with another tokenizer and other weights."""
    return make_model(tmp_path_factory.mktemp("other-tiny-model"), vocabulary=270, hidden=48, seed=1)


def _made_pairs(count: int, *, seed: int = 0, words: int = 12, **more: Any) -> list[dict[str, Any]]:
    draw = random.Random(seed)

    def text(least: int) -> str:
        return " ".join(draw.choice(_WORDS.split()) for _ in range(draw.randint(least, least + 6)))

    return [
        {
            "prompt": [{"role": "user", "content": text(3)}],
            "chosen": [{"role": "assistant", "content": text(words)}],
            "rejected": [{"role": "assistant", "content": text(words)}],
            "prompt_id": f"p{number}",
            "method": "made",
            "weight": 1.0,
            "model": "made",
            **more,
        }
        for number in range(count)
    ]


def _write_lines(path: Path, records: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="session")
def make_pairs() -> Any:
    """Makes preference pairs of unequal lengths: `make_pairs(count, seed=0, words=12, **keys)`."""
    return _made_pairs


@pytest.fixture(scope="session")
def write_lines() -> Any:
    """Writes records as JSON Lines: `write_lines(path, records)` gives the path as text."""
    return _write_lines
