"""The measures of a run whose prompts are read in parts: no text is kept, eight bytes a metric and prompt are.

Two passes: the first finds out what every row depends on, such as how long texts are, the second computes the values
of each prompt with the table that measures a whole run too. Rows that need all texts in one place are left out.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from ..errors import DivtoolError, InputError
from ..jsonl import Record, Row
from ..metrics.supplies import Sources, Supplies
from ..metrics.text import words
from ..passes import Store
from ..sampling.settings import Wanted
from .call import check_size
from .columns import Column
from .cost import no_score
from .intake import Intake
from .judged import recorded
from .judged_columns import reliability
from .measure import Measured, Measurer
from .plan import MeasurePlan
from .quality import score
from .rows import Side
from .runs import Run
from .sides import amount, limit_of, size
from .sources import SWEPT
from .table import Frame, Table, how_cut
from .task import Task
from .tools import Tools

Floats = NDArray[np.float64]
_AT_ONCE = 2000  # responses
_STATE, _NUMBERS = "eval.json", "eval.npz"


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
        self._taking = _Taking(skip_bad)
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
        met = {key: list(values) for key, values in self._intake.wanted.met.items()}
        found = {
            "counts": [self.prompts, self.responses, self.usable, self._intake.repeats, self.skipped],
            "lengths": list(self._lengths.items()),
            "rated": [self._all_rated, self._one_rated],
            "numbers": self._numbers,
            "models": list(self._intake.models),
            "met": met,
        }
        with store.open(_STATE, "wb") as stream:
            stream.write(orjson.dumps(found))

    def absorb(self, store: Store) -> None:
        """Add what another part has kept."""
        with store.open(_STATE, "rb") as stream:
            found = orjson.loads(stream.read())
        prompts, responses, usable, repeats, skipped = found["counts"]
        self.prompts += prompts
        self.responses += responses
        self.usable += usable
        self._intake.repeats += repeats
        self._taking.skipped += skipped
        self._lengths.update(dict(found["lengths"]))
        every, one = found["rated"]
        self._all_rated, self._one_rated = self._all_rated and every, self._one_rated or one
        for key, there in found["numbers"].items():
            self._numbers[key] = self._numbers[key] or there
        self._intake.models |= dict.fromkeys(found["models"])
        for key, values in found["met"].items():
            self._intake.wanted.met.setdefault(key, {}).update(dict.fromkeys(values))


class _Taking:
    """Takes the responses of one prompt after the other in.

    Args:
        skip_bad: Leave bad records out and count them.
    """

    def __init__(self, skip_bad: bool) -> None:
        self._skip_bad = skip_bad
        self.intake = Intake(Wanted(heeded=SWEPT))
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
        found = [own[key] for own in self.intake.groups.values() for key in sorted(own)]
        self.intake.forget()
        return found


def any_group(group: list[Row]) -> None:
    """The check of a prompt's records: the passes themselves look at them, as a response may be there twice."""


