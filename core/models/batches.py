"""Sequences of token ids in batches: the longest first, padded on the right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import torch


def longest_first(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Places of sequences in batches of like lengths, the longest first: padding is small, and memory peaks at once.

    Args:
        lengths: One a sequence.
        size: Sequences a batch, at least 1.
    """
    order = iter(sorted(range(len(lengths)), key=lambda place: -lengths[place]))
    while batch := list(islice(order, size)):
        yield batch


def right_padded(rows: Sequence[Sequence[int]], fill: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and attention mask, both [rows, longest] in int64.

    Args:
        rows: Token ids.
        fill: The id behind the end of a shorter row.
    """
    ids = torch.full((len(rows), max(map(len, rows))), fill)
    mask = torch.zeros_like(ids)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row, dtype=ids.dtype)
        mask[place, : len(row)] = 1
    return ids, mask
