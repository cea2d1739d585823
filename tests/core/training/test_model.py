"""The embedded model, a few steps of it: slow, so each test is one short run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from divtool.core.training.job import PairJob, TrainJob
from divtool.core.training.preference import train
from divtool.core.training.settings import TrainSettings

pytestmark = pytest.mark.model


@pytest.fixture
def short(tmp_path: Path, make_pairs: Any, write_lines: Any) -> PairJob:
    """Two made pairs for SmolLM2-135M."""
    return TrainJob(
        method="dpo",
        source=write_lines(tmp_path / "pairs.jsonl", make_pairs(2, words=4)),
        output=tmp_path / "out",
        model="smollm2-135m",
        settings=TrainSettings(batch_size=1, grad_accum=1, max_steps=2),
    )


def test_two_steps_and_back_with_plain_peft(lab: Any, short: PairJob) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from divtool.core.models.language import resolve

    train(short)
    assert lab.log()[0]["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert lab.facts()["model"] == "smollm2-135m"
    assert lab.facts()["settings"]["learning_rate"] == 2e-4
    base = AutoModelForCausalLM.from_pretrained(resolve("smollm2-135m"))
    tuned = PeftModel.from_pretrained(base, str(short.output))
    ids = torch.tensor([[1, 4093, 198]])
    assert tuned.generate(input_ids=ids, max_new_tokens=2, min_new_tokens=2, do_sample=False).shape == (1, 5)


def test_four_bit_on_a_cpu(lab: Any, short: PairJob) -> None:
    from dataclasses import replace

    settings = replace(short.settings, four_bit=True, max_steps=1, weighted=True, pack=True)
    train(replace(short, method="ddpo", settings=settings))
    # The reference is computed by the same four-bit weights.
    assert lab.log()[0]["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert lab.facts()["settings"]["four_bit"] is True
    # Every layer learns: gradients pass through the four-bit weights.
    moved = [key for key, value in lab.weights().items() if "lora_B" in key and value.abs().max() > 0]
    assert len(moved) == 30 * 7
    assert all(value.dtype == torch.float32 for value in lab.weights().values())
