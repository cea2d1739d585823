"""Made models and data that tests in several folders share."""

from __future__ import annotations

import gc
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_WORDS = "the a river stone bird walked slowly under old bridge and sang while night fell over quiet town it was cold"
_ROW = (
    "time year people way day man thing woman life child world school state family student group country problem hand "
    "part place case week company system program question work night point home water room mother area money story "
    "fact month lot right study book eye job word business issue side kind head house service friend father power hour "
    "game line end member law car city name team minute idea body"
)
# A worker takes a whole file: those that last minutes begin first, so that none is alone at the end.
_LONG = (
    "test_end_to_end.py",
    "test_diffuse_model.py",
    "test_engine_ray.py",
    "test_pages.py",
    "test_launch.py",
    "test_strategies.py",
    "test_possibility_toys.py",
    "test_sample_killed.py",
    "test_task_models.py",
    "test_local.py",
    "test_processes.py",
)
_loaded = 0


@pytest.fixture(autouse=True)
def _libraries_are_not_collected() -> Iterator[None]:
    """Put what was loaded out of the collector's sight: a trainer collects after every run, over all libraries."""
    global _loaded
    yield
    if len(sys.modules) > _loaded:
        gc.collect()
        gc.freeze()
        _loaded = len(sys.modules)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _LONG.index(item.path.name) if item.path.name in _LONG else len(_LONG))
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("model"):
            item.fixturenames.insert(0, "_embedded_model")


@pytest.fixture(scope="session")
def _embedded_model(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Convert the embedded model, where that was never done, in one of the workers while the others wait."""
    from filelock import FileLock

    from divtool.core.models.embedded import LANGUAGE_MODELS, converted

    packaged = LANGUAGE_MODELS["smollm2-135m"].packaged()
    if packaged is not None:
        with FileLock(tmp_path_factory.getbasetemp().parent / "conversion.lock"):
            converted(packaged, lambda _: None)


def make_tokenizer(vocabulary: int, folder: Path, words: Iterable[str] = ()) -> int:
    """Write a byte-level BPE tokenizer with a ChatML template, which learns words besides; the answer is its size."""
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
    made.train_from_iterator([_WORDS, "user assistant system", *_WORDS.split(), *words], trainer)
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


def _make_table_model(folder: Path, answers: dict[str, float]) -> str:
    """Write a model whose answer is one token with these chances, whatever it is asked; the answer is the path.

    Its layers add nothing and its embeddings are one-hot, so that the head is a table of what follows each token.
    """
    import math

    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    size = make_tokenizer(300, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = LlamaConfig(
        vocab_size=size, hidden_size=size, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
        num_key_value_heads=1, head_dim=8, max_position_embeddings=1024, tie_word_embeddings=False, bos_token_id=0,
        eos_token_id=1, pad_token_id=2,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    ids = {tokenizer.encode(text, add_special_tokens=False)[0]: math.log(p) for text, p in answers.items() if p > 0}
    opening = tokenizer.encode("\n", add_special_tokens=False)[0]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.model.norm.weight.fill_(1)
        model.get_input_embeddings().weight.copy_(torch.eye(size))
        table = torch.full((size, size), -60.0)  # [what follows, after what]
        table[1] = 0
        table[:, opening] = -60
        for token, logit in ids.items():
            table[token, opening] = logit
        model.lm_head.weight.copy_(table / math.sqrt(size))
    model.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def make_table_model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Makes a model with a given law over answers of one token: `make_table_model({"7": 1.0})` gives its folder."""
    return lambda answers: _make_table_model(tmp_path_factory.mktemp("table-model"), answers)


def _make_chain_model(folder: Path) -> str:
    """Write a model that answers with some 40 known words; the answer is the path.

    A chain over a long row of words: each is followed by one of the next nine, and the last ones by the end, so that
    the answers to a prompt differ much in their words and little in their length. A layer of small random weights
    on top can be trained.
    """
    import math

    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    # One word in three spellings is three states of the chain, and one type to the metrics.
    row = [spelled for word in _ROW.split() for spelled in (f" {word}", f" {word.title()}", f" {word.upper()}")]
    random.Random(0).shuffle(row)
    size = make_tokenizer(4000, folder, [*row, row[0].strip()])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    opening, *states = (tokenizer.encode(text, add_special_tokens=False) for text in ("\n", row[0].strip(), *row[1:]))
    config = LlamaConfig(
        vocab_size=size, hidden_size=size, intermediate_size=32, num_hidden_layers=1, num_attention_heads=1,
        num_key_value_heads=1, head_dim=16, max_position_embeddings=1024, tie_word_embeddings=False, bos_token_id=0,
        eos_token_id=1, pad_token_id=2, initializer_range=0.02,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(config)
    table = torch.full((size, size), -9.0)  # [what follows, after what]
    table[states[0][0], opening[0]] = 9.0
    for place, (state,) in enumerate(states):
        following = states[place + 1 : place + 10]
        table[[token for (token,) in following] if len(following) == 9 else [1], state] = 0.0
    with torch.no_grad():
        model.get_input_embeddings().weight.copy_(torch.eye(size))
        model.lm_head.weight.copy_(table / math.sqrt(size))
    model.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def make_chain_model() -> Any:
    """Makes a model that answers with some 40 known words: `make_chain_model(folder)`."""
    return _make_chain_model


def _make_encoder(folder: Path) -> str:
    """Write a BERT of one layer, 16 wide, which knows the words of the made models; the answer is the path."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    words = dict.fromkeys((*_WORDS.split(), *letters, *(f"##{c}" for c in letters), *".,!?"))
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    (folder / "vocab.txt").write_text("\n".join(tokens))
    BertTokenizerFast.from_pretrained(folder, model_max_length=128).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(tokens), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=128, initializer_range=0.5,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def make_encoder() -> Any:
    """Makes a small sentence encoder: `make_encoder(folder)`."""
    return _make_encoder


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of 64 KiB, or of the size that the test names."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = getattr(request, "param", "64k")
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
