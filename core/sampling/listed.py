"""All responses of a prompt from one answer that lists them: a baseline of arXiv 2412.03343."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from ..jsonl import Record, Row
from ..possibility.prompt import numbered
from ..records import Message
from .backend import Decoding, Draw
from .lists import list_items
from .run import Chat, Finished, Sampler
from .strategies import Strategy, StrategyOptions, shipped

_TRIES = 4
# A greedy answer comes out the same however often it is asked for.
_RETRY_TEMPERATURE = 0.75


class Listed(Strategy):
    """One chat a prompt, whose answer lists the responses; several chats where these must not depend on one another.

    Attributes:
        request: File below `prompts/` with the request that is put behind the prompt; `{n}` is the number of responses.
    """

    name = "list"
    runner = "sampling.listed:ListSampler"
    request = "possibility/list.txt"
    temperature = 0.0
    max_new_tokens = 1024
    whole = False

    def __init__(self, options: StrategyOptions) -> None:
        super().__init__(options)
        self.held = self.samples
        self._template = shipped(self.request)

    @classmethod
    def giving(cls, responses: int, *, parts: int = 1, seed: int, adapter: str | None) -> Self:
        """One list a part."""
        held = responses // parts
        made = cls(StrategyOptions(samples=held * parts, seed=seed, adapter=adapter))
        made.held = held
        return made

    def chats(self, samples: int) -> int:
        """One, or as many as the responses are to come from."""
        return samples // self.held

    def messages(self, prompt: list[Message], earlier: Sequence[str], marks: Record | None = None) -> list[Message]:
        """The prompt with the request for a list behind its last user message."""
        return numbered(prompt, self.held, self._template)


@dataclass(frozen=True, slots=True)
class Item:
    """One response of a list.

    Attributes:
        text: The response.
        keys: What its record says of it beside the usual.
    """

    text: str
    keys: Record = field(default_factory=dict)


@dataclass(slots=True)
class Answer:
    """The best answer to a prompt so far."""

    draw: Draw
    items: list[Item]
    tries: int


class ListSampler(Sampler):
    """Asks again, at most three times, where an answer does not list enough; then takes the answer that lists most.

    A greedy answer is asked for again at temperature 0.75. A record's `listed` says how many responses were asked for,
    how many were read, after how many tries, and how many tokens the answer has; a response has no number of tokens
    and no log-probability of its own.

    Attributes:
        kind: What the answers are called in the line about the parse rate.
    """

    kind = "lists"
    _read = _complete = 0

    @property
    def notes(self) -> list[str]:
        """The parse rate."""
        asked = self._strategy.held * self.drawn
        if not asked:
            return []
        return [
            f"{self.kind}: {self._complete:,} of {self.drawn:,} answers hold all {self._strategy.held} responses; "
            f"{self._read:,} of {asked:,} responses read (parse rate {self._read / asked:.0%})"
        ]

    def _take_over(self, chat: Chat, old: Finished) -> bool:
        prompt_id = chat.row.data["prompt_id"]
        places = range(chat.sample_index, chat.sample_index + self._strategy.held)
        while (row := old.peek()) is not None and _place(row, prompt_id) in places:
            self._check_finished(row, chat, (prompt_id, places[len(chat.records)], 1))
            chat.records.append(row.data)
            old.next()
        if not chat.records:
            # A chat without a record in front of one that has some: nothing of its list could be read.
            return row is not None
        read: int = chat.records[0].get("listed", {}).get("read", self._strategy.held)
        return len(chat.records) >= read

    def _drawn(self, batch: list[Chat]) -> list[Record]:
        best: dict[int, Answer] = {}
        for attempt in range(1, _TRIES + 1):
            waiting = [place for place in range(len(batch)) if not self._done(best.get(place))]
            draws = self._draw([batch[place] for place in waiting], attempt)
            for place, draw in zip(waiting, draws, strict=True):
                items = self._items(draw)
                before = best.get(place)
                kept = before if before and len(before.items) >= len(items) else Answer(draw, items, attempt)
                best[place] = replace(kept, tries=attempt)
        return [record for place, chat in enumerate(batch) for record in self._records(chat, best[place])]

    def _decoding(self, setting: int, turn: int) -> Decoding:
        usual = super()._decoding(setting, turn)
        return replace(usual, temperature=_RETRY_TEMPERATURE) if turn > 1 and usual.temperature == 0 else usual

    def _done(self, answer: Answer | None) -> bool:
        return answer is not None and (self._enough(answer) or answer.draw.refused)

    def _enough(self, answer: Answer) -> bool:
        return len(answer.items) == self._strategy.held

    def _items(self, draw: Draw) -> list[Item]:
        """The responses of an answer, in order, and no more than were asked for."""
        count = self._strategy.held
        return [Item(text) for text in list_items(draw.text, count, cut=draw.finish_reason == "length")[:count]]

    def _records(self, chat: Chat, answer: Answer) -> list[Record]:
        """The records that an interrupted run has not written."""
        self._read += len(answer.items)
        self._complete += self._enough(answer)
        listed = {
            "asked": self._strategy.held,
            "read": len(answer.items),
            "tries": answer.tries,
            "n_tokens": answer.draw.n_tokens,
        }
        made = []
        for place, item in enumerate(answer.items):
            own = replace(chat, sample_index=chat.sample_index + place)
            record = self._record(own, 1, Draw(item.text, 0, "stop", None))
            made.append(record | {"n_tokens": None, **item.keys, "listed": listed})
        return made[len(chat.records) :]


def _place(row: Row, prompt_id: str) -> int | None:
    """The sample index of a record, or None where it is another prompt's."""
    return row.data["sample_index"] if row.data["prompt_id"] == prompt_id else None
