"""The `sample` stage: prompts in, response records out, in order, from any backend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any

from ..jsonl import Record, Row
from ..records import messages, response_key
from ..resume import SAME_COMMAND
from .backend import Backend, Decoding, Draw, Request, ignore_tokens
from .cleaning import Clean, cleaned
from .overlap import Overlap, Waiting
from .shard import Shard
from .strategies import Strategy

_BATCH = 64  # chats at a time, for a backend that draws them by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleOptions:
    """How much to draw, and how.

    Attributes:
        samples: Chats a prompt, at each setting of the decoding.
        seed: Fixes every draw, with the prompt's id, the sample index and the turn.
        batch_size: Responses drawn together; changes speed and memory, not the draws; None suits the backend.
        decoding: Temperature and truncation.
        further: Other settings that every prompt is asked at too.
        prefill: How every response begins; counted as part of it, and not drawn.
        clean: Name of the clean-up of every response, or None; the raw text is kept in `response_raw`.
        gaps: What the backend refuses is left out, also of the records that an interrupted run has left.
        shard: Which of the prompts are drawn.
    """

    samples: int = 4
    seed: int = 0
    batch_size: int | None = None
    decoding: Decoding = field(default_factory=Decoding)
    further: tuple[Decoding, ...] = ()
    prefill: str = ""
    clean: Clean | None = None
    gaps: bool = False
    shard: Shard = field(default_factory=Shard)


@dataclass(slots=True)
class Chat:
    """One (prompt, sample index) and the records of its turns so far.

    Attributes:
        row: The prompt.
        sample_index: Which of its chats; those of the second setting of the decoding follow those of the first.
        setting: Place of its decoding among the settings.
        marks: What tells it from the others, for the strategy and the records.
        records: One a turn.
    """

    row: Row
    sample_index: int
    setting: int = 0
    marks: Record = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)

    @property
    def answers(self) -> list[str]:
        """What the model has said."""
        return [record["response_raw" if "response_raw" in record else "response"] for record in self.records]


class Sampler:
    """Draws responses batch by batch.

    Args:
        backend: Where responses come from.
        strategy: How a prompt becomes chats.
        options: Numbers, seed, decoding.
        on_tokens: Hears of tokens as they come.

    Attributes:
        drawn: Chats drawn so far, without those of an interrupted run.
        taken: Chats of an interrupted run, which are not drawn again.
        gaps: Chats that an interrupted run has left out, in part or all, and that stay so.
    """

    def __init__(
        self,
        backend: Backend,
        strategy: Strategy,
        options: SampleOptions,
        on_tokens: Callable[[int], None] = ignore_tokens,
    ) -> None:
        self._overlap: Overlap | None = None
        if isinstance(backend, Waiting):
            each = min(strategy.chats(options.samples), options.batch_size or _BATCH)
            self._overlap = Overlap(backend, backend, each, options.batch_size)
        self._backend: Backend = self._overlap or backend
        self._batch_size = options.batch_size or _BATCH
        self._strategy = strategy
        self._options = options
        self._on_tokens = on_tokens
        self.drawn = self.taken = self.gaps = 0
        self._settings = (options.decoding, *options.further)
        own = {"prefill": options.prefill, "clean": options.clean}
        added = {**strategy.params, **{name: value for name, value in own.items() if value}}
        self._common = [
            {"model": backend.name, "seed": options.seed, "params": decoding.params(strategy.name) | added}
            for decoding in self._settings
        ]

    @property
    def notes(self) -> list[str]:
        """What there is to say at the end."""
        return []

    def run(self, prompts: Iterable[Row], finished: Iterable[Row] = ()) -> Iterator[list[Record]]:
        """The records of each batch, in the order (prompt, sample index, turn).

        Args:
            prompts: Checked prompt records, those of other shards included.
            finished: The records that an interrupted run has left, in order; they are not drawn again.

        Raises:
            InputError: Two prompts with one `prompt_id`; or the finished records come from other prompts or settings.
        """
        batches = self._batches(prompts, Finished(finished))
        drawn = ((batch, self._drawn(batch)) for batch in batches)
        for batch, records in self._overlap.map(self._drawn, batches) if self._overlap else drawn:
            self.drawn += len(batch)
            yield records

    def _batches(self, prompts: Iterable[Row], old: Finished) -> Iterator[list[Chat]]:
        """The chats that are to be drawn."""
        batch: list[Chat] = []
        for chat in self._chats(prompts):
            if self._take_over(chat, old):
                self.taken += 1
            else:
                batch.append(chat)
            if self._full(batch, chat):
                yield batch
                batch = []
        extra = old.next()
        if extra is not None:
            raise extra.fault("this run has no such response", SAME_COMMAND)
        if batch:
            yield batch

    def _full(self, batch: list[Chat], last: Chat) -> bool:
        if self._overlap is None:
            return len(batch) == self._batch_size * len(self._settings)
        # Batches that overlap are those of one prompt at one setting, since each is asked about by itself.
        samples = self._options.samples
        ends = last.sample_index == last.setting * samples + (self._strategy.chats(samples) - 1) * self._strategy.held
        return bool(batch) and (ends or len(batch) == self._batch_size)

    def _chats(self, prompts: Iterable[Row]) -> Iterator[Chat]:
        samples = self._options.samples
        for row in self._options.shard.rows(prompts):
            for setting, index in product(range(len(self._settings)), range(self._strategy.chats(samples))):
                place = setting * samples + index * self._strategy.held
                yield Chat(row, place, setting, self._strategy.marks(row, index))

    def _take_over(self, chat: Chat, old: Finished) -> bool:
        """Give the chat what the interrupted run had drawn of it; the answer is whether that is all of it."""
        for turn in range(1, self._strategy.turns + 1):
            row, key = old.peek(), (chat.row.data["prompt_id"], chat.sample_index, turn)
            if row is None:
                return False
            if self._options.gaps and response_key(row.data) != key:
                self.gaps += 1
                return True
            self._check_finished(row, chat, key)
            chat.records.append(row.data)
            old.next()
        return True

    def _check_finished(self, row: Row, chat: Chat, expected: tuple[str, int, int]) -> None:
        """Raise `InputError` unless a finished record is what this run would put in its place."""
        if response_key(row.data) != expected:
            raise row.fault(f"holds response {response_key(row.data)} where this run has {expected}", SAME_COMMAND)
        if any(row.data.get(key) != value for key, value in chat.row.data.items() if key not in chat.marks):
            raise row.fault("drawn for another prompt than this run has in its place", SAME_COMMAND)
        for key, value in {**self._common[chat.setting], **chat.marks}.items():
            if row.data.get(key) != value:
                raise row.fault(f"drawn with {key} {row.data.get(key)}, this run has {value}", SAME_COMMAND)

    def _drawn(self, batch: list[Chat]) -> list[Record]:
        """Draw what the chats of a batch lack, turn by turn; the answer is the new records in order."""
        known = [len(chat.records) for chat in batch]
        for turn in range(1, self._strategy.turns + 1):
            waiting = [chat for chat in batch if len(chat.records) == turn - 1]
            for chat, draw in zip(waiting, self._draw(waiting, turn), strict=True):
                if not draw.refused:
                    chat.records.append(self._record(chat, turn, draw))
        return [record for chat, n in zip(batch, known, strict=True) for record in chat.records[n:]]

    def _draw(self, chats: Sequence[Chat], turn: int) -> list[Draw]:
        """One draw a chat, in order; the chats of each setting are drawn together."""
        drawn: dict[int, Draw] = {}
        for setting in range(len(self._settings)):
            own = [place for place, chat in enumerate(chats) if chat.setting == setting]
            for start in range(0, len(own), self._batch_size):
                part = own[start : start + self._batch_size]
                requests = [self._request(chats[place], turn) for place in part]
                draws = self._backend.draw(requests, self._decoding(setting, turn), self._on_tokens)
                drawn.update(zip(part, draws, strict=True))
        return [drawn[place] for place in range(len(chats))]

    def _decoding(self, setting: int, turn: int) -> Decoding:
        return self._settings[setting]

    def _request(self, chat: Chat, turn: int) -> Request:
        prompt = messages(chat.row.data["prompt"])
        key = (self._options.seed, chat.row.data["prompt_id"], chat.sample_index, turn)
        asked = self._strategy.messages(prompt, chat.answers, chat.marks)
        return Request.of(asked, key, self._options.prefill)

    def _record(self, chat: Chat, turn: int, draw: Draw) -> Record:
        drawn: dict[str, Any] = {
            **self._text(draw.text),
            "sample_index": chat.sample_index,
            "turn": turn,
            **chat.marks,
            **self._common[chat.setting],
            "finish_reason": draw.finish_reason,
            "n_tokens": self._length(draw),
            "logprob": draw.logprob,
        }
        return {**chat.row.data, **drawn}

    def _length(self, draw: Draw) -> int | None:
        """Tokens, with the one that ends the turn where the strategy counts it."""
        return draw.n_tokens if draw.n_tokens is None or self._strategy.counts_end else draw.n_tokens - draw.n_end

    def _text(self, text: str) -> Record:
        """The response, and what it was before the clean-up."""
        if self._options.clean is None:
            return {"response": text}
        return {"response": cleaned(text, self._options.clean), "response_raw": text}


class Finished:
    """The records of an interrupted run, one after the other."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = iter(rows)
        self._waiting: list[Row] = []

    def peek(self) -> Row | None:
        """The next record, which stays the next one; None at the end."""
        if not self._waiting:
            self._waiting.extend(islice(self._rows, 1))
        return self._waiting[0] if self._waiting else None

    def next(self) -> Row | None:
        """The next record, or None at the end."""
        return self._waiting.pop() if self.peek() is not None else None
