"""The first pass over responses in parts: what every row of a run depends on, counted without keeping a text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import orjson

from ..errors import InputError
from ..jsonl import Record, Row
from ..metrics.supplies import Sources
from ..metrics.text import words
from ..passes import Store
from ..sampling.settings import Wanted
from .cost import no_score
from .intake import Intake
from .judged import recorded
from .quality import score
from .sides import limit_of
from .sources import HEEDED
from .table import Frame
from .task import Task
from .tools import Tools

STATE = "eval.json"


class Survey:
    """The first pass over the responses to one task.

    Args:
        task: The task.
        keys: Scores of the records that are measures of quality.
        skip_bad: Leave records out that do not fit the others of their prompt, and count them.

    Attributes:
        prompts: How many there are.
        responses: Likewise; of the first turn, each once.
        usable: How many of them are usable.
        skipped: Records that were left out.
        notes: What a reader must know of the records.
    """

    def __init__(self, task: Task, keys: Sequence[str] = (), *, skip_bad: bool = False) -> None:
        self._task = task
        self._tools = Tools(Sources())
        self._taking = Taking(skip_bad)
        self._intake = self._taking.intake
        self._lengths: Counter[int] = Counter()
        self._numbers = dict.fromkeys(keys, False)
        self.prompts = self.responses = self.usable = 0
        # Whether every record has a rating, which may be null, and whether one is not.
        self._all_rated, self._one_rated = True, False

    @property
    def model(self) -> str:
        """The models that wrote the responses."""
        return ", ".join(self._intake.models)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of the records."""
        return tuple(self._intake.notes)

    @property
    def skipped(self) -> int:
        """How many records were left out."""
        return self._taking.skipped

    def read(self, group: list[Row]) -> None:
        """Take in the responses to one prompt.

        Raises:
            InputError: One response is there twice with different texts, or with another prompt.
        """
        records = self._taking.of(group)
        if not records:
            return
        readings = self._task.read(records, self._tools)
        self.prompts += 1
        self.responses += len(records)
        self._all_rated = self._all_rated and recorded(records, part=True) is not None
        self._one_rated = self._one_rated or recorded(records) is not None
        for key, there in self._numbers.items():
            self._numbers[key] = there or any(score(record, key) is not None for record in records)
        for record, reading in zip(records, readings, strict=True):
            self.usable += reading.usable
            if reading.usable:
                self._lengths[len(words(record["response"]))] += 1

    def frame(self, truncate: int | Literal["auto", "none"]) -> Frame:
        """What every row depends on.

        Args:
            truncate: As in `Measurer`.
        """
        return Frame(
            mixed=self.usable < self.responses,
            rarefied=self.usable,
            limit=limit_of(self._lengths) if truncate == "auto" else truncate,
            many=self.prompts >= self._task.published_prompts,
            some=self.usable > 0,
            rated=self._all_rated and self._one_rated,
        )

    def check(self, name: str) -> None:
        """Look at what all parts together must hold.

        Args:
            name: What the run is called.

        Raises:
            DivtoolError: No response of the first turn, or no record has a score that was asked for.
        """
        if not self.prompts:
            raise InputError(name, "no first-turn responses")
        for key, there in self._numbers.items():
            if not there:
                raise no_score(key, name)

    def keep(self, store: Store) -> None:
        """Write what was found."""
        own = self._intake
        met = {key: list(values) for key, values in own.wanted.met.items()}
        found = {
            "counts": [self.prompts, self.responses, self.usable, own.repeats, own.unread, own.turns, self.skipped],
            "lengths": list(self._lengths.items()),
            "rated": [self._all_rated, self._one_rated],
            "numbers": self._numbers,
            "models": list(own.models),
            "met": met,
        }
        with store.open(STATE, "wb") as stream:
            stream.write(orjson.dumps(found))

    def absorb(self, store: Store) -> None:
        """Add what another part has kept."""
        with store.open(STATE, "rb") as stream:
            found = orjson.loads(stream.read())
        prompts, responses, usable, repeats, unread, turns, skipped = found["counts"]
        self.prompts += prompts
        self.responses += responses
        self.usable += usable
        self._intake.repeats += repeats
        self._intake.unread += unread
        self._intake.turns += turns
        self._taking.skipped += skipped
        self._lengths.update(dict(found["lengths"]))
        every, one = found["rated"]
        self._all_rated, self._one_rated = self._all_rated and every, self._one_rated or one
        for key, there in found["numbers"].items():
            self._numbers[key] = self._numbers[key] or there
        self._intake.models |= dict.fromkeys(found["models"])
        for key, values in found["met"].items():
            self._intake.wanted.met.setdefault(key, {}).update(dict.fromkeys(values))


class Taking:
    """Takes the responses of one prompt after the other in.

    Args:
        skip_bad: Leave bad records out and count them.
    """

    def __init__(self, skip_bad: bool) -> None:
        self._skip_bad = skip_bad
        self.intake = Intake(Wanted(heeded=HEEDED))
        self.skipped = 0

    def of(self, group: Sequence[Row]) -> list[Record]:
        """The first-turn responses of a prompt by sample index; what is there only for this prompt is forgotten."""
        for row in group:
            try:
                self.intake.add(row)
            except InputError:
                if not self._skip_bad:
                    raise
                self.skipped += 1
        found = [record for own in self.intake.taken().values() for record in own]
        self.intake.forget()
        return found


def any_group(group: list[Row]) -> None:
    """The check of a prompt's records: the passes themselves look at them, as a response may be there twice."""
