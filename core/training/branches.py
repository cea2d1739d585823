"""Attention over packed pairs branch by branch, in place of one dense masked product over the whole sequence."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from ..models.masks import additive

Tensor = torch.Tensor


class _Row(NamedTuple):
    """Tokens of a packed pair: the prompt, both branches, padding; and what the second branch sees."""

    prompt: int
    first: int
    second: int
    padding: int
    seen: Tensor


class BranchMask(Tensor):
    """The dense mask of packed pairs, which `scaled_dot_product_attention` need not read.

    Prompt and first branch are one causal sequence, for which the fast kernels need no mask and leave the upper half
    out; the second branch attends to the prompt and itself. What is computed of padding is 0 instead of its own value.
    Whatever else is done with it is done with the dense mask: under eager attention, or where a model cuts it or adds
    to it, the numbers stay right.

    The layout goes with the mask, so that gradient checkpointing finds it again on the way back. PyTorch's
    `torch.nn.attention.bias.CausalBias` is made the same way.

    Attributes:
        rows: Layout of each sequence.
    """

    rows: list[_Row]

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Attention by branch where the mask is one, and every other function on the plain tensor."""
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunctionSubclass():
            if func is F.scaled_dot_product_attention:
                return _attention(*args, **kwargs)
            return func(*args, **kwargs)


def branch_mask(segments: Tensor, dtype: torch.dtype) -> Tensor:
    """What each token of a packed pair sees: the prompt, and of its own branch what comes before it.

    Padding sees itself.

    Args:
        segments: [sequences, tokens]: 0 the prompt but its last token, 1 and 2 the branches, -1 padding, in this order.
        dtype: Number format of the attention scores.

    Returns:
        [sequences, 1, tokens, tokens], 0 or the least finite number; on a CPU, where it was measured, a `BranchMask`.
    """
    length = segments.shape[1]
    queries, keys = segments[:, :, None], segments[:, None, :]
    earlier = torch.ones(length, length, dtype=torch.bool, device=segments.device).tril()
    seen = earlier & ((keys == 0) | (keys == queries)) & (keys >= 0)
    seen |= torch.eye(length, dtype=torch.bool, device=segments.device)
    dense = additive(seen, dtype)
    if segments.device.type != "cpu":
        return dense
    mask = dense.as_subclass(BranchMask)
    mask.rows = [_row(row) for row in segments]
    return mask


def _row(segments: Tensor) -> _Row:
    prompt, first, second, padding = (int((segments == part).sum()) for part in (0, 1, 2, -1))
    seen = torch.ones(second, prompt + second, dtype=torch.bool).tril(prompt)
    return _Row(prompt, first, second, padding, seen)


def _attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: BranchMask, *more: Any, **options: Any) -> Tensor:
    """`scaled_dot_product_attention`, row by row where the states are those of the mask's rows."""
    sequences, length = len(attn_mask.rows), attn_mask.shape[-1]
    others = any(states.dim() != 4 or states.shape[::2] != (sequences, length) for states in (query, key, value))
    if others or more:
        return F.scaled_dot_product_attention(query, key, value, attn_mask, *more, **options)
    # Split, not sliced: on the way back, each slice of a tensor would make a whole one.
    queries, keys, values = (torch.split(states, 1) for states in (query, key, value))
    each = zip(attn_mask.rows, queries, keys, values, strict=True)
    parts = [part.transpose(1, 2) for row, q, k, v in each for part in _of_row(row, q, k, v, options)]
    # Tokens before heads: so the kernels lay their results out, and so the model wants them.
    return torch.cat(parts, 1).view(sequences, length, *parts[0].shape[2:]).transpose(1, 2)


def _of_row(row: _Row, query: Tensor, key: Tensor, value: Tensor, options: dict[str, Any]) -> tuple[Tensor, ...]:
    """Attention of a packed pair's prompt with its first branch, of its second, and zeros for its padding."""
    sizes = [row.prompt + row.first, row.second, row.padding]
    (asked, later, _), (keys, own_keys, _), (values, own_values, _) = (
        torch.split(states, sizes, dim=2) for states in (query, key, value)
    )
    trunk = F.scaled_dot_product_attention(asked, keys, values, **options | {"is_causal": True})
    seen_keys = torch.cat([keys[:, :, : row.prompt], own_keys], 2)
    seen_values = torch.cat([values[:, :, : row.prompt], own_values], 2)
    branch = F.scaled_dot_product_attention(later, seen_keys, seen_values, attn_mask=row.seen, **options)
    return trunk, branch, trunk.new_zeros(*trunk.shape[:2], row.padding, trunk.shape[3])