class Findings:
    """The second pass: the values of each prompt.

    Args:
        opened: Opens what measures, once a pass.
        name: What the run is called.
        frame: What every row depends on.
        skip_bad: As in `Survey`.
    """

    def __init__(self, opened: Callable[[], Measurer], name: str, frame: Frame, *, skip_bad: bool = False) -> None:
        self._opened, self._name, self._frame = opened, name, frame
        self._measurer: Measurer | None = None
        self._taking = _Taking(skip_bad)
        self._held: dict[str, list[Record]] = {}
        self._names: list[str] = []
        self._sizes: list[array[int]] = []
        self._sides: list[list[_Values]] = []
        self._strict = self._read = self._empty = self._left_out = 0

    def read(self, group: list[Row]) -> None:
        """Take in the responses to one prompt.

        Raises:
            DivtoolError: A model cannot be loaded, or does not fit.
        """
        records = self._taking.of(group)
        if records:
            self._held[records[0]["prompt_id"]] = records
        if sum(map(len, self._held.values())) >= _AT_ONCE:
            self._measure()

    def _measure(self) -> None:
        """Values of the prompts that are held."""
        if not self._held:
            return
        measurer = self._measurer = self._measurer or self._opened()
        run = Run(self._name, "", self._held)
        table = Table(measurer, [[run]], (), self._frame)
        sides = [side for side, _ in table.compared([run])]
        readings = table.read(run)
        self._strict += sum(reading.strict for reading in readings)
        self._read += sum(reading.value is not None for reading in readings)
        self._empty += sides[0].empty
        self._left_out += sum(reading.usable for reading in readings) - (size(sides[1].run) if len(sides) > 1 else 0)
        if not self._sides:
            self._sizes = [array("q") for _ in sides]
            self._sides = [[_Values(column) for column in _of_prompts(side)] for side in sides]
        names = list(self._held)
        for sizes, side, values in zip(self._sizes, sides, self._sides, strict=True):
            sizes.extend(len(side.run.responses[name]) for name in names)
            for column, own in zip(_of_prompts(side), values, strict=True):
                own.add(column, names)
        self._names += names
        self._held = {}

    def keep(self, store: Store) -> None:
        """Write what was found."""
        self._measure()
        found = {
            "names": self._names,
            "counts": [self._strict, self._read, self._empty, self._left_out],
            "columns": [[own.facts() for own in side] for side in self._sides],
        }
        numbers: dict[str, Any] = {}
        for side, (sizes, values) in enumerate(zip(self._sizes, self._sides, strict=True)):
            numbers[f"{side}"] = np.array(sizes, dtype=np.int64)
            for place, own in enumerate(values):
                numbers[f"{side}.{place}"], numbers[f"{side}.{place}.used"] = own.numbers()
        with store.open(_STATE, "wb") as stream:
            stream.write(orjson.dumps(found))
        with store.open(_NUMBERS, "wb") as stream:
            np.savez(stream, **numbers)

    def absorb(self, store: Store) -> None:
        """Add what another part has kept.

        Raises:
            DivtoolError: Its rows are others.
        """
        with store.open(_STATE, "rb") as stream:
            found = orjson.loads(stream.read())
        if not found["names"]:
            return
        if not self._sides:
            self._sizes = [array("q") for _ in found["columns"]]
            self._sides = [[_Values.of(facts) for facts in side] for side in found["columns"]]
        with store.open(_NUMBERS, "rb") as stream:
            numbers = np.load(stream, allow_pickle=False)
            for side, (sizes, values) in enumerate(zip(self._sizes, self._sides, strict=True)):
                sizes.frombytes(numbers[f"{side}"].tobytes())
                for place, (own, facts) in enumerate(zip(values, found["columns"][side], strict=True)):
                    own.absorb(facts, numbers[f"{side}.{place}"], numbers[f"{side}.{place}.used"])
        self._names += found["names"]
        strict, read, empty, left_out = found["counts"]
        self._strict, self._read = self._strict + strict, self._read + read
        self._empty, self._left_out = self._empty + empty, self._left_out + left_out

    def measured(self, plan: MeasurePlan, model: str, notes: Sequence[str]) -> Measured:
        """Measure records, as `Measurer.measured` makes them.

        Args:
            plan: What was measured.
            model: The models that wrote the responses.
            notes: What a reader must know of the records.

        Raises:
            DivtoolError: There is nothing to measure.
        """
        if not self._sides:
            raise DivtoolError(f"{self._name}: no first-turn responses")
        order = sorted(range(len(self._names)), key=self._names.__getitem__)
        names = [self._names[place] for place in order]
        index = {name: place for place, name in enumerate(names)}
        task, sides = plan.task, []
        mean_words = 0.0
        for number, (sizes, values) in enumerate(zip(self._sizes, self._sides, strict=True)):
            texts: Any = {name: _Sized(sizes[place]) for name, place in zip(names, order, strict=True)}
            run = Run(self._name, model, texts)
            cut = f"; {how_cut(self._frame.limit, self._left_out)}" if number else ""
            columns = [own.column(index, order, cut) for own in values]
            if not number:
                lengths = [own for own in columns[-1].units.values() if own is not None]
                mean_words = sum(lengths) / len(lengths) if lengths else 0.0
            sides.append(Side(run, columns, amount(run, 0 if number else self._empty, task.unit), mean_words))
        measurer = Measurer(task=task, metrics=(), supplies=Supplies(), seed=plan.seed, margins=plan.margins)
        measured = measurer.recorded([(side, None) for side in sides], self._facts(sides[0]))
        check_size([sides[0].run], None, measured.records)
        for record in measured.records:
            record["note"] = "; ".join(filter(None, (record["note"], *notes, task.note)))
        return measured

    def _facts(self, whole: Side) -> Callable[[Record, Side, Column], Record]:
        """What a row holds beside its numbers."""
        every = size(whole.run)
        rates = {"parse_rate_strict": self._strict / every, "parse_rate": self._read / every}
        return lambda record, side, column: {**rates, "comparable": column.comparable, **column.more}


