"""Attention masks that say for each token which others it sees."""

from __future__ import annotations

from typing import Any

import torch


def additive(seen: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A mask that is added to the attention scores.

    Additive, because a boolean mask is taken for zeros and ones by eager attention.

    Args:
        seen: [sequences, queries, keys], boolean; every query sees something.
        dtype: Number format of the attention scores.

    Returns:
        [sequences, 1, queries, keys], 0 or the least finite number.
    """
    hidden = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return hidden.masked_fill_(~seen, torch.finfo(dtype).min)[:, None]


def scores_dtype(model: Any) -> torch.dtype:
    """The number format in which a model's attention scores are computed here and now, inside autocast or not."""
    device = model.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else model.dtype
