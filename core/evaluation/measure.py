"""Measures of runs: each metric by prompt, then its mean, its interval, and what it changed from the baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ..jsonl import Record
from ..metrics.decile_map import DecileMap
from ..metrics.definition import Setup
from ..metrics.registry import Metric
from ..metrics.supplies import Supplies
from .columns import Column
from .groups import Feed
from .items import item_facts, item_sides
from .quality import Quality
from .references import base_of, human_beside
from .rows import Side, UnitValues, adjusted, rows, unit_values
from .runs import Run
from .sides import blocked, paired, unblocked
from .table import Table
from .task import Task
from .tools import Tools

_WHOLE = "blocks would cut through chats, whose responses depend on each other: no interval"
Truncation = int | Literal["auto", "none"]


@dataclass(frozen=True, slots=True)
class Measured:
    """Measure records, each with the numbers behind it.

    Attributes:
        records: As in the contract, in the order of runs and metrics.
        units: In the same order, the values by unit.
        error: Why some rows are null that could have been measured; None where there are none.
    """

    records: list[Record] = field(default_factory=list)
    units: list[UnitValues] = field(default_factory=list)
    error: Exception | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurer:
    """Measures runs of one task.

    Attributes:
        task: What is usable, and which metric is the headline.
        metrics: What to compute.
        supplies: Encoders and other sources of features, opened.
        setup: Their names, for the definitions.
        feeds: Features that are streamed from a model, for metrics of whole runs.
        deciles: A map for rows of Diversity Deciles, or None; the supplies cover its metrics too.
        truncate: How many words the truncated twins keep: a number, "auto" or "none".
        seed: For resampling.
        tools: Vectors of phrases and words for the task's own metrics; None opens the embedder of the setup for them.
        margins: Largest losses of quality that count as none, where they differ from the usual ones.
        own: The task's own metrics that the user named; None where none is named.
        quality: What measures of quality beside the usable rate are made of.
    """

    task: Task
    metrics: Sequence[Metric]
    supplies: Supplies
    setup: Setup = field(default_factory=Setup)
    feeds: Mapping[str, Feed] = field(default_factory=dict)
    deciles: DecileMap | None = None
    truncate: Truncation = "auto"
    seed: int = 0
    tools: Tools | None = None
    margins: Mapping[str, float] = field(default_factory=dict)
    own: frozenset[str] | None = None
    quality: Quality = field(default_factory=Quality)

    def measure(self, runs: Sequence[Run], baseline: Run | None, *, references: bool = False) -> list[Record]:
        """The records of `measured`."""
        return self.measured(runs, baseline, references=references).records

    def measured(
        self,
        runs: Sequence[Run],
        baseline: Run | None,
        *,
        references: bool = False,
        human: Run | None = None,
        points: Sequence[Run] = (),
    ) -> Measured:
        """Measure records as in the contract, in the order of runs and metrics, and what stands behind them.

        Metrics of sets and some of single responses stand there for whole texts and, named `_trunc`, for texts cut to
        one number of words. P-values are adjusted over the headline rows of the call.

        Args:
            runs: What to measure; the baseline's own rows come out as well when it is among them.
            baseline: What to compare with, or None.
            references: Add the headline of made runs: of one response over and over, and of unrelated responses. They
                are made from the baseline, else from the first run.
            human: Responses by humans, for rows of the same kind; their `matched_value` is that of the run which
                references are made from, on the same prompts with as many responses.
            points: Runs that are placed beside the others and compared with nothing: their headline, quality and
                length, as reference rows at the end. They change no other row.

        Raises:
            InputError: A run and the baseline share no prompt.
        """
        pairs = paired(runs, baseline)
        if self.task.items:
            compared = [item_sides(self.task, sides) for sides in pairs]
            return self.recorded(compared, lambda record, side, column: item_facts(column))
        base = base_of(pairs, compared=baseline is not None)
        people = human_beside(human, pairs[base][-1], self.seed) if human is not None else ()
        whole: set[str] = set()
        if self.task.unit == "block":
            people = tuple(blocked(people)) if people else ()
            split = [blocked(sides) for sides in pairs]
            whole = {two[0].name for sides, two in zip(pairs, split, strict=True) if unblocked(sides, two)}
            pairs = split
            points = [blocked([point])[0] for point in points]
        table = Table(self, pairs, [*points, *people[:1]])
        compared = [two for sides in pairs for two in table.compared(sides)]
        if references:
            compared += [(side, None) for side in table.references(pairs[base][-1])]
        if people:
            compared.append((table.human(*people), None))
        compared += [(table.point(run), None) for run in points]
        measured = replace(self.recorded(compared, table.facts), error=table.error)
        for record in measured.records:
            if record["run"] in whole and record["unit"] == "block":
                record["note"] = "; ".join(filter(None, (record["note"], _WHOLE)))
        return measured

    def recorded(
        self, compared: Sequence[tuple[Side, Side | None]], facts: Callable[[Record, Side, Column], Record]
    ) -> Measured:
        """Measure records of columns.

        Args:
            compared: Each side, alone or beside its baseline's.
            facts: What a row holds beside its numbers.
        """
        records = rows(self.task.name, compared, seed=self.seed, margins=self.margins)
        columns = [(side, column) for side, _ in compared for column in side.columns]
        for record, (side, column) in zip(records, columns, strict=True):
            record |= facts(record, side, column)
        return Measured(adjusted(records), unit_values(compared))
