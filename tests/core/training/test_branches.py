"""Attention by branch gives the dense mask's numbers, whatever a model does with the mask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from divtool.core.training import branches
from divtool.core.training.branches import BranchMask, branch_mask

# Tokens of prompt, chosen and rejected: unequal, and as short as can be.
SIZES = [(9, 7, 3), (1, 1, 4), (12, 2, 1), (2, 6, 6)]


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Tokens of the prompts of all rows that were attended to by branch."""
    own, seen = branches._of_row, []

    def counted(row: Any, *rest: Any) -> Any:
        seen.append(row.prompt)
        return own(row, *rest)

    monkeypatch.setattr(branches, "_of_row", counted)
    return seen


def segments() -> torch.Tensor:
    """Packed pairs with padding, without a prompt, and with branches of one token."""
    rows = [[0] * 5 + [1] * 3 + [2] * 4, [1] * 2 + [2] * 2 + [-1] * 8, [0] * 9 + [1] + [2] + [-1]]
    return torch.tensor(rows)


@pytest.mark.parametrize("options", [{}, {"scale": 0.3}])
@pytest.mark.parametrize("heads", [4, 2])
def test_the_dense_masks_numbers_and_gradients(options: dict[str, Any], heads: int, taken: list[int]) -> None:
    rows = segments()
    mask = branch_mask(rows, torch.float32)
    assert isinstance(mask, BranchMask)
    draw = torch.Generator().manual_seed(0)
    query, key, value = (
        torch.randn(3, rows.shape[1], count, 8, generator=draw).transpose(1, 2).requires_grad_()
        for count in (4, heads, heads)
    )
    wanted = torch.randn(3, 4, rows.shape[1], 8, generator=draw) * (rows >= 0)[:, None, :, None]
    results = []
    for form in (mask, mask.as_subclass(torch.Tensor)):
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=form, enable_gqa=heads < 4, **options)
        results.append(
            (out * (rows >= 0)[:, None, :, None], *torch.autograd.grad((out * wanted).sum(), (query, key, value)))
        )
    assert taken == [5, 0, 9]
    for found, expected in zip(*results, strict=True):
        assert torch.allclose(found, expected, atol=1e-6)
    assert results[0][1].abs().max() > 0.1


def test_anything_else_is_done_with_the_dense_mask(taken: list[int]) -> None:
    mask = branch_mask(segments(), torch.float32)
    states = torch.randn(3, 2, 12, 4, generator=torch.Generator().manual_seed(0))
    expected = F.scaled_dot_product_attention(states, states, states, mask.as_subclass(torch.Tensor))
    for changed in (mask[:, :, :, :12], mask + 0, mask.clone()):
        assert type(changed) is torch.Tensor
        assert torch.equal(F.scaled_dot_product_attention(states, states, states, changed), expected)
    # Queries of the last tokens alone, as no packed forward has them.
    last = F.scaled_dot_product_attention(
        states[:, :, -1:], states, states, branch_mask(segments(), torch.float32)[:, :, -1:]
    )
    assert torch.allclose(last, expected[:, :, -1:], atol=1e-6)
    # States of another shape than a packed forward has.
    deep = F.scaled_dot_product_attention(states[None], states[None], states[None], mask)
    assert torch.allclose(deep[0], expected, atol=1e-6)
    assert not taken


def small(kind: str) -> Any:
    """A small model with two query heads a key head, or one of GPT-2's kind."""
    from transformers import AutoConfig, AutoModelForCausalLM

    shape: dict[str, Any] = (
        {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
        if kind == "gpt2"
        else {
            "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2,
        }
    )  # fmt: skip
    torch.manual_seed(3)
    config = AutoConfig.for_model(kind, vocab_size=300, attn_implementation="sdpa", **shape)
    return AutoModelForCausalLM.from_config(config)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_training_by_branch_is_training_on_plain_pairs(
    rig: Any, kind: str, checkpointing: bool, taken: list[int]
) -> None:
    made = rig(SIZES, base=small(kind))
    layers = len(SIZES) * 2
    loss, plain = made.step(("compact", False))
    assert not taken
    if checkpointing:
        made.trainer.model.gradient_checkpointing_enable({"use_reentrant": False})
        made.trainer.model.enable_input_require_grads()
    made.trainer.model.train()
    again, packed = made.step(("compact", True))
    # With checkpointing the forward is run again on the way back.
    assert len(taken) == layers * (2 if checkpointing else 1)
    assert again == pytest.approx(loss, abs=1e-6)
    assert packed.keys() == plain.keys()
    for name, gradient in plain.items():
        assert float((packed[name] - gradient).norm()) <= 1e-5 * float(gradient.norm()), name
    assert made.trainer.model.config._attn_implementation == "sdpa"
