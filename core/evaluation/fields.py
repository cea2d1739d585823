"""Metrics of tasks whose responses are a few named values, such as a person's first name and city."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .task import TaskMetric, Unit
from .values import collision, different_share, entropy, entropy_miller_madow, mean, rarefied, top_values

# Of a field's counts over a whole run: name, formula, direction, function, null.
_OF_COUNTS: tuple[tuple[str, str, Any, Callable[[Sequence[int]], float | None], str], ...] = (
    ("field_entropy", "plug-in entropy -sum p log2 p, in bits", "+", entropy, "no value"),
    ("field_entropy_mm", "plug-in entropy + (K - 1) / (2 n ln 2), in bits", "+", entropy_miller_madow, "no value"),
    ("field_collision", "chance that two responses agree", "-", collision, "under 2 values"),
    ("field_top_share", "share of the most frequent value", "-", lambda c: max(c) / sum(c) if c else None, "no value"),
)
_POOLED = "over the values of all usable responses of the run together, one number without an interval"


def field_metrics(fields: Sequence[str], counted: Sequence[str]) -> tuple[TaskMetric, ...]:
    """`field_distinct`, and for each field its share of different values, entropies and most frequent value.

    Args:
        fields: Every field of a value.
        counted: Those that `field_distinct` is the mean over.
    """
    whole = TaskMetric(
        name="field_distinct",
        direction="+",
        formula=f"different usable values / responses, mean over {', '.join(counted)}",
        value=lambda unit: mean(field_distinct(unit.values, field, unit.total) for field in counted),
        null="no response",
    )
    return (whole, *(metric for field in fields for metric in _of_field(field)))


def field_distinct(values: Sequence[Mapping[str, str]], field: str, total: int) -> float | None:
    """Different values of a field / all responses. Range [0, 1], higher is more diverse. Null for no response."""
    return different_share((value[field] for value in values if field in value), total)


def _of_field(field: str) -> list[TaskMetric]:
    distinct = TaskMetric(
        name=f"field_distinct_{field}",
        direction="+",
        formula=f"different usable values of {field} / responses",
        value=lambda unit: field_distinct(unit.values, field, unit.total),
        null="no response",
    )
    return [distinct, _rarefied(field), *(_of_counts(field, *row) for row in _OF_COUNTS)]


def _rarefied(field: str) -> TaskMetric:
    def value(unit: Unit) -> float | None:
        different = rarefied(list(_counts(unit, field).values()), _reachable(unit, field))
        return None if different is None else different / _reachable(unit, field)

    return TaskMetric(
        name=f"field_unique_share_{field}",
        direction="+",
        formula=f"different values of {field} / m, to expect among m of the usable responses of the run, m = the "
        "smallest number of usable responses of the runs; one number without an interval",
        value=value,
        null="no usable response",
        level="run",
        shown=lambda unit: {"rarefied_to": _reachable(unit, field)},
    )


def _of_counts(
    field: str, name: str, formula: str, direction: Any, function: Callable[[Sequence[int]], float | None], null: str
) -> TaskMetric:
    return TaskMetric(
        name=f"{name}_{field}",
        direction=direction,
        formula=f"{formula}, of {field}; {_POOLED}",
        value=lambda unit: function(list(_counts(unit, field).values())),
        null=null,
        level="run",
        shown=(lambda unit: {"top_values": top_values(_counts(unit, field))}) if name == "field_top_share" else None,
    )


def _counts(unit: Unit, field: str) -> Counter[str]:
    return Counter(value[field] for value in unit.values if field in value)


def _reachable(unit: Unit, field: str) -> int:
    """To how many values the counts come down: not every usable response of another task's run has every field."""
    return min(unit.rarefied, sum(_counts(unit, field).values()))
