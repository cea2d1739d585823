"""Where the runs of a task stand: its headline, its quality and its length, a row a run."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from ..evaluation.frontier import MATCHED
from .measures import Measure
from .unit_series import MOST, TWIN

_SETTING = re.compile(r"\[([a-z_]{1,30})=([-+.0-9eE]{1,20})\]")


@dataclass(frozen=True, slots=True)
class Standing:
    """The rows of a task.

    Attributes:
        task: Its name.
        rows: All of them.
        baseline: The name of what its runs are compared with; "" for none.
    """

    task: str
    rows: Sequence[Measure]
    baseline: str

    def first(self, role: str) -> Measure | None:
        """The first row of a role with a value that is no reference, twin or matched difference."""
        rows = (row for row in self.rows if row.role == role and row.value is not None)
        return next((row for row in rows if not row.metric.endswith(TWIN) and row.metric != MATCHED), None)

    def of(self, metric: str) -> dict[str, Measure]:
        """By run, the row of a metric; the compared one where there are two. Reference rows stand apart."""
        found: dict[str, Measure] = {}
        for row in self.rows:
            if row.metric == metric and row.role != "reference" and (row.run not in found or row.delta is not None):
                found[row.run] = row
        return found

    def baseline_value(self, metric: str) -> float | None:
        """The baseline's value as the compared rows state it."""
        return next((row.baseline_value for row in self.rows if row.metric == metric and row.baseline), None)

    def references(self, metric: str) -> dict[str, float]:
        """The values of the made runs, by name."""
        rows = (row for row in self.rows if row.metric == metric and row.role == "reference")
        return {row.run: row.value for row in rows if row.value is not None}


def standings(measures: Sequence[Measure]) -> list[Standing]:
    """One a task, in the order of the file."""
    by_task: dict[str, list[Measure]] = defaultdict(list)
    for row in measures:
        by_task[row.task].append(row)
    return [
        Standing(task, rows, next((row.baseline for row in rows if row.baseline), ""))
        for task, rows in islice(by_task.items(), MOST)
    ]


def setting_of(run: str) -> tuple[str, float] | None:
    """The setting that a made run is called by, such as [temperature=0.7]; None for another name."""
    match = _SETTING.fullmatch(run)
    try:
        return (match[1], float(match[2])) if match else None
    except ValueError:
        return None
