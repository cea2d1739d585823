"""The measures of a run whose prompts are read in parts: no text is kept, eight bytes a metric and prompt are.

Two passes: the first finds out what every row depends on, such as how long texts are, the second computes the values
of each prompt with the table that measures a whole run too; counts of a whole run are added up. Rows that need all
texts in one place are left out.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import orjson

from ..errors import DivtoolError
from ..jsonl import Record, Row
from ..metrics.supplies import Supplies
from ..passes import Store
from .call import check_size
from .choice import own_measures
from .columns import Column
from .flat import Sizes
from .measure import Measured, Measurer
from .plan import MeasurePlan
from .pool_survey import STATE, Taking
from .pool_values import Tallied, Values, gathers, gathers_kept
from .rows import Side
from .runs import Run
from .sides import amount, size
from .table import Frame, Table, how_cut
from .values import mean

_AT_ONCE = 2000  # responses
_NUMBERS = "eval.npz"


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
        self._taking = Taking(skip_bad)
        self._held: dict[str, list[Record]] = {}
        self._names: list[str] = []
        self._sizes: list[array[int]] = []
        self._sides: list[list[Values | Tallied]] = []
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
            self._sides = [list(map(gathers, _in_parts(side))) for side in sides]
        names = list(self._held)
        for sizes, side, values in zip(self._sizes, sides, self._sides, strict=True):
            sizes.extend(len(side.run.responses[name]) for name in names)
            for column, own in zip(_in_parts(side), values, strict=True):
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
                numbers[f"{side}.{place}"] = own.numbers()
        with store.open(STATE, "wb") as stream:
            stream.write(orjson.dumps(found))
        with store.open(_NUMBERS, "wb") as stream:
            np.savez(stream, **numbers)

    def absorb(self, store: Store) -> None:
        """Add what another part has kept.

        Raises:
            DivtoolError: Its rows are others.
        """
        with store.open(STATE, "rb") as stream:
            found = orjson.loads(stream.read())
        if not found["names"]:
            return
        if not self._sides:
            self._sizes = [array("q") for _ in found["columns"]]
            self._sides = [list(map(gathers_kept, side)) for side in found["columns"]]
        with store.open(_NUMBERS, "rb") as stream:
            numbers = np.load(stream, allow_pickle=False)
            for side, (sizes, values) in enumerate(zip(self._sizes, self._sides, strict=True)):
                sizes.frombytes(numbers[f"{side}"].tobytes())
                for place, (own, facts) in enumerate(zip(values, found["columns"][side], strict=True)):
                    own.absorb(facts, numbers[f"{side}.{place}"])
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
        names = sorted(self._names)
        order = np.array(sorted(range(len(names)), key=self._names.__getitem__), dtype=np.int64)
        task = plan.task
        sides: list[Side] = []
        for number, (sizes, values) in enumerate(zip(self._sizes, self._sides, strict=True)):
            texts: Any = Sizes(names, np.array(sizes, dtype=np.int64)[order])
            run = Run(self._name, model, texts)
            cut = how_cut(self._frame.limit, self._left_out) if number else ""
            columns = [own.column(names, order, cut, task) for own in values]
            # The last column of whole texts is that of their lengths.
            mean_words = sides[0].mean_words if number else mean(columns[-1].units.values()) or 0.0
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


def of_parts(plan: MeasurePlan) -> MeasurePlan:
    """The plan without the metrics of the catalog that parts do not have: nothing is loaded or computed for them."""
    return replace(plan, metrics=[metric for metric in plan.metrics if metric.level != "run"])


def rows_left_out(plan: MeasurePlan) -> list[str]:
    """The rows that rest on all texts of a run together, which parts do not have."""
    catalog = [metric.name for metric in plan.metrics if metric.level == "run"]
    own = own_measures(plan.task, plan.metrics, plan.own)
    return [*catalog, *(metric.name for metric in own if metric.level == "run" and not metric.tally)]


def _in_parts(side: Side) -> list[Column]:
    """The columns that have a value a prompt, or counts that can be added up."""
    return [column for column in side.columns if column.level != "run" or column.tally is not None]
