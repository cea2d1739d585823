"""Bounds that the user sets on measures (`--fail-under`, `--require`), for continuous integration."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..errors import UsageError, unknown_name
from ..jsonl import Record
from ..resampling import MIN_UNITS
from .frontier import MATCHED

# By direction: what a bound can be set on. Each is the careful end where it is an end of an interval.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "+": ("value", "ci_low", "delta", "delta_ci_low"),
    "-": ("value", "ci_high", "delta", "delta_ci_high"),
}
_KEPT = frozenset({"not worse", "equivalent"})
# Verdicts of quality belong to rows of these roles.
_QUALITY = frozenset({"quality", "guard"})


@dataclass(frozen=True, slots=True)
class Threshold:
    """A bound on one field of one metric.

    Attributes:
        task: The task.
        metric: The metric.
        field: Which number of its record.
        bound: At least this; at most this where lower is more diverse.
        direction: `+` or `-`.
    """

    task: str
    metric: str
    field: str
    bound: float
    direction: str

    @property
    def sign(self) -> str:
        """The comparison that must hold."""
        return ">=" if self.direction == "+" else "<="

    def holds(self, value: float) -> bool:
        """Whether a value is on the good side of the bound, the bound itself included."""
        return value >= self.bound if self.direction == "+" else value <= self.bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that had to hold of a run.

    Attributes:
        task: The task.
        run: The run.
        subject: What was looked at: metric and field, or the verdict of a metric.
        passed: Whether it held.
        finding: What was found, and what was asked.
        definition: How the number is computed; empty where there is no record.
    """

    task: str
    run: str
    subject: str
    passed: bool
    finding: str
    definition: str = ""


@dataclass(frozen=True, slots=True)
class Demands:
    """What the user asks of the runs of a call.

    Attributes:
        bounds: Bounds on measures.
        not_worse: Whether the quality of every run must be shown to be not worse.
    """

    bounds: Sequence[Threshold]
    not_worse: bool

    @classmethod
    def parse(
        cls, bounds: Iterable[str], known: Mapping[str, Mapping[str, str]], *, not_worse: bool, compared: bool
    ) -> Demands:
        """The demands behind the options; see `parse_thresholds`.

        Raises:
            UsageError: A bound that this call cannot check, or a comparison without a baseline.
        """
        if not_worse and not compared:
            raise UsageError("--require not-worse needs a --baseline")
        return cls(parse_thresholds(bounds, known, compared=compared), not_worse)

    def check(self, runs: Sequence[str], records: Sequence[Record]) -> list[Check]:
        """Every bound and every quality verdict; see `check_thresholds` and `check_quality`."""
        return [*check_thresholds(self.bounds, runs, records), *check_quality(records, required=self.not_worse)]


def parse_thresholds(
    texts: Iterable[str], known: Mapping[str, Mapping[str, str]], *, compared: bool
) -> list[Threshold]:
    """The bounds behind `TASK.METRIC[.FIELD]=VALUE`.

    Args:
        texts: As the user wrote them.
        known: By task and metric of the call, the direction.
        compared: Whether there is a baseline.

    Raises:
        UsageError: An unknown task, metric or field, no number, or a field that this call does not compute.
    """
    return [_parse(text, known, compared) for text in texts]


def check_thresholds(thresholds: Iterable[Threshold], runs: Sequence[str], records: Sequence[Record]) -> list[Check]:
    """Every bound for every run; what was not measured, is null or rests on too few units is missed.

    Args:
        thresholds: The bounds.
        runs: Names of the runs, the baseline's left out.
        records: The measure records of the call.
    """
    rows = {(row["task"], row["metric"], row["run"]): row for row in judged(records)}
    return [_check(bound, run, rows.get((bound.task, bound.metric, run))) for bound in thresholds for run in runs]


def check_quality(records: Sequence[Record], *, required: bool) -> list[Check]:
    """The quality verdict of every run.

    Args:
        records: The measure records of the call.
        required: Whether "worse", "undecided" and no verdict at all miss what the user asked for.
    """
    rows = [row for row in judged(records) if row["role"] in _QUALITY and "delta" in row and "margin" in row]
    return [
        Check(
            task=row["task"],
            run=row["run"],
            subject=f"{row['metric']} not worse",
            passed=row["verdict"] in _KEPT or not required,
            finding=f"{row['verdict'] or 'no verdict'}: delta {_number(row['delta'])}"
            f"{_ends(row, 'delta_')}, margin {_number(row['margin'])}{_units(row)}",
            definition=row["definition"],
        )
        for row in rows
    ]


