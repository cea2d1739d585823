"""Where runs stand between quality and diversity: keys of their headline rows, and rows of their own beside a curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from ..jsonl import Record
from ..metrics.registry import Metric
from ..resampling import RESAMPLES
from .choice import headline
from .frontier import MATCHED, MOST_BELOW, Floats, Matched, front, matched_difference, standing, tradeoff
from .measure import Measured, Measurer
from .rows import UnitValues
from .runs import Run
from .sides import common
from .sources import Setting
from .statistics import size_note
from .task import Task, TaskMetric

# A side with values on fewer of its units has no place: what all sides have in common would be its few.
_LEAST_DEFINED = 0.5
_LEAST_POINTS = 2


@dataclass(frozen=True, slots=True)
class _Side:
    """A run's records and values by unit, both by metric."""

    rows: Mapping[str, Record]
    values: Mapping[str, Mapping[str, float | None]]

    def placed(self, metric: str) -> bool:
        """Whether enough of its units have a value."""
        units = self.values.get(metric, {})
        defined = sum(value is not None for value in units.values())
        return defined > 0 and defined >= _LEAST_DEFINED * len(units)


@dataclass(frozen=True, slots=True)
class _Axes:
    """What is drawn against what, with the signs that make higher better."""

    quality: str
    diversity: str
    quality_sign: int
    diversity_sign: int

    def units(self, sides: Sequence[_Side]) -> tuple[Floats, Floats]:
        """Quality and diversity, each of shape (n_units, sides), of the units where every side has both."""
        both = [(side.values[self.quality], side.values[self.diversity]) for side in sides]
        known = [{name for name in d if d[name] is not None and q.get(name) is not None} for q, d in both]
        names = sorted(set.intersection(*known))
        tables = [[[axes[place][name] for axes in both] for name in names] for place in (0, 1)]
        quality, diversity = (np.array(table, dtype=np.float64).reshape(-1, len(sides)) for table in tables)
        return self.quality_sign * quality, self.diversity_sign * diversity


def place_runs(
    measurer: Measurer,
    measured: Measured,
    runs: Sequence[Run],
    baseline: Run | None,
    points: Sequence[Run] = (),
    swept: Sequence[Setting] = (),
) -> None:
    """Say where the runs of a task stand between quality and diversity.

    The headline rows of two runs or more get `quality_metric`, `front` and `front_share`, the rows of points `setting`.
    Beside points, each run gets a row of role "matched". The axis of quality is the first measure of role "quality"
    that all sides have values of. Sides are placed by equally many responses to each prompt; where the rows are not of
    equally many, they are measured once more.

    Args:
        measurer: Measures runs of the task.
        measured: What it made of the runs, of the baseline, and last of the points; gets the matched rows.
        runs: The runs, without the baseline.
        baseline: What they are compared with, or None.
        points: The baseline at each setting of the sweep, or none.
        swept: These settings, in the same order.
    """
    every = [*runs, *([baseline] if baseline is not None else [])]
    shown, curve = _sides(measured, len(every), len(points))
    for side, (key, value) in zip(curve, swept, strict=True):
        for record in side.rows.values():
            record["setting"] = {key: value}
    if len(every) < 2:
        return
    even, curve = _sides(_evened(measurer, measured, every, baseline, points), len(every), len(points))
    heads = [metric for side in shown for metric, row in side.rows.items() if row["role"] == "headline"]
    for metric in dict.fromkeys(heads):
        _set_front(_axes(metric, shown, [*even, *curve]), metric, shown, even, measurer)
    if points and heads:
        axes = _axes(heads[0], shown, [*even, *curve])
        for side, own in zip(shown[: len(runs)], even[: len(runs)], strict=True):
            row = _matched_row(axes, side.rows[heads[0]], [own, *curve], swept, measurer)
            measured.records.append(row)
            measured.units.append(UnitValues((), (), None))


def matched_directions(task: Task, metrics: Sequence[Metric]) -> dict[str, str]:
    """The direction of the matched row of a task, by its name; nothing for a task without a headline."""
    every: list[Metric | TaskMetric] = [*metrics, *task.own]
    known = {metric.name: str(metric.direction) for metric in every}
    name = task.headline if task.leads_itself else headline(task, metrics)
    return {MATCHED: known[name]} if name else {}


def add_tradeoffs(records: Sequence[Record]) -> None:
    """Set `tradeoff` in the compared headline rows of a task: the words of `frontier.tradeoff`, or None.

    Args:
        records: After `place_runs`, and after the p-values of the call were adjusted.
    """
    compared = {(row["run"], row["metric"]): row for row in records if "delta" in row}
    for row in records:
        if row["role"] == "headline" and "delta" in row:
            beside = compared.get((row["run"], row["quality_metric"]))
            quality = beside and standing(
                beside["verdict"], beside["delta_ci_low"], beside["delta_ci_high"], beside["direction"]
            )
            row["tradeoff"] = tradeoff(row["verdict"], quality or None)


def _sides(measured: Measured, runs: int, points: int) -> tuple[list[_Side], list[_Side]]:
    """The runs, which come first, and the points, which come last; a run compared with itself is two of them."""
    rows = zip(measured.records, measured.units, strict=True)
    sides = groupby(rows, lambda pair: (pair[0]["run"], "delta" in pair[0], pair[0]["role"] == "reference"))
    found = []
    for _, side in sides:
        pairs = list(side)
        values = {row["metric"]: dict(zip(units.names, units.run, strict=True)) for row, units in pairs}
        found.append(_Side({row["metric"]: row for row, _ in pairs}, values))
    return found[:runs], found[len(found) - points :]


