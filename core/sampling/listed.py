"""All responses of a prompt from one answer that lists them: a baseline of arXiv 2412.03343."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources

from ..jsonl import Record
from ..possibility.prompt import numbered
from ..records import Message
from .backend import Draw
from .lists import list_items
from .run import Chat, Finished, Sampler
from .strategies import Strategy, StrategyOptions

_TRIES = 4
# A greedy answer comes out the same however often it is asked for.
_RETRY_TEMPERATURE = 0.75


class Listed(Strategy):
    """One chat a prompt, whose answer lists the responses."""

    name = "list"
    runner = "sampling.listed:ListSampler"
    temperature = 0.0
    max_new_tokens = 1024

    def __init__(self, options: StrategyOptions) -> None:
        super().__init__(options)
        text = resources.files("divtool.prompts").joinpath("possibility", "list.txt").read_text(encoding="utf-8")
        self._template = text.strip()

    def chats(self, samples: int) -> int:
        """One."""
        return 1

    def messages(self, prompt: list[Message], earlier: Sequence[str], number: int | None = None) -> list[Message]:
        """The prompt with the request for a list behind its last user message."""
        return numbered(prompt, self.samples, self._template)


@dataclass(slots=True)
class _Answer:
    """The best answer to a prompt so far."""

    draw: Draw
    items: list[str]
    tries: int


class ListSampler(Sampler):
    """Asks again, at most three times, where an answer does not list enough; then takes the answer that lists most.

    A greedy answer is asked for again at temperature 0.75. A record's `listed` says how many responses were asked for,
    how many were read, after how many tries, and how many tokens the answer has; a response has no number of tokens
    and no log-probability of its own.
    """

    _read = _complete = 0

    @property
    def notes(self) -> list[str]:
        """The parse rate."""
        asked = self._options.samples * self.drawn
        if not asked:
            return []
        return [
            f"lists: {self._complete:,} of {self.drawn:,} answers hold all {self._options.samples} responses; "
            f"{self._read:,} of {asked:,} responses read (parse rate {self._read / asked:.0%})"
        ]

    def _take_over(self, chat: Chat, old: Finished) -> bool:
        prompt_id = chat.row.data["prompt_id"]
        while (row := old.peek()) is not None and row.data["prompt_id"] == prompt_id:
            self._check_finished(row, chat, (prompt_id, len(chat.records), 1))
            chat.records.append(row.data)
            old.next()
        if not chat.records:
            # A prompt without a record in front of one that has some: nothing of its list could be read.
            return row is not None
        read: int = chat.records[0].get("listed", {}).get("read", self._options.samples)
        return len(chat.records) >= read

    def _drawn(self, batch: list[Chat]) -> list[Record]:
        best: dict[int, _Answer] = {}
        for attempt in range(1, _TRIES + 1):
            waiting = [place for place in range(len(batch)) if not self._enough(best.get(place))]
            decoding = self._options.decoding
            if attempt > 1 and decoding.temperature == 0:
                decoding = replace(decoding, temperature=_RETRY_TEMPERATURE)
            requests = [self._request(batch[place], attempt) for place in waiting]
            draws = self._backend.draw(requests, decoding, self._on_tokens) if requests else []
            for place, draw in zip(waiting, draws, strict=True):
                items = self._items(draw)
                before = best.get(place)
                kept = before if before and len(before.items) >= len(items) else _Answer(draw, items, attempt)
                best[place] = replace(kept, tries=attempt)
        return [record for place, chat in enumerate(batch) for record in self._records(chat, best[place])]

    def _enough(self, answer: _Answer | None) -> bool:
        return answer is not None and len(answer.items) == self._options.samples

    def _items(self, draw: Draw) -> list[str]:
        count = self._options.samples
        return list_items(draw.text, count, cut=draw.finish_reason == "length")[:count]

    def _records(self, chat: Chat, answer: _Answer) -> list[Record]:
        """The records that an interrupted run has not written."""
        self._read += len(answer.items)
        self._complete += self._enough(answer)
        listed = {
            "asked": self._options.samples,
            "read": len(answer.items),
            "tries": answer.tries,
            "n_tokens": answer.draw.n_tokens,
        }
        made = []
        for index, item in enumerate(answer.items):
            chat.sample_index = index
            record = self._record(chat, 1, Draw(item, 0, "stop", None))
            made.append(record | {"n_tokens": None, "listed": listed})
        return made[len(chat.records) :]
