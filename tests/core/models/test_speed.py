"""The number format that a CPU multiplies fastest."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from divtool.core.models import speed
from divtool.core.models.language import load
from divtool.core.models.options import LoadOptions


@pytest.mark.parametrize(("slowed", "found"), [(torch.float32, torch.bfloat16), (torch.bfloat16, torch.float32)])
def test_the_faster_format_is_found(monkeypatch: pytest.MonkeyPatch, slowed: torch.dtype, found: torch.dtype) -> None:
    product = torch.nn.functional.linear

    def slow(rows: torch.Tensor, weights: torch.Tensor) -> Any:
        for _ in range(40 if rows.dtype == slowed else 0):
            product(rows, weights)
        return product(rows, weights)

    monkeypatch.setattr(torch.nn.functional, "linear", slow)
    assert speed.fastest_dtype.__wrapped__(64) == found


def test_a_small_model_stays_in_float32(tiny_model: str) -> None:
    assert load(tiny_model, LoadOptions(device="cpu", dtype="fastest")).number_format == "float32"