def _evened(
    measurer: Measurer, measured: Measured, every: Sequence[Run], baseline: Run | None, points: Sequence[Run]
) -> Measured:
    """The sides measured by equally many responses to each prompt: as they are, if they are so already."""
    sides = [*every, *points]
    shared = set.intersection(*(set(side.responses) for side in sides))
    most = {p: len(baseline.responses[p]) if baseline is not None else math.inf for p in shared}
    if all(len({min(len(side.responses[p]), most[p]) for side in sides}) == 1 for p in shared):
        return measured
    return measurer.measured([], None, points=common([replace(side, name=str(n)) for n, side in enumerate(sides)]))


def _axes(diversity: str, shown: Sequence[_Side], even: Sequence[_Side]) -> _Axes | None:
    """The axes of a headline metric; None where no measure of quality has values throughout."""
    rows = [row for side in shown for row in side.rows.values() if row["role"] == "quality"]
    there = [side for side in even if side.placed(diversity)]
    for row in rows:
        if there and all(side.placed(row["metric"]) for side in there):
            head = next(side.rows[diversity] for side in shown if diversity in side.rows)
            return _Axes(row["metric"], diversity, _sign(row), _sign(head))
    return None


def _sign(row: Record) -> int:
    return -1 if row["direction"] == "-" else 1


def _set_front(
    axes: _Axes | None, metric: str, shown: Sequence[_Side], even: Sequence[_Side], measurer: Measurer
) -> None:
    """Set what the headline rows of a metric say of the front; runs without a place have None, and play no part."""
    there = [place for place in range(len(shown)) if axes is not None and even[place].placed(metric)]
    units = axes.units([even[place] for place in there]) if axes is not None and there else None
    found = front(*units, seed=measurer.seed, task=measurer.task.name) if units is not None and len(units[0]) else None
    for place, side in enumerate(shown):
        row = side.rows.get(metric)
        if row is None or row["role"] != "headline":
            continue
        at = there.index(place) if found is not None and place in there else None
        row["quality_metric"] = axes.quality if axes is not None else None
        row["front"] = found.on[at] if found is not None and at is not None else None
        row["front_share"] = found.shares[at] if found is not None and found.shares and at is not None else None


def _matched_row(
    axes: _Axes | None, head: Record, sides: Sequence[_Side], swept: Sequence[Setting], measurer: Measurer
) -> Record:
    """The row of a run beside the curve.

    Args:
        axes: None where no measure of quality has values throughout.
        head: The run's headline row.
        sides: The run, then the points.
        swept: Their settings.
        measurer: Measures runs of the task.
    """
    placed = [axes is not None and side.placed(axes.diversity) for side in sides]
    curve = [(side, setting) for side, setting, there in zip(sides[1:], swept, placed[1:], strict=True) if there]
    found = Matched()
    if axes is not None and placed[0] and len(curve) >= _LEAST_POINTS:
        quality, diversity = axes.units([sides[0], *(side for side, _ in curve)])
        if len(quality):
            own, points = (quality[:, 0], diversity[:, 0]), (quality[:, 1:], diversity[:, 1:])
            found = matched_difference(own, points, seed=measurer.seed, task=measurer.task.name)
    sign = axes.diversity_sign if axes is not None else 1
    kept = ("task", "n_responses", "model", "run", "unit", "direction", "mean_words", "parse_rate_strict", "parse_rate")
    values = [value for value in sides[0].values.get(head["metric"], {}).values() if value is not None]
    return {
        **{key: head[key] for key in kept},
        "metric": MATCHED,
        "value": _signed(found.value, sign),
        "ci_low": _signed(found.ci_low if sign > 0 else found.ci_high, sign),
        "ci_high": _signed(found.ci_high if sign > 0 else found.ci_low, sign),
        "n_prompts": found.n_units if head["unit"] == "prompt" else head["n_prompts"],
        "n_units": found.n_units,
        "baseline": head["baseline"],
        "quality_metric": axes.quality if axes is not None else None,
        "sweep": {swept[0][0]: [value for _, value in swept]},
        "role": "matched",
        "comparable": False,
        "note": "; ".join(filter(None, _notes(found, len(values), sorted({*swept} - {own for _, own in curve})))),
        "definition": _definition(head, axes, [setting for _, setting in curve] or swept, found),
    }


def _signed(value: float | None, sign: int) -> float | None:
    return None if value is None else sign * value


def _notes(found: Matched, defined: int, left_out: Sequence[Setting]) -> list[str]:
    """What a reader must know beside the number."""
    notes = [f"{key}={value} has too few values for the curve" for key, value in left_out]
    if found.n_units == 0:
        return [*notes, "no place between quality and diversity: too few values"]
    notes.insert(0, size_note(found.n_units, defined - found.n_units))
    if found.outside is not None:
        return [*notes, f"outside the curve: its quality is {found.outside} that of every setting"]
    if found.below is not None and found.below > MOST_BELOW:
        return [*notes, f"no interval: in {found.below:.0%} of the resamples its quality is below every setting's"]
    return notes


def _definition(head: Record, axes: _Axes | None, curve: Sequence[Setting], found: Matched) -> str:
    """How the number is made."""
    settings = f"{curve[0][0]} {', '.join(str(value) for _, value in curve)}"
    outside = ""
    if found.above is not None and found.below is not None:
        outside = (
            f"; of {RESAMPLES} resamples {found.above:.1%} have a quality above that of every setting (counted as the "
            f"highest one), {found.below:.1%} one below (left out)"
        )
    better = "lower" if head["direction"] == "-" else "higher"
    return (
        f"{MATCHED}: {head['metric']} of the run minus that of {head['baseline']} at the run's "
        f"{axes.quality if axes is not None else 'quality'} or a better one, interpolated linearly between neighbours "
        f"of {settings}, both as in their own rows; null outside the curve{outside}; {better} is more diverse; "
        f"{found.n_units} {head['unit']}s"
    )
