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

if TYPE_CHECKING:
    from ..models.language import LanguageModel

# Rows are dropped from the cache when this share of them has finished: each drop copies what is left of the cache.
_COMPACT_AT = 0.2
# The tail of the vocabulary is sorted only where the mass of this many tokens falls short of top-p: a full sort of
# 49,152 logits costs more than a step of a small model.
_HEAD, _WIDER = 512, 16
# On a CPU the vocabulary-wide steps go over so many rows at a time: their temporaries then stay in the cache.
_ROWS_AT_ONCE = 16
# Tokens of one prefill pass on a CPU and on an accelerator. A CPU gains nothing from more, and loses time to the
# system, which has to find fresh pages for every large temporary.
_PREFILL_TOKENS = (2048, 65536)


class LocalBackend:
    """Draws from a model in this process.

    Args:
        language_model: The loaded model with its tokenizer.
    """

    def __init__(self, language_model: LanguageModel) -> None:
        self.name = language_model.name
        self.parameters: int | None = language_model.model.num_parameters()
        self._lm = language_model

    @torch.inference_mode()
    def draw(
        self, requests: Sequence[Request], decoding: Decoding, on_tokens: Callable[[int], None] = ignore_tokens
    ) -> list[Draw]:
        """One draw a request, in order."""
        batch = _Batch(self._lm, requests, decoding)
        while batch.active:
            on_tokens(batch.step())
        return [self._finished(row) for row in batch.rows]

    def _finished(self, row: _RowState) -> Draw:
        text = self._lm.tokenizer.decode([*row.prefill, *row.ids], skip_special_tokens=True)
        return Draw(text.strip(), len(row.ids), "stop" if row.stopped else "length", row.logprob)


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

    def __init__(self, lm: LanguageModel, requests: Sequence[Request], decoding: Decoding) -> None:
        self._lm = lm
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
        sequences = [[*chat_ids(self._lm.tokenizer, messages), *answer] for messages, answer in chats]
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
        if len(chats) < len(requests):
            self._cache.batch_select_indices(owner)

    def step(self) -> int:
        """Draw one token for each active row; the answer is how many were kept."""
        numbers = np.array([self.rows[row].uniforms[self._position] for row in self.active])
        uniforms = torch.from_numpy(numbers).to(self._logits.device)
        tokens, logprobs = draw_tokens(self._logits, uniforms, self._decoding)
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


def draw_tokens(logits: torch.Tensor, uniforms: torch.Tensor, decoding: Decoding) -> tuple[torch.Tensor, torch.Tensor]:
    """The next token of each row, by inverting the cumulative distribution in the order of token ids.

    The order of ids, not of probability, keeps a draw the same when rounding swaps two nearly equal tokens.

    Args:
        logits: [rows, vocabulary], float32.
        uniforms: [rows], in [0, 1), float64.
        decoding: Temperature and truncation, applied in the order top-k, top-p, min-p as `transformers` does.

    Returns:
        Token ids [rows], and their natural-log probabilities at temperature 1 without truncation [rows].
    """
    rows = _ROWS_AT_ONCE if logits.device.type == "cpu" else len(logits)
    parts = [
        _draw_rows(*part, decoding) for part in zip(torch.split(logits, rows), torch.split(uniforms, rows), strict=True)
    ]
    return torch.cat([tokens for tokens, _ in parts]), torch.cat([logprobs for _, logprobs in parts])


def _draw_rows(logits: torch.Tensor, uniforms: torch.Tensor, decoding: Decoding) -> tuple[torch.Tensor, torch.Tensor]:
    whole = logits.logsumexp(-1)
    if decoding.temperature == 0:
        tokens = logits.argmax(-1)
    elif decoding.temperature == 1:
        tokens = _drawn(logits, whole, uniforms, decoding)
    else:
        scaled = logits / decoding.temperature
        tokens = _drawn(scaled, scaled.logsumexp(-1), uniforms, decoding)
    return tokens, logits.gather(-1, tokens[:, None])[:, 0] - whole


def _drawn(scaled: torch.Tensor, whole: torch.Tensor, uniforms: torch.Tensor, decoding: Decoding) -> torch.Tensor:
    """Draw from the scaled logits, whose log-sum-exp is `whole`."""
    if not decoding.top_k and decoding.top_p == 1 and not decoding.min_p:
        return _inverted((scaled - whole[:, None]).double().exp_().cumsum(-1), uniforms)
    tokens = torch.empty(len(scaled), dtype=torch.long, device=scaled.device)
    rest = torch.arange(len(scaled), device=scaled.device)
    width = decoding.top_k or _HEAD
    while len(rest):
        probabilities, ids, enough = _head(scaled[rest], whole[rest], width, decoding)
        ids, order = ids[enough].sort(-1)
        cumulative = probabilities[enough].gather(-1, order).double().cumsum(-1)
        done = rest[enough]
        tokens[done] = ids.gather(-1, _inverted(cumulative, uniforms[done])[:, None])[:, 0]
        # Rows whose nucleus is wider than the head are few: only they look at more of the vocabulary.
        rest, width = rest[~enough], width * _WIDER
    return tokens


def _head(
    scaled: torch.Tensor, whole: torch.Tensor, width: int, decoding: Decoding
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Probabilities (0 where cut) and ids of the `width` likeliest tokens, and whether they hold all that is kept."""
    width = min(width, scaled.shape[-1])
    values, ids = scaled.topk(width, dim=-1)
    # The mass outside the head counts, unless top-k has cut it away.
    mass = values.logsumexp(-1) if decoding.top_k else whole
    probabilities = (values - mass[:, None]).exp()
    before = probabilities.double().cumsum(-1) - probabilities
    keep = before < decoding.top_p if decoding.top_p < 1 else torch.ones_like(before, dtype=torch.bool)
    keep &= probabilities >= decoding.min_p * probabilities[:, :1]
    everything = bool(decoding.top_k) or width == scaled.shape[-1]
    enough = ~keep[:, -1] | everything
    return torch.where(keep, probabilities, 0.0), ids, enough


def _inverted(cumulative: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """The first place where the cumulative mass exceeds the uniform number's share of the whole."""
    target = uniforms[:, None] * cumulative[:, -1:]
    place = torch.searchsorted(cumulative, target, right=True)[:, 0]
    # A uniform number next to 1 can round up to the whole mass: then the last token with any mass of its own.
    last = torch.searchsorted(cumulative, cumulative[:, -1:].contiguous())[:, 0]
    return torch.minimum(place, last)
