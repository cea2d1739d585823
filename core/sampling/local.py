"""Local generation: one prefill a distinct chat, a random stream a record, finished rows leave the batch.

The loop is our own because `transformers.generate` draws a whole batch from one random stream: there a record's text
changes with the batch that it happens to be in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..draws import generator
from ..models.chat import chat_ids
from .backend import Decoding, Draw, Request, ignore_tokens
from .cache import with_room
from .tokens import draw_tokens

if TYPE_CHECKING:
    from ..models.language import LanguageModel

# Rows are dropped from the cache when this share of them has finished: each drop copies what is left of the cache.
_COMPACT_AT = 0.2
# Tokens of one prefill pass on a CPU and on an accelerator. A CPU gains nothing from more, and loses time to the
# system, which has to find fresh pages for every large temporary.
_PREFILL_TOKENS = (2048, 65536)


class LocalBackend:
    """Draws from a model in this process.

    Args:
        language_model: The loaded model with its tokenizer.
        thinking: What chat templates that know `enable_thinking` are told; None leaves it to them.
    """

    def __init__(self, language_model: LanguageModel, thinking: bool | None = None) -> None:
        self.name = language_model.name
        self.parameters: int | None = language_model.model.num_parameters()
        self._lm = language_model
        self._thinking = thinking

    @property
    def language_model(self) -> LanguageModel:
        """The model with its tokenizer, for whoever needs the probabilities of given texts."""
        return self._lm

    @torch.inference_mode()
    def draw(
        self, requests: Sequence[Request], decoding: Decoding, on_tokens: Callable[[int], None] = ignore_tokens
    ) -> list[Draw]:
        """One draw a request, in order."""
        batch = _Batch(self._lm, requests, decoding, self._thinking)
        while batch.active:
            on_tokens(batch.step())
        return [self._finished(row) for row in batch.rows]

    def _finished(self, row: _RowState) -> Draw:
        text = self._lm.tokenizer.decode([*row.prefill, *row.ids], skip_special_tokens=True)
        return Draw(text.strip(), len(row.ids), "stop" if row.stopped else "length", row.logprob, int(row.stopped))


@dataclass(slots=True)
class _RowState:
    """What is known of one response while it grows."""

    uniforms: np.ndarray[Any, np.dtype[np.float64]]
    prefill: tuple[int, ...] = ()
    ids: list[int] = field(default_factory=list)
    logprob: float = 0.0
    stopped: bool = False


class _Batch:
    """The rows that are drawn together, their cache, and the logits of the next position."""

    def __init__(
        self, lm: LanguageModel, requests: Sequence[Request], decoding: Decoding, thinking: bool | None
    ) -> None:
        self._lm = lm
        self._thinking = thinking
        self._decoding = decoding
        limit = decoding.max_new_tokens
        prefills = {request.prefill: self._prefill_ids(request.prefill) for request in requests}
        self.rows = [
            _RowState(generator(*request.draw).random(limit), prefills[request.prefill]) for request in requests
        ]
        self.active = list(range(len(requests)))
        self._position = 0
        self._prefill(requests)

    def _prefill_ids(self, text: str) -> tuple[int, ...]:
        """The beginning of an answer as tokens of its own, so that it does not depend on the chat before it."""
        return tuple(self._lm.tokenizer(text, add_special_tokens=False)["input_ids"]) if text else ()

    def _prefill(self, requests: Sequence[Request]) -> None:
        """Run each distinct chat once, then copy its cache to every row that shares it."""
        begun = [(request.messages, row.prefill) for request, row in zip(requests, self.rows, strict=True)]
        chats = list(dict.fromkeys(begun))
        place = {chat: number for number, chat in enumerate(chats)}
        opened = (chat_ids(self._lm.tokenizer, messages, thinking=self._thinking) for messages, _ in chats)
        sequences = [[*opening, *answer] for opening, (_, answer) in zip(opened, chats, strict=True)]
        ids, mask = _left_padded(sequences, self._lm.pad_id)
        ids, mask = ids.to(self._lm.device), mask.to(self._lm.device)
        rows = max(1, _PREFILL_TOKENS[ids.device.type != "cpu"] // ids.shape[1])
        outputs = [
            self._lm.model(
                input_ids=part, attention_mask=seen, position_ids=_positions(seen), use_cache=True, logits_to_keep=1
            )
            for part, seen in zip(torch.split(ids, rows), torch.split(mask, rows), strict=True)
        ]
        owner = torch.tensor([place[chat] for chat in begun], device=ids.device)
        self._cache = with_room([output.past_key_values for output in outputs])
        self._mask = mask[owner]
        self._logits = _drawable(torch.cat([output.logits[:, -1] for output in outputs])[owner])
        self._seen = self._occurring(ids, mask)[owner] if self._decoding.repetition_penalty != 1 else None
        if len(chats) < len(requests):
            self._cache.batch_select_indices(owner)

    def _occurring(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Which tokens of the vocabulary each row of ids holds, [rows, vocabulary], padding apart."""
        ids, mask = ids.to(self._logits.device), mask.to(self._logits.device)
        # A padded place counts as another of the row's last token, which is no padding: rows are padded on the left.
        real = torch.where(mask.bool(), ids, ids[:, -1:])
        seen = torch.zeros(len(ids), self._logits.shape[-1], dtype=torch.bool, device=ids.device)
        return seen.scatter_(1, real, True)

    def step(self) -> int:
        """Draw one token for each active row; the answer is how many were kept."""
        numbers = np.array([self.rows[row].uniforms[self._position] for row in self.active])
        uniforms = torch.from_numpy(numbers).to(self._logits.device)
        tokens, logprobs = draw_tokens(self._logits, uniforms, self._decoding, self._seen)
        if self._seen is not None:
            self._seen.scatter_(1, tokens[:, None], True)
        drawn = self._record(tokens.tolist(), logprobs.tolist())
        self._position += 1
        going = [place for place, row in enumerate(self.active) if not self._done(self.rows[row])]
        if going:
            self._forward(self._compacted(tokens.to(self._lm.device), going))
        else:
            self.active = []
        return drawn

    def _record(self, tokens: list[int], logprobs: list[float]) -> int:
        drawn = 0
        for place, row in enumerate(self.active):
            state = self.rows[row]
            if self._done(state):
                continue  # Finished, and not yet taken out of the batch.
            drawn += 1
            state.ids.append(tokens[place])
            state.logprob += logprobs[place]
            state.stopped = tokens[place] in self._lm.end_ids
        return drawn

    def _done(self, state: _RowState) -> bool:
        return state.stopped or len(state.ids) >= self._decoding.max_new_tokens

    def _compacted(self, tokens: torch.Tensor, going: list[int]) -> torch.Tensor:
        """Leave finished rows behind, once there are enough of them."""
        if len(going) > len(self.active) * (1 - _COMPACT_AT):
            return tokens
        keep = torch.tensor(going, device=tokens.device)
        self._cache.batch_select_indices(keep)
        self._mask = self._mask[keep]
        if self._seen is not None:
            self._seen = self._seen[keep.to(self._seen.device)]
        self.active = [self.active[place] for place in going]
        return tokens[keep]

    def _forward(self, tokens: torch.Tensor) -> None:
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], dim=1)
        output = self._lm.model(
            input_ids=tokens[:, None],
            attention_mask=self._mask,
            position_ids=_positions(self._mask)[:, -1:],
            past_key_values=self._cache,
            use_cache=True,
        )
        self._cache = output.past_key_values
        self._logits = _drawable(output.logits[:, -1])


def _drawable(logits: torch.Tensor) -> torch.Tensor:
    """Logits in float32, where float64 can be computed with too: Apple's MPS cannot."""
    logits = logits.float()
    return logits.cpu() if logits.device.type == "mps" else logits


def _left_padded(sequences: Sequence[Sequence[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(len(sequence) for sequence in sequences)
    ids = torch.tensor([[pad_id] * (width - len(s)) + list(s) for s in sequences])
    mask = torch.tensor([[0] * (width - len(s)) + [1] * len(s) for s in sequences])
    return ids, mask


def _positions(mask: torch.Tensor) -> torch.Tensor:
    return (mask.cumsum(-1) - 1).clamp(min=0)
