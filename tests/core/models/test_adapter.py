"""Adapters on the model that they were made for, and on others."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from divtool.core.errors import DivtoolError
from divtool.core.models.adapter import same_model
from divtool.core.models.language import load
from divtool.core.models.names import check_adapter
from divtool.core.models.options import LoadOptions

Make = Callable[..., str]


@pytest.fixture
def make_adapter(tmp_path: Path) -> Make:
    """Writes an adapter with weights for a model; `settings` are keys of its adapter_config.json to change."""

    def make(model: str, config: Any = None, **settings: Any) -> str:
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModelForCausalLM

        folder = tmp_path / "adapter"
        own = config or LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM", init_lora_weights=False)
        torch.manual_seed(0)
        get_peft_model(AutoModelForCausalLM.from_pretrained(model), own).save_pretrained(folder)
        path = folder / "adapter_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | settings))
        return str(folder)

    return make


def _refused(model: str, adapter: str, match: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Nothing but the error is to be said.
        with pytest.raises(DivtoolError, match=match) as caught:
            load(model, LoadOptions(adapter=adapter))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    return str(caught.value)


def _rename(adapter: str, change: Callable[[str], str | None]) -> None:
    from safetensors.torch import load_file, save_file

    path = f"{adapter}/adapter_model.safetensors"
    renamed = {change(key): value for key, value in load_file(path).items()}
    save_file({key: value for key, value in renamed.items() if key is not None}, path)


@pytest.mark.parametrize("merge", [True, False])
def test_an_adapter_of_the_model_changes_it_without_a_word(tiny_model: str, make_adapter: Make, merge: bool) -> None:
    adapter = make_adapter(tiny_model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tuned = load(tiny_model, LoadOptions(adapter=adapter, merge=merge))
    assert tuned.name == f"{tiny_model}+{adapter}"
    ids = torch.arange(5, 12)[None]
    with torch.inference_mode():
        assert not torch.allclose(tuned.model(ids).logits, load(tiny_model).model(ids).logits, atol=1e-3)


def test_shapes_that_differ(tiny_model: str, other_tiny_model: str, make_adapter: Make) -> None:
    said = _refused(tiny_model, make_adapter(other_tiny_model), "does not fit model .*size mismatch for .*layers.0")
    assert f"it was made for '{other_tiny_model}'" in said


def test_layers_of_other_names(tiny_model: str, make_adapter: Make) -> None:
    adapter = make_adapter(tiny_model, target_modules=["c_attn"])
    _refused(tiny_model, adapter, "does not fit model .*c_attn.* not found")


def test_weights_that_all_find_no_place(tiny_model: str, make_adapter: Make) -> None:
    """PEFT only warns: the model would answer as if there were no adapter."""
    adapter = make_adapter(tiny_model, base_model_name_or_path="gpt2")
    _rename(adapter, lambda key: key.replace("model.layers", "transformer.h"))
    said = _refused(tiny_model, adapter, r"the model has no layer for 4 of the weights, .*transformer\.h\.0")
    assert "it was made for 'gpt2'" in said


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda key: key.replace("layers.1", "layers.7"), r"no layer for 2 of the weights, .*layers\.7\.self_attn"),
        (lambda key: None if "layers.1" in key else key, r"nothing for 2 of the weights, .*layers\.1\.self_attn"),
    ],
    ids=["more layers", "fewer layers"],
)
def test_an_adapter_of_a_deeper_or_a_flatter_model(
    tiny_model: str, make_adapter: Make, change: Callable[[str], str | None], match: str
) -> None:
    adapter = make_adapter(tiny_model)
    _rename(adapter, change)
    _refused(tiny_model, adapter, match)


def test_another_base_of_the_same_shapes_is_warned_of(tiny_model: str, make_adapter: Make) -> None:
    adapter = make_adapter(tiny_model, base_model_name_or_path="someone/Another-Model")
    with pytest.warns(UserWarning, match="was made for 'someone/Another-Model'") as said:
        load(tiny_model, LoadOptions(adapter=adapter))
    assert len(said) == 1
    assert f"the model is '{tiny_model}'" in str(said[0].message)


def test_a_model_that_was_moved_is_the_same(tiny_model: str, make_adapter: Make, tmp_path: Path) -> None:
    adapter = make_adapter(tiny_model)
    moved = tmp_path / "elsewhere" / Path(tiny_model).name
    shutil.copytree(tiny_model, moved)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(str(moved), LoadOptions(adapter=adapter))


HUB = "HuggingFaceTB/SmolLM2-135M-Instruct"


@pytest.mark.parametrize(
    ("recorded", "name", "same"),
    [
        (HUB, "smollm2-135m", True),
        ("smollm2-135m", f"/models/{HUB}", True),
        ("/home/u/.cache/divtool/models/SmolLM2-135M-Instruct.Q4_1-5dce440-18ea2c6f5fc153e5-v1", "smollm2-135m", True),
        ("/a/SmolLM2-135M-Instruct.Q4_1-5dce440-18ea2c6f5fc153e5-v1", "/b/SmolLM2-135M-Instruct-Q8_0.gguf", True),
        (f"/hub/models--{HUB.replace('/', '--')}/snapshots/12fd25f77366fa6b3b4b768ec3050bf629380bac", HUB, True),
        ("C:\\models\\SmolLM2-135M-Instruct\\", HUB, True),
        ("unsloth/smollm2-135m-instruct", HUB, True),
        ("HuggingFaceTB/SmolLM2-135M", HUB, False),
        ("HuggingFaceTB/SmolLM2-360M-Instruct", "smollm2-135m", False),
        ("/hub/models--gpt2/snapshots/607a30d783dfa663caf39e06633721c8d4cfcd7e", "gpt2", True),
    ],
)
def test_names_of_one_model(recorded: str, name: str, same: bool) -> None:
    assert same_model(recorded, name) is same
    assert same_model(name, recorded) is same


def test_a_link_to_the_model_is_the_model(tiny_model: str, tmp_path: Path) -> None:
    (tmp_path / "base").symlink_to(tiny_model)
    assert same_model(tiny_model, str(tmp_path / "base"))
    assert not same_model(tiny_model, str(tmp_path))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (None, "no adapter_config.json there"),
        ('{"peft_type": "LORA", ', "is not valid JSON"),
        ("", "is not valid JSON"),
        ("[]", "is not a JSON object"),
    ],
)
def test_a_folder_that_is_no_adapter(tmp_path: Path, text: str | None, match: str) -> None:
    if text is not None:
        (tmp_path / "adapter_config.json").write_text(text)
    with pytest.raises(DivtoolError, match=match):
        check_adapter(str(tmp_path))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"peft_type": "FUTURE"}, "the type 'FUTURE' is unknown"),
        ({"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 4}, "is of type PROMPT_TUNING, which changes no weights"),
        ({}, "names no peft_type"),
    ],
)
def test_other_types_are_refused_before_the_model_is_loaded(
    tmp_path: Path, settings: dict[str, Any], match: str
) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings))
    (tmp_path / "adapter_model.safetensors").touch()
    _refused("no-such/model", str(tmp_path), match)


def test_weights_that_are_missing_or_broken(tiny_model: str, make_adapter: Make) -> None:
    adapter = make_adapter(tiny_model)
    path = Path(adapter, "adapter_model.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    _refused(tiny_model, adapter, "its weights cannot be read")
    path.unlink()
    _refused(tiny_model, adapter, "no weights there")


def test_an_adapter_of_another_type_that_changes_weights_is_taken(tiny_model: str, make_adapter: Make) -> None:
    from peft import IA3Config

    config = IA3Config(target_modules=["k_proj"], feedforward_modules=[], task_type="CAUSAL_LM")
    assert load(tiny_model, LoadOptions(adapter=make_adapter(tiny_model, config))).model is not None