def rows_left_out(plan: MeasurePlan) -> list[str]:
    """The rows of a whole run together, which parts do not have."""
    catalog = [metric.name for metric in plan.metrics if metric.level == "run"]
    return [*catalog, *(metric.name for metric in plan.task.own if metric.level == "run")]


def _of_prompts(side: Side) -> list[Column]:
    """The columns that have a value a prompt."""
    return [column for column in side.columns if column.level != "run"]


class _Sized(Sequence[Any]):
    """So many responses whose texts are not here."""

    __slots__ = ("_size",)

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, place: Any) -> Any:
        raise IndexError(place)


class _Values:
    """A column without a prompt's name in it: values in the order in which prompts come."""

    def __init__(self, column: Column) -> None:
        self._column = replace(column, units={}, used=None)
        self._votes = Counter[str]()
        self._uses = column.used is not None
        self._units, self._used = array("d"), array("q")
        self._of = 0

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> _Values:
        """An empty one of the column that was kept."""
        found = cls(Column(units={}, **facts["column"]))
        found._uses = facts["uses"]
        return found

    def add(self, column: Column, names: Sequence[str]) -> None:
        """Add the values of some prompts."""
        self._check(column.metric)
        self._units.extend(np.nan if (value := column.units[name]) is None else value for name in names)
        if column.used is not None:
            self._used.extend(column.used.get(name, 0) for name in names)
        self._of += column.of
        self._vote(column.votes)

    def absorb(self, facts: Mapping[str, Any], units: Floats, used: NDArray[np.int64]) -> None:
        """Add what was kept."""
        self._check(facts["column"]["metric"])
        self._units.frombytes(units.tobytes())
        self._used.frombytes(used.tobytes())
        self._of += facts["of"]
        self._vote(facts["votes"])

    def _vote(self, votes: Sequence[int] | None) -> None:
        if votes is not None:
            self._votes.update(unread=votes[0], answers=votes[1])

    def _check(self, metric: str) -> None:
        if metric != self._column.metric:
            raise DivtoolError(f"one part has the row {metric} where another has {self._column.metric}")

    def facts(self) -> dict[str, Any]:
        """What it is, as JSON values."""
        kept = ("metric", "direction", "definition", "role", "level", "null", "comparable", "of_words", "more", "note")
        column = {name: getattr(self._column, name) for name in kept}
        votes = [self._votes["unread"], self._votes["answers"]] if self._votes else None
        return {"column": column, "uses": self._uses, "of": self._of, "votes": votes}

    def numbers(self) -> tuple[Floats, NDArray[np.int64]]:
        """Its values, and how many responses each rests on."""
        return np.array(self._units, dtype=np.float64), np.array(self._used, dtype=np.int64)

    def column(self, index: Mapping[str, int], order: Sequence[int], cut: str) -> Column:
        """The column of all prompts.

        Args:
            index: Their places in the order of their names.
            order: At each of these places, which prompt it is here.
            cut: How texts were cut, in place of what its parts say of it.
        """
        units, used = self.numbers()
        null_share = (self._of - int(used.sum())) / self._of if self._of else None
        more = dict(self._column.more)
        if "null_share" in more:
            more["null_share"], null_share = null_share, None
        definition = self._column.definition
        if cut:
            definition = definition[: definition.rindex("; texts cut to ")] + cut
        return replace(
            self._column,
            units=_Named(index, units[order]),
            used=_Counted(index, used[order]) if self._uses else None,
            null_share=null_share if self._of else None,
            of=self._of,
            more=more,
            definition=definition,
            note=reliability(self._votes["unread"], self._votes["answers"]) if self._votes else self._column.note,
        )


class _Named(Mapping[str, float | None]):
    """Values by prompt, eight bytes each."""

    def __init__(self, index: Mapping[str, int], values: Floats) -> None:
        self._index, self._values = index, values

    def __getitem__(self, name: str) -> float | None:
        value = float(self._values[self._index[name]])
        return None if value != value else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)


class _Counted(Mapping[str, int]):
    """Counts by prompt, likewise."""

    def __init__(self, index: Mapping[str, int], values: NDArray[np.int64]) -> None:
        self._index, self._values = index, values

    def __getitem__(self, name: str) -> int:
        return int(self._values[self._index[name]])

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)
