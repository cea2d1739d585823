"""The responses and pairs that a reader can look through on the page: whole prompts, within a number of bytes."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice

import orjson

from ..jsonl import Record, short_hash
from ..metrics.text import words
from .text import as_mapping, as_name, as_number, as_text, clean

BYTES = 8_000_000  # of all texts and scores, as they stand in the page
TEXT_CHARACTERS = 3_000  # of a response
PROMPT_CHARACTERS = 1_500
RUN_ENTRIES = 250  # responses of one run to one prompt, and pairs of one prompt
SCORES = 40  # of a response
_ESCAPED = ("<", ">", "&")  # each takes six bytes in the page


@dataclass(frozen=True, slots=True)
class Text:
    """The beginning of a text, cleaned (which may change its length).

    Attributes:
        text: The beginning.
        characters: How many characters the whole text has.
        shown: How many of them are here.
    """

    text: str
    characters: int
    shown: int

    @classmethod
    def of(cls, whole: str, most: int = TEXT_CHARACTERS) -> Text:
        """At most so many characters of a text."""
        return cls(clean(whole[:most]), len(whole), min(most, len(whole)))

    @property
    def cost(self) -> int:
        """Bytes that it takes in the page."""
        return len(self.text.encode()) + 5 * sum(map(self.text.count, _ESCAPED)) + self.text.count("\n")


@dataclass(slots=True)
class Entry:
    """A response: sample index, turn and number, None where the record has none."""

    place: tuple[float | None, float | None, float | None]
    text: Text
    words: int
    cut: bool
    scores: dict[str, float]


@dataclass(frozen=True, slots=True)
class PairEntry:
    """A preference pair."""

    chosen: Text
    rejected: Text
    words: tuple[int, int]
    facts: dict[str, float]


@dataclass(slots=True)
class Kept:
    """A prompt with its responses by run, and its pairs."""

    order: int
    prompt: Text
    cost: int
    runs: dict[str, dict[object, Entry]] = field(default_factory=dict)
    pairs: list[PairEntry] = field(default_factory=list)


@dataclass(slots=True)
class Shelf:
    """A sample of prompts with all their responses and pairs.

    The prompts with the smallest hashes are kept, as many as fit: an arbitrary choice that does not look at the text,
    the same one in every file and order of files.

    Attributes:
        bytes: How much is kept at most.
        kept: By the hash of the prompt's id.
        prompts: Hashes of all prompts that came by.
        left_out: Responses and pairs of kept prompts beyond `RUN_ENTRIES`.
    """

    bytes: int = BYTES
    kept: dict[int, Kept] = field(default_factory=dict)
    prompts: set[int] = field(default_factory=set)
    left_out: Counter[str] = field(default_factory=Counter)
    _cost: int = 0
    _bound: int | None = None
    _largest: list[int] = field(default_factory=list)

    def response(self, record: Record, run: str) -> None:
        """Keep a response; a record that repeats one adds its scores."""
        found = self._prompt(record)
        if found is None:
            return
        entries = found.runs.setdefault(run, {})
        place = (_whole(record, "sample_index"), _whole(record, "turn"), _whole(record, "possibility"))
        key = place if place[0] is not None else len(entries)
        scores = _numbers(record.get("scores"))
        if key in entries:
            entries[key].scores.update(scores)
            self._pay(found, 12 * len(scores))
        elif len(entries) >= RUN_ENTRIES:
            self.left_out["response"] += 1
        else:
            whole = as_text(record.get("response"))
            cut = record.get("finish_reason") == "length"
            entries[key] = entry = Entry(place, Text.of(whole), len(words(whole)), cut, scores)
            self._pay(found, 60 + entry.text.cost + 12 * len(scores))

    def pair(self, record: Record) -> None:
        """Keep a preference pair."""
        found = self._prompt(record)
        if found is None:
            return
        if len(found.pairs) >= RUN_ENTRIES:
            self.left_out["pair"] += 1
            return
        chosen, rejected = as_text(record["chosen"]), as_text(record["rejected"])
        facts = {name: value for name in ("gap", "weight") if (value := as_number(record.get(name))) is not None}
        lengths = (len(words(chosen)), len(words(rejected)))
        pair = PairEntry(Text.of(chosen), Text.of(rejected), lengths, facts)
        found.pairs.append(pair)
        self._pay(found, 80 + pair.chosen.cost + pair.rejected.cost)

    def _prompt(self, record: Record) -> Kept | None:
        """The prompt of a record where it belongs to the sample."""
        number = short_hash(record.get("prompt_id", record.get("prompt")))
        self.prompts.add(number)
        if self._bound is not None and number >= self._bound:
            return None
        if number not in self.kept:
            prompt = Text.of(as_text(record.get("prompt")), PROMPT_CHARACTERS)
            self.kept[number] = Kept(len(self.prompts), prompt, 0)
            heapq.heappush(self._largest, -number)
            self._pay(self.kept[number], 60 + prompt.cost)
        return self.kept.get(number)

    def _pay(self, kept: Kept, cost: int) -> None:
        kept.cost += cost
        self._cost += cost
        while self._cost > self.bytes and len(self.kept) > 1:
            self._bound = -heapq.heappop(self._largest)
            self._cost -= self.kept.pop(self._bound).cost


def _whole(record: Record, key: str) -> float | None:
    return as_number(record.get(key))


def _numbers(scores: object) -> dict[str, float]:
    """Scores that are numbers, four digits each."""
    known = ((as_name(name), as_number(value)) for name, value in islice(as_mapping(scores).items(), SCORES))
    return {name: float(f"{value:.4g}") for name, value in known if value is not None}


def as_script_data(value: object) -> str:
    """A JSON value that may stand inside a script element: no character of it can end or open one."""
    text = orjson.dumps(value).decode()
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
