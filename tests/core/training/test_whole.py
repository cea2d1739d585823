"""What comes of a trained adapter: its card, and the model with it folded in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from divtool.core.errors import UsageError
from divtool.core.models.language import load
from divtool.core.models.options import LoadOptions
from divtool.core.training import card, whole
from divtool.core.training.preference import train
from divtool.core.training.whole import Keeping


def test_the_merged_model_is_written_behind_the_training(lab: Any) -> None:
    merged = lab.folder / "merged"
    whole.run(lab.job(max_steps=3, learning_rate=1e-2), train, Keeping(merged=merged))
    assert lab.notes[-1] == f"merged model in {merged}, float32"
    ids = torch.arange(5, 25)[None]
    with torch.inference_mode():
        wanted = load(lab.model, LoadOptions(adapter=str(lab.folder / "out"))).model(ids).logits
        assert not torch.allclose(wanted, load(lab.model).model(ids).logits, atol=1e-3)
        torch.testing.assert_close(load(str(merged)).model(ids).logits, wanted, atol=2e-5, rtol=1e-4)
    # A finished run is merged once more where that was not done.
    again = lab.folder / "again"
    whole.run(lab.job(max_steps=3, learning_rate=1e-2, resume=True), train, Keeping(merged=again))
    assert (again / "model.safetensors").read_bytes() == (merged / "model.safetensors").read_bytes()
    whole.run(lab.job(None, dry_run=True), train, Keeping(merged=lab.folder / "third"))
    assert not (lab.folder / "third").exists()


def test_a_folder_that_is_there_is_refused_before_anything_is_read(lab: Any) -> None:
    with pytest.raises(UsageError, match="is there already"):
        whole.run(lab.job(source="not read"), train, Keeping(merged=lab.folder))


def metadata(text: str) -> dict[str, Any]:
    return dict(yaml.safe_load(text.split("---\n")[1]))


@pytest.mark.parametrize("base", ["someone/Base-1B", None])
def test_the_card_says_what_the_hub_shows(lab: Any, monkeypatch: pytest.MonkeyPatch, base: str | None) -> None:
    monkeypatch.setattr(card, "hub_name", lambda name: base)
    lab.run(max_steps=1)
    out: Path = lab.folder / "out"
    text = (out / "README.md").read_text()
    wanted = {"library_name": "peft", "pipeline_tag": "text-generation", "tags": ["divtool", "lora", "dpo"]}
    assert metadata(text) == ({"base_model": base} if base else {}) | wanted
    assert (f'from_pretrained("{base}")' if base else "from_pretrained(BASE_MODEL)") in text
    # A folder of this machine means nothing on another one; a hub id does.
    assert json.loads((out / "adapter_config.json").read_bytes())["base_model_name_or_path"] == (base or lab.model)
    assert lab.facts()["base_model"] == base
