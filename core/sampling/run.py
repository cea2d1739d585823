"""The `sample` stage: prompts in, response records out, in order, from any backend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..jsonl import Record, Row, short_hash
from ..records import messages, response_key
from ..resume import SAME_COMMAND
from .backend import Backend, Decoding, Draw, Request, ignore_tokens
from .strategies import Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleOptions:
    """How much to draw, and how.

    Attributes:
        samples: Chats a prompt.
        seed: Fixes every draw, with the prompt's id, the sample index and the turn.
        batch_size: Chats drawn together; changes speed and memory, not the draws.
        decoding: Temperature and truncation.
        prefill: How every response begins; counted as part of it, and not drawn.
    """

    samples: int = 4
    seed: int = 0
    batch_size: int = 64
    decoding: Decoding = field(default_factory=Decoding)
    prefill: str = ""


@dataclass(slots=True)
class _Chat:
    """One (prompt, sample index) and the records of its turns so far."""

    row: Row
    sample_index: int
    records: list[Record] = field(default_factory=list)

    @property
    def answers(self) -> list[str]:
        return [record["response"] for record in self.records]


class Sampler:
    """Draws responses batch by batch.

    Args:
        backend: Where responses come from.
        strategy: How a prompt becomes chats.
        options: Numbers, seed, decoding.
        on_tokens: Hears of tokens as they come.
    """

    def __init__(
        self,
        backend: Backend,
        strategy: Strategy,
        options: SampleOptions,
        on_tokens: Callable[[int], None] = ignore_tokens,
    ) -> None:
        self._backend = backend
        self._strategy = strategy
        self._options = options
        self._on_tokens = on_tokens
        begun = {"prefill": options.prefill} if options.prefill else {}
        self._common = {
            "model": backend.name,
            "seed": options.seed,
            "params": {**options.decoding.params(strategy.name), **begun},
        }

    def run(self, prompts: Iterable[Row], finished: Iterable[Row] = ()) -> Iterator[list[Record]]:
        """The records of each batch, in the order (prompt, sample index, turn).

        Args:
            prompts: Checked prompt records.
            finished: The records that an interrupted run has left, in order; they are not drawn again.

        Raises:
            InputError: Two prompts with one `prompt_id`; or the finished records come from other prompts or settings.
        """
        batch: list[_Chat] = []
        old = iter(finished)
        for chat in self._chats(prompts):
            self._take_over(chat, old)
            if len(chat.records) < self._strategy.turns:
                batch.append(chat)
            if len(batch) == self._options.batch_size:
                yield self._drawn(batch)
                batch = []
        extra = next(old, None)
        if extra is not None:
            raise extra.fault("this run has no such response", SAME_COMMAND)
        if batch:
            yield self._drawn(batch)

    def _chats(self, prompts: Iterable[Row]) -> Iterator[_Chat]:
        places: dict[int, str] = {}
        for row in prompts:
            digest = short_hash(row.data["prompt_id"])
            if digest in places:
                raise row.fault(
                    f"the same prompt_id as {places[digest]}",
                    "give it an own prompt_id; for more responses use --samples",
                )
            places[digest] = row.where
            for index in range(self._options.samples):
                yield _Chat(row, index)

    def _take_over(self, chat: _Chat, old: Iterator[Row]) -> None:
        """Give the chat what the interrupted run had drawn of it."""
        for turn in range(1, self._strategy.turns + 1):
            row = next(old, None)
            if row is None:
                return
            expected = (chat.row.data["prompt_id"], chat.sample_index, turn)
            if response_key(row.data) != expected:
                raise row.fault(f"holds response {response_key(row.data)} where this run has {expected}", SAME_COMMAND)
            if any(row.data.get(key) != value for key, value in chat.row.data.items()):
                raise row.fault("drawn for another prompt than this run has in its place", SAME_COMMAND)
            for key, value in self._common.items():
                if row.data.get(key) != value:
                    raise row.fault(f"drawn with {key} {row.data.get(key)}, this run has {value}", SAME_COMMAND)
            chat.records.append(row.data)

    def _drawn(self, batch: list[_Chat]) -> list[Record]:
        """Draw what the chats of a batch lack, turn by turn; the answer is the new records in order."""
        known = [len(chat.records) for chat in batch]
        for turn in range(1, self._strategy.turns + 1):
            waiting = [chat for chat in batch if len(chat.records) < turn]
            requests = [self._request(chat, turn) for chat in waiting]
            for chat, draw in zip(waiting, self._draw(requests), strict=True):
                chat.records.append(self._record(chat, turn, draw))
        return [record for chat, n in zip(batch, known, strict=True) for record in chat.records[n:]]

    def _draw(self, requests: list[Request]) -> list[Draw]:
        return self._backend.draw(requests, self._options.decoding, self._on_tokens) if requests else []

    def _request(self, chat: _Chat, turn: int) -> Request:
        prompt = messages(chat.row.data["prompt"])
        key = (self._options.seed, chat.row.data["prompt_id"], chat.sample_index, turn)
        return Request.of(self._strategy.messages(prompt, chat.answers), key, self._options.prefill)

    def _record(self, chat: _Chat, turn: int, draw: Draw) -> Record:
        drawn: dict[str, Any] = {
            "response": draw.text,
            "sample_index": chat.sample_index,
            "turn": turn,
            **self._common,
            "finish_reason": draw.finish_reason,
            "n_tokens": draw.n_tokens,
            "logprob": draw.logprob,
        }
        return {**chat.row.data, **drawn}