def judged(records: Sequence[Record]) -> list[Record]:
    """The rows that are about runs: not the baseline's own, and no reference rows."""
    compared = any("delta" in record for record in records)
    return [
        record
        for record in records
        if record["role"] != "reference" and ("delta" in record or record["role"] == "matched" or not compared)
    ]


def missed(checks: Iterable[Check]) -> str:
    """One line about what was missed; empty where all held."""
    parts = [f"{c.task}.{c.subject} of {c.run}: {c.finding}" for c in checks if not c.passed]
    return f"{len(parts)} missed: {'; '.join(parts)}" if parts else ""


def _parse(text: str, known: Mapping[str, Mapping[str, str]], compared: bool) -> Threshold:
    left, sign, right = text.rpartition("=")
    task, dot, rest = left.strip().partition(".")
    if not sign or not dot:
        raise UsageError(f"--fail-under {text}: give TASK.METRIC=VALUE or TASK.METRIC.FIELD=VALUE")
    if task not in known:
        raise unknown_name("task of this call", task, known)
    metric, field = _metric_and_field(rest, known[task])
    if metric not in known[task]:
        raise unknown_name(f"metric of task {task}", metric, known[task])
    direction = known[task][metric]
    if direction not in FIELDS:
        raise UsageError(f"--fail-under {text}: {metric} has no better direction, so no bound can be missed")
    if metric == MATCHED and field.startswith("delta"):
        raise UsageError(f"--fail-under {text}: {metric} is a difference itself; set the bound on it or on ci_low")
    mirrored = field.replace("low", "high") if direction == "-" else field.replace("high", "low")
    if field not in FIELDS[direction] and mirrored in FIELDS[direction]:
        better = "lower" if direction == "-" else "higher"
        raise UsageError(f"--fail-under {text}: {better} is better for {metric}, so set the bound on {mirrored}")
    if field not in FIELDS[direction]:
        raise unknown_name(f"field of {metric} (direction {direction})", field, FIELDS[direction])
    if field.startswith("delta") and not compared:
        raise UsageError(f"--fail-under {text}: {field} needs a --baseline")
    return Threshold(task, metric, field, _bound(text, right), direction)


def _metric_and_field(text: str, known: Iterable[str]) -> tuple[str, str]:
    """Names may hold a dot, such as vendi_q0.5."""
    metric, dot, field = text.rpartition(".")
    return (text, "value") if text in known or not dot else (metric, field)


def _bound(text: str, value: str) -> float:
    try:
        bound = float(value)
    except ValueError:
        bound = math.nan
    if not math.isfinite(bound):
        raise UsageError(f"--fail-under {text}: '{value.strip()}' is no number")
    return bound


def _check(bound: Threshold, run: str, row: Record | None) -> Check:
    subject = bound.metric if bound.field == "value" else f"{bound.metric}.{bound.field}"
    asked = f"asked for {bound.sign} {_number(bound.bound)}"
    if row is None:
        return Check(task=bound.task, run=run, subject=subject, passed=False, finding=f"not measured, {asked}")
    value = row.get(bound.field)
    few = bound.field != "value" and row["n_units"] < MIN_UNITS
    ends = _ends(row, "delta_" if bound.field.startswith("delta") else "")
    reason = f", too few units ({row['n_units']} of {MIN_UNITS})" if few else ""
    return Check(
        task=bound.task,
        run=run,
        subject=subject,
        passed=value is not None and not few and bound.holds(value),
        finding=f"{_number(value)}{ends}, {asked}{reason}",
        definition=row["definition"],
    )


def _number(value: float | None) -> str:
    return "null" if value is None else f"{value:.6g}"


def _ends(row: Record, prefix: str) -> str:
    low, high = row.get(f"{prefix}ci_low"), row.get(f"{prefix}ci_high")
    return "" if low is None or high is None else f" [{_number(low)}, {_number(high)}]"


def _units(row: Record) -> str:
    return f", too few units ({row['n_units']} of {MIN_UNITS})" if row["n_units"] < MIN_UNITS else ""
