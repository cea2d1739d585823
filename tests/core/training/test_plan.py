"""The dry run: what it says is what a run then does, and no weights are loaded for it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from divtool.core.models.options import LoadOptions
from divtool.core.training.plan import memory_bytes, shape_of
from divtool.core.training.settings import TrainSettings


def rows_of(report: Any) -> dict[str, Any]:
    return dict(report.rows)


def test_the_plan_is_what_the_run_does(lab: Any) -> None:
    plan = rows_of(lab.run(None, dry_run=True))
    lab.run()
    facts = lab.facts()
    assert plan["pairs"] == facts["data"]["trained_on"]
    assert plan["tokens an epoch"] == facts["data"]["tokens_per_epoch"]
    assert plan["steps"] == facts["result"]["steps"]
    assert plan["trainable parameters"] == facts["result"]["trainable_parameters"]


def test_no_weights_are_needed_and_nothing_is_written(lab: Any, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(lab.model, bare)
    (bare / "model.safetensors").unlink()
    before = sorted(tmp_path.rglob("*"))
    plan = rows_of(lab.run("out", dry_run=True, model=str(bare)))
    assert plan["parameters"] == shape_of(lab.model, "made").parameters
    assert sorted(tmp_path.rglob("*")) == before


def test_a_continued_adapter_is_counted(lab: Any) -> None:
    lab.run("first", lora_r=4, lora_alpha=8)
    plan = rows_of(lab.run(None, dry_run=True, loading=LoadOptions(adapter=str(lab.folder / "first"))))
    assert plan["trainable parameters"] == lab.facts("first")["result"]["trainable_parameters"]


def test_memory_estimate_moves_the_right_way(lab: Any) -> None:
    from divtool.core.training.pairs import Lengths

    shape = shape_of(lab.model, "made")
    lengths = Lengths(prompt=[10, 10], chosen=[30, 20], rejected=[25, 28])

    def size(**settings: Any) -> dict[str, float]:
        full = TrainSettings(**settings).filled(shape.parameters, "cpu")
        return memory_bytes(shape, full, lengths, 1000, 4)

    plain = size()
    assert plain["adapter and optimiser"] == 16_000
    # A block of 256 tokens, twice in float32.
    assert plain["logits"] == 2 * 4 * shape.vocabulary * 256
    assert plain["weights"] == 4 * shape.parameters
    assert size(four_bit=True)["weights"] == pytest.approx(
        4 * (shape.parameters - shape.linear) + 0.516 * shape.linear, rel=1e-3
    )
    assert size(gradient_checkpointing=True)["activations"] < plain["activations"]
    assert size(batch_size=8)["activations"] == 2 * plain["activations"]
    # 10 + 30 + 25 tokens and one repeated, instead of twice 10 + 30.
    assert size(pack=True)["activations"] == pytest.approx(plain["activations"] * 66 / 80)
    assert size(head="fused")["logits"] == 2 * 4 * shape.vocabulary * 4 * 80
