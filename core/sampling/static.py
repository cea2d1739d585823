"""A batch of responses that ends as a whole, for models whose cache has no place a response.

One prefill a distinct chat; finished rows leave the batch, and none join it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ..models.language import LanguageModel
from .cache import with_room
from .rows import Row, advance, drawable

# Rows are dropped from the cache when this share of them has finished: each drop copies what is left of the cache.
_COMPACT_AT = 0.2
# Tokens of one prefill pass on a CPU and on an accelerator.
_PREFILL_TOKENS = (2048, 65536)


def draw_static(lm: LanguageModel, rows: Sequence[Row], go_on: Callable[[], bool]) -> None:
    """Draw rows of one decoding to their ends; `go_on` is asked whenever each has one more token."""
    batch = _Batch(lm, rows)
    while batch.active:
        batch.step()
        if not go_on():
            return


class _Batch:
    """The rows that are drawn together, their cache, and the logits of the next position."""

    def __init__(self, lm: LanguageModel, rows: Sequence[Row]) -> None:
        self._lm = lm
        self.active = list(rows)
        self._prefill()

    def _prefill(self) -> None:
        """Run each distinct chat once, then copy its cache to every row that shares it."""
        chats = list(dict.fromkeys(row.chat for row in self.active))
        place = {chat: number for number, chat in enumerate(chats)}
        ids, mask = _left_padded(chats, self._lm.pad_id)
        ids, mask = ids.to(self._lm.device), mask.to(self._lm.device)
        rows = max(1, _PREFILL_TOKENS[ids.device.type != "cpu"] // ids.shape[1])
        outputs = [
            self._lm.model(
                input_ids=part, attention_mask=seen, position_ids=_positions(seen), use_cache=True, logits_to_keep=1
            )
            for part, seen in zip(torch.split(ids, rows), torch.split(mask, rows), strict=True)
        ]
        owner = torch.tensor([place[row.chat] for row in self.active], device=ids.device)
        self._cache = with_room([output.past_key_values for output in outputs])
        self._mask = mask[owner]
        self._logits = drawable(torch.cat([output.logits[:, -1] for output in outputs])[owner])
        if len(chats) < len(self.active):
            self._cache.batch_select_indices(owner)

    def step(self) -> None:
        """Draw one token for each active row that is not done."""
        going = [place for place, row in enumerate(self.active) if not row.done]
        own = self._logits if len(going) == len(self.active) else self._logits[torch.tensor(going)]
        advance([self.active[place] for place in going], own, self._lm.end_ids)
        staying = [place for place in going if not self.active[place].done]
        if staying:
            self._compact(staying)
            self._forward()
        else:
            self.active = []

    def _compact(self, staying: list[int]) -> None:
        """Leave finished rows behind, once there are enough of them."""
        if len(staying) > len(self.active) * (1 - _COMPACT_AT):
            return
        keep = torch.tensor(staying, device=self._mask.device)
        self._cache.batch_select_indices(keep)
        self._mask = self._mask[keep]
        self.active = [self.active[place] for place in staying]

    def _forward(self) -> None:
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(self.active), 1)], dim=1)
        output = self._lm.model(
            input_ids=torch.tensor([row.last for row in self.active], device=self._mask.device)[:, None],
            attention_mask=self._mask,
            position_ids=_positions(self._mask)[:, -1:],
            past_key_values=self._cache,
            use_cache=True,
        )
        self._cache = output.past_key_values
        self._logits = drawable(output.logits[:, -1])


def _left_padded(sequences: Sequence[Sequence[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(len(sequence) for sequence in sequences)
    ids = torch.tensor([[pad_id] * (width - len(s)) + list(s) for s in sequences])
    mask = torch.tensor([[0] * (width - len(s)) + [1] * len(s) for s in sequences])
    return ids, mask


def _positions(mask: torch.Tensor) -> torch.Tensor:
    return (mask.cumsum(-1) - 1).clamp(min=0)
