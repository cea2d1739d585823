"""Columns of tasks whose measures are about single items: one value an item, and no diversity."""

from __future__ import annotations

from collections.abc import Sequence

from ..jsonl import Record
from ..metrics.text import words
from .columns import Column
from .hooks import ItemMeasure
from .rows import Side
from .runs import Run
from .sides import every_record
from .task import Task
from .values import mean


def item_sides(task: Task, sides: Sequence[Run]) -> tuple[Side, Side | None]:
    """A run with its columns, alone or beside its baseline.

    Args:
        task: One that measures items.
        sides: The run, and the baseline where there is one.
    """
    made = [_side(task, run) for run in sides]
    return made[0], made[1] if len(made) > 1 else None


def _side(task: Task, run: Run) -> Side:
    of_length = [measure for measure in task.items if measure.role == "length"]
    telling = [r for r in every_record([run]) if any(measure.covers(r) for measure in of_length)]
    length = mean(len(words(record["response"])) for record in telling)
    columns = [_column(measure, run) for measure in task.items]
    return Side(run, columns, task.caveat, length or 0.0)


def _column(measure: ItemMeasure, run: Run) -> Column:
    covered = {p: records for p, records in run.responses.items() if measure.covers(records[0])}
    return Column(
        metric=measure.name,
        units={p: measure.value(records) for p, records in covered.items()},
        direction=measure.direction,
        definition=f"{measure.name}: {measure.definition}",
        role=measure.role,
        null=measure.null,
        used={p: len(records) for p, records in covered.items()},
        more={"unit": "item"},
    )


def item_facts(column: Column) -> Record:
    """What a row holds beside its numbers: items are not parsed."""
    return {"parse_rate_strict": None, "parse_rate": None, "comparable": column.comparable, **column.more}
