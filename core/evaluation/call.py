"""One call of `eval`: every task over every run, and what became of each task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import DivtoolError, InputError
from ..jsonl import Record
from .collection import Collection
from .frontier_rows import add_tradeoffs, place_runs
from .matching import matching_notes
from .measure import Measured, Measurer
from .rows import UnitValues, adjusted
from .runs import Run
from .statistics import Adjustment, unreachable


@dataclass(slots=True)
class Outcome:
    """What became of a task.

    Attributes:
        task: Its name.
        records: Its measure records; none where it was refused or failed.
        units: In the same order, the values by unit behind them.
        refused: Why it was left out.
        error: What went wrong; with records, only some of their values are missing for it.
    """

    task: str
    records: list[Record] = field(default_factory=list)
    units: list[UnitValues] = field(default_factory=list)
    refused: str = ""
    error: Exception | None = None


def measure_all(measurers: Sequence[Measurer], found: Collection, adjust: Adjustment) -> list[Outcome]:
    """Measure every task; what goes wrong in one leaves the others alone.

    Args:
        measurers: One a task.
        found: The runs.
        adjust: How the p-values of the headline rows of all tasks and runs are adjusted.
    """
    outcomes = []
    for measurer in measurers:
        name = measurer.task.name
        outcome = Outcome(name, refused=found.refused.get(name, ""))
        if not outcome.refused:
            try:
                measured = _measure(measurer, found)
                outcome.records, outcome.units = measured.records, measured.units
                outcome.error = measured.error
            except Exception as error:
                outcome.error = error
        outcomes.append(outcome)
    records = adjusted([record for outcome in outcomes for record in outcome.records], adjust)
    _note_unreachable(records, adjust)
    for outcome in outcomes:
        add_tradeoffs(outcome.records)
    return outcomes


def failure(outcomes: Sequence[Outcome]) -> Exception | None:
    """The error that the call ends with; None where no task failed."""
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if len(failed) == len(outcomes) == 1:
        return failed[0].error
    if not failed:
        return None
    parts = (f"task {o.task}: {o.error if isinstance(o.error, DivtoolError) else repr(o.error)}" for o in failed)
    error = DivtoolError(f"{len(failed)} of {len(outcomes)} tasks failed; {'; '.join(parts)}")
    error.__cause__ = failed[0].error
    return error


def _note_unreachable(records: Sequence[Record], method: Adjustment) -> None:
    """Note beside a headline that its adjusted p stays above .05 whatever its responses are."""
    family = [record for record in records if record.get("p_adjusted") is not None]
    units = [record["n_units"] for record in family]
    for record, hopeless in zip(family, unreachable(units, method), strict=True):
        if hopeless:
            why = f"{record['n_units']} {record['unit']}s and {len(family)} comparisons: use more {record['unit']}s"
            record["note"] = "; ".join(filter(None, (record["note"], f"no p can reach .05 with {why}")))


def _measure(measurer: Measurer, found: Collection) -> Measured:
    """What was measured of a task, with what its runs differ in added to their notes."""
    task = measurer.task
    runs, baseline = found.of(task.name)
    points = found.swept(task.name) if task.headline else []
    notes = {run.name: (*run.notes, *(matching_notes(run, baseline) if baseline else ())) for run in runs}
    every = [*runs, *([baseline] if baseline is not None else [])]
    params = found.params(task.name)
    measured = measurer.measured(every, baseline, references=True, human=found.human, points=points)
    for record in measured.records:
        own: tuple[str, ...] = ()
        if record["role"] != "reference":
            own = notes[record["run"]] if baseline is None or "delta" in record else baseline.notes
        record["note"] = "; ".join(filter(None, (record["note"], *own, task.note)))
        if record["role"] != "reference" and record["run"] in params:
            record["params"] = params[record["run"]]
    check_size(runs, baseline, measured.records)
    if task.headline:
        place_runs(measurer, measured, runs, baseline, points, found.lineup.swept if points else ())
    return measured


def check_size(runs: Sequence[Run], baseline: Run | None, records: Sequence[Record]) -> None:
    """Raise `InputError` where every headline is undefined since no prompt of a side has two responses."""
    headlines = [record for record in records if record["role"] == "headline"]
    sides = [list(runs), [baseline] if baseline is not None else []]
    lone = [side for side in sides if side and all(len(own) == 1 for run in side for own in run.responses.values())]
    if lone and headlines and all(record["value"] is None for record in headlines):
        name = ", ".join(run.name for run in lone[0])
        raise InputError(name, "one response a prompt has no diversity", "sample with -n 2 or more")
