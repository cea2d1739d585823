"""Adapters folded into their models for good."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import torch

from divtool.core.errors import DivtoolError, UsageError
from divtool.core.models.language import load
from divtool.core.models.merging import Merge, merge
from divtool.core.models.options import LoadOptions

FILES = [
    "README.md", "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
    "tokenizer_config.json",
]  # fmt: skip
IDS = torch.arange(5, 25)[None]


@pytest.fixture(scope="module")
def adapter(tiny_model: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An adapter on every layer that moves the made model far."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    folder = str(tmp_path_factory.mktemp("tuned") / "adapter")
    own = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    torch.manual_seed(0)
    get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_model), own).save_pretrained(folder)
    return folder


def logits(name: str, **options: Any) -> torch.Tensor:
    model = load(name, LoadOptions(**options)).model
    # In evaluation mode bitsandbytes repacks NF4 weights on a CPU, which takes wider layers than these.
    model.train(options.get("four_bit", False))
    with torch.no_grad():
        found: torch.Tensor = model(IDS).logits
    return found


def plain(folder: Path) -> Any:
    """The folder as any program loads it."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype="auto")


def test_the_merged_folder_is_the_model_with_its_adapter(tiny_model: str, adapter: str, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    said: list[str] = []
    merge(Merge(model=tiny_model, adapter=adapter, folder=tmp_path / "merged"), said.append)
    folder = tmp_path / "merged"
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert said[-1] == f"merged model in {folder}, float32"
    model = plain(folder)
    wanted = logits(tiny_model, adapter=adapter)
    torch.testing.assert_close(model(IDS).logits, wanted, atol=2e-5, rtol=1e-4)
    assert not torch.allclose(wanted, logits(tiny_model), atol=0.1)
    assert (model.generation_config.eos_token_id, model.config.tie_word_embeddings) == (1, True)
    one, other = (AutoTokenizer.from_pretrained(name) for name in (tiny_model, folder))
    assert (one.chat_template, one.padding_side, one.get_vocab()) == (
        other.chat_template, other.padding_side, other.get_vocab(),
    )  # fmt: skip
    umask = os.umask(0)
    os.umask(umask)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert (modes, stat.S_IMODE(folder.stat().st_mode)) == ({0o666 & ~umask}, 0o777 & ~umask)
    assert [path.name for path in tmp_path.iterdir()] == ["merged"]


def test_number_formats(tiny_model: str, adapter: str, tmp_path: Path) -> None:
    half = tmp_path / "half"
    merge(Merge(model=tiny_model, adapter=adapter, folder=half, dtype="bfloat16"))
    assert plain(half).dtype == torch.bfloat16
    # A model whose files are in bfloat16 stays so.
    merge(Merge(model=str(half), adapter=adapter, folder=tmp_path / "again"))
    assert plain(tmp_path / "again").dtype == torch.bfloat16


@pytest.mark.parametrize("said_by", ["option", "training"])
def test_into_the_weights_of_a_training_on_four_bits(
    tiny_model: str, adapter: str, tmp_path: Path, said_by: str
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (own / name).write_bytes((Path(adapter) / name).read_bytes())
    if said_by == "training":
        (own / "divtool_train.json").write_text(json.dumps({"settings": {"four_bit": True}}))
    folder, said = tmp_path / "merged", []
    four_bit = True if said_by == "option" else None
    merge(Merge(model=tiny_model, adapter=str(own), folder=folder, four_bit=four_bit), said.append)
    assert any("rounded to NF4" in line for line in said)
    model = plain(folder)
    assert not hasattr(model.config, "quantization_config")
    assert model.dtype == torch.float32
    wanted = logits(tiny_model, adapter=str(own), four_bit=True)
    torch.testing.assert_close(model(IDS).logits, wanted, atol=2e-3, rtol=1e-3)
    assert (logits(tiny_model, adapter=str(own)) - wanted).abs().max() > 0.05
    assert "rounded to NF4" in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        ({"folder": "full"}, UsageError, "full: is there already"),
        ({"folder": "full/file"}, UsageError, "file: is there already"),
        ({"folder": "no/merged"}, UsageError, "no does not exist"),
        ({"adapter": "/no/such"}, DivtoolError, "no adapter_config.json there"),
        ({"model": "/no/such"}, DivtoolError, "no such folder"),
    ],
)
def test_what_cannot_be_merged(
    tiny_model: str, adapter: str, tmp_path: Path, change: dict[str, Any], kind: type[DivtoolError], says: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    asked = {"model": tiny_model, "adapter": adapter, "folder": "merged"} | change
    with pytest.raises(kind, match=says):
        merge(Merge(model=asked["model"], adapter=asked["adapter"], folder=tmp_path / asked["folder"]))


def test_a_full_disk_leaves_nothing(
    tiny_model: str, adapter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import PreTrainedTokenizerBase

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(PreTrainedTokenizerBase, "save_pretrained", full)
    with pytest.raises(DivtoolError, match=r"merged: cannot be written \(No space left on device\); make room"):
        merge(Merge(model=tiny_model, adapter=adapter, folder=tmp_path / "merged"))
    assert not list(tmp_path.iterdir())


@pytest.mark.model
def test_the_embedded_model_answers_as_with_the_adapter(tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    base = load("smollm2-135m")
    own = LoraConfig(r=4, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM", init_lora_weights=False)
    torch.manual_seed(1)
    tuned = get_peft_model(base.model, own)
    with torch.no_grad():  # A draw as it is makes no text.
        for name, weights in tuned.named_parameters():
            if "lora_" in name:
                weights *= 0.3
    tuned.save_pretrained(tmp_path / "adapter")
    ids = base.tokenizer.apply_chat_template(
        [{"role": "user", "content": "Write one sentence about the sea."}],
        add_generation_prompt=True, return_tensors="pt", return_dict=True,
    )  # fmt: skip
    options = {"max_new_tokens": 24, "do_sample": False}
    merge(Merge(model="smollm2-135m", adapter=str(tmp_path / "adapter"), folder=tmp_path / "merged"))
    merged = load(str(tmp_path / "merged"))
    with torch.inference_mode():
        wanted = base.tokenizer.decode(tuned.generate(**ids, **options)[0])
        with tuned.disable_adapter():
            assert base.tokenizer.decode(tuned.generate(**ids, **options)[0]) != wanted
        assert merged.tokenizer.decode(merged.model.generate(**ids, **options)[0]) == wanted
    assert "base_model: HuggingFaceTB/SmolLM2-135M-Instruct\n" in (tmp_path / "merged" / "README.md").read_text()
