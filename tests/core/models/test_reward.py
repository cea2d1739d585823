from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from divtool.core.errors import DivtoolError
from divtool.core.models.language import LoadOptions, resolve
from divtool.core.models.reward import RewardModel

CPU = LoadOptions(device="cpu")
ITEMS = [
    (((("user", text),), answer))
    for text in ("a", "the river walked under the old bridge")
    for answer in ("walked slowly", "", "night fell over the town while a bird sang", "x")
]


def make_reward_model(source: str, folder: Path, *, labels: int = 1, pad: int | None = 2, **more: Any) -> str:
    """Write a made Llama with a scoring head, and the tokenizer of another model beside it."""
    from transformers import LlamaConfig, LlamaForSequenceClassification

    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(Path(source) / name, folder)
    config = LlamaConfig.from_pretrained(
        source, num_labels=labels, pad_token_id=pad, **{"initializer_range": 0.3, **more}
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        LlamaForSequenceClassification(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def folder(tiny_model: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_reward_model(tiny_model, tmp_path_factory.mktemp("made") / "reward")


def by_hand(folder: str, chat: Any, response: str) -> float:
    """Text, tokens, hidden state of the last token, head."""
    from transformers import AutoTokenizer, LlamaForSequenceClassification

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = LlamaForSequenceClassification.from_pretrained(folder).eval()
    turns = [*chat, ("assistant", response)]
    text = "".join(f"<|im_start|>{role}\n{content}<|im_end|>\n" for role, content in turns)
    ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
    with torch.no_grad():
        return float(model.score(model.model(ids).last_hidden_state[0, -1]))


def test_equals_a_forward_pass_by_hand_in_any_batch(folder: str) -> None:
    model = RewardModel(folder, CPU)
    whole = model.rewards(ITEMS, batch_size=8)
    alone = [model.rewards([item])[0] for item in ITEMS]
    assert whole == pytest.approx(alone, abs=1e-5)
    assert whole == pytest.approx([by_hand(folder, *item) for item in ITEMS], abs=1e-5)
    assert len({round(value, 4) for value in whole if value is not None}) == len(ITEMS)
    assert model.rewards([]) == []


@pytest.mark.parametrize("pad", [None, -1])
def test_model_without_a_padding_token(tiny_model: str, tmp_path: Path, pad: int | None) -> None:
    folder = make_reward_model(tiny_model, tmp_path / "reward", pad=pad)
    model = RewardModel(folder, CPU)
    # The last token of a chat is a line break: were it the padding, the token before it would be read.
    assert model.rewards(ITEMS) == pytest.approx([by_hand(folder, *item) for item in ITEMS], abs=1e-5)


def test_too_long_is_none(tiny_model: str, tmp_path: Path) -> None:
    folder = make_reward_model(tiny_model, tmp_path / "reward", max_position_embeddings=64)
    said: list[str] = []
    model = RewardModel(folder, CPU, said.append)
    chat = (("user", "a"),)
    length = len(model._classifier.tokenizer("a", add_special_tokens=False)["input_ids"])
    assert length == 1
    room = 64 - len(model._encode(chat, "")[0])
    values = model.rewards([(chat, "x" * room), (chat, "x" * (room + 1)), (chat, "x")])
    assert [value is None for value in values] == [False, True, False]
    assert values[0] == pytest.approx(by_hand(folder, chat, "x" * room), abs=1e-5)
    assert said == [f"{folder}: reward model, 0 M parameters, cpu, float32"]


def test_two_labels_are_refused_before_the_weights(tiny_model: str, tmp_path: Path) -> None:
    folder = make_reward_model(tiny_model, tmp_path / "reward", labels=2)
    (tmp_path / "reward" / "model.safetensors").unlink()
    with pytest.raises(DivtoolError, match="has 2 labels; it needs 1"):
        RewardModel(folder, CPU)


def test_language_model_without_a_head_is_refused(tiny_model: str, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "lm")
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace("{", '{"id2label": {"0": "LABEL_0"},', 1))
    with pytest.raises(DivtoolError, match=r"no trained weights for score\.weight"):
        RewardModel(str(folder), CPU)


def test_no_such_model(tmp_path: Path) -> None:
    with pytest.raises(DivtoolError, match=r"reward model '\./no/such': no such folder"):
        RewardModel("./no/such", CPU)
    with pytest.raises(DivtoolError, match="cannot be loaded") as caught:
        RewardModel(str(tmp_path), CPU)
    assert "\n" not in str(caught.value)


def test_no_tokenizer(folder: str, tmp_path: Path, make_bert: Any) -> None:
    bare = shutil.copytree(folder, tmp_path / "bare", ignore=shutil.ignore_patterns("token*", "chat*"))
    with pytest.raises(DivtoolError, match="no tokenizer that works"):
        RewardModel(str(bare), CPU)
    # For a BERT, transformers makes an empty tokenizer up.
    bert = Path(make_bert(tmp_path, labels=1))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (bert / name).unlink()
    with pytest.raises(DivtoolError, match="no tokenizer that works"):
        RewardModel(str(bert), CPU)


def test_template_that_refuses_a_chat(folder: str) -> None:
    model = RewardModel(folder, CPU)
    model._classifier.tokenizer.chat_template = "{{ raise_exception('System role not supported') }}"
    with pytest.raises(DivtoolError, match=r"refuses a chat .*System role"):
        model.rewards(ITEMS[:1])


def test_without_a_template_texts_are_joined_by_a_blank_line(folder: str) -> None:
    model = RewardModel(folder, CPU)
    tokenizer = model._classifier.tokenizer
    tokenizer.chat_template = None
    ids, _ = model._encode((("system", "a"), ("user", "the")), "river")
    assert tokenizer.decode(ids) == "a\n\nthe\n\nriver"


def test_encoder_without_a_template_gets_a_pair(tmp_path: Path, make_bert: Any) -> None:
    from transformers import AutoTokenizer, BertForSequenceClassification

    folder = make_bert(tmp_path, labels=1)
    values = RewardModel(folder, CPU).rewards(ITEMS)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = BertForSequenceClassification.from_pretrained(folder).eval()
    for (chat, response), value in zip(ITEMS, values, strict=True):
        with torch.no_grad():
            wanted = model(**tokenizer(chat[0][1], response, return_tensors="pt")).logits.item()
        assert value == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(
    "options", [LoadOptions(device="cpu", dtype="bfloat16"), LoadOptions(device="cpu", four_bit=True)]
)
def test_other_number_formats_are_near(tiny_model: str, tmp_path: Path, options: LoadOptions) -> None:
    # As wide as a block of 4-bit numbers, or the library cannot pack them.
    wide = {"hidden_size": 64, "intermediate_size": 128, "head_dim": 16, "initializer_range": 0.02}
    folder = make_reward_model(tiny_model, tmp_path / "reward", **wide)
    exact = np.array(RewardModel(folder, CPU).rewards(ITEMS), dtype=float)
    rounded = RewardModel(folder, options)
    assert ("NF4 4-bit" in rounded.describe()) == options.four_bit
    values = np.array(rounded.rewards(ITEMS), dtype=float)
    assert not np.array_equal(values, exact)
    assert np.corrcoef(values, exact)[0, 1] > 0.9


@pytest.mark.model
def test_real_weights_with_a_made_head(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    source = resolve("smollm2-135m")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = AutoModelForSequenceClassification.from_pretrained(source, num_labels=1)
    made.save_pretrained(tmp_path)
    for file in Path(source).glob("*token*"):
        shutil.copy(file, tmp_path)
    for file in Path(source).glob("chat_template*"):
        shutil.copy(file, tmp_path)
    model = RewardModel(str(tmp_path), CPU)
    items = [
        ((("user", "Name a bird."),), answer) for answer in ("A wren.", "The heron is a tall bird, grey and still.")
    ]
    whole = model.rewards(items)
    assert whole == pytest.approx([model.rewards([item])[0] for item in items], abs=1e-3)
    assert whole[0] != whole[1]
    with pytest.raises(DivtoolError, match="2 labels"):
        RewardModel("smollm2-135m", CPU)
