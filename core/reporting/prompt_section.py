"""Prompt by prompt: a dot each, and the best and the worst to read, both sides beside each other."""

from __future__ import annotations

from collections.abc import Sequence

from .blocks import Drawer, Example, Figure, Section, Side, Table
from .dot_charts import Strip, strips
from .load import Inputs
from .measures import Measure
from .samples import PromptExample
from .text import number, plural, title_words
from .unit_series import Series, Unit

_DOTS = 2_400  # of a picture
_LEAST_DOTS = 60  # of a row
_RUNS = 24
_SIDES = 3
_PLACES = ("", "second ", "third ")


def by_prompt(inputs: Inputs, measures: Sequence[Measure], draw: Drawer) -> Section:
    """The values of the headline metric by unit, and the responses to the prompts at both ends."""
    section = Section("prompts", "Prompt by prompt")
    known = {(row.task, row.run, row.metric): row for row in measures if row.role == "headline"}
    told = inputs.units.told()
    for task, series in inputs.units.headlines().items():
        section.figures.append(_figure(series[:_RUNS], known, draw))
        section.examples += _examples(inputs, told[task], several=len(series) > 1)
    if section.figures:
        section.lead = (
            "A dot is a prompt, or a block of samples where a task has one prompt; the black line is the mean with its "
            "95 % interval. A difference that rests on a few prompts shows here."
        )
        if section.examples:
            section.lead += (
                " Below, the prompts at both ends: chosen for being extreme, so no picture of the usual response."
            )
    return section


def _figure(series: Sequence[Series], known: dict[tuple[str, str, str], Measure], draw: Drawer) -> Figure:
    first = series[0]
    compared = bool(first.baseline)
    better = {"+": "higher is more diverse", "-": "lower is more diverse"}.get(first.direction, "")
    what = f"difference to {first.baseline}" if compared else title_words(first.metric)
    rows, cells, thinned = [], [], False
    most = max(_LEAST_DOTS, _DOTS // len(series))
    for one in series:
        values = [(unit.id, value) for unit, value in one.numbers()]
        row = known.get((one.task, one.run, one.metric))
        thinned |= len(values) > most
        rows.append(_strip(one.run, values, row, compared=compared))
        cells += [
            (one.run, unit.id, number(unit.value), number(unit.baseline), number(unit.delta, sign=True))
            for unit, _ in one.numbers()
        ]
    title = f"{title_words(first.task)}: {title_words(first.metric)}"
    head = ("Run", "Prompt or block", "Value", "Baseline", "Difference")
    table = Table(head, cells, "ltrrr", title, folded=True)
    alt = f"Dots of {title}, {what}: " + "; ".join(_sum(one) for one in series[:8]) + "."
    axis = what + (f" ({better})" if better else "")
    caption = f"At most {most} dots a run, evenly taken from all in their order of size." if thinned else ""
    if compared:
        caption = f"Blue dots: more diverse; orange squares: less. {caption}".strip()
    chart = strips(rows, axis, first.sign if compared else 0, most)
    return draw.figure(chart, title, alt, caption=caption, table=table)


def _strip(run: str, values: Sequence[tuple[str, float]], row: Measure | None, *, compared: bool) -> Strip:
    if row is None:
        return Strip(run, values)
    if compared:
        return Strip(run, values, row.delta, row.delta_ci_low, row.delta_ci_high)
    return Strip(run, values, row.value, row.ci_low, row.ci_high)


def _sum(series: Series) -> str:
    found = [value for _, value in series.numbers()]
    if not series.baseline:
        return f"{series.run} {plural(len(found), 'unit')} of {number(min(found))} to {number(max(found))}"
    more = sum(value * series.sign > 0 for value in found)
    less = sum(value * series.sign < 0 for value in found)
    return f"{series.run} more diverse on {more} of {plural(len(found), 'unit')}, less on {less}"


def _examples(inputs: Inputs, series: Series, *, several: bool) -> list[Example]:
    """The prompts at both ends; the first of each stands open."""
    found = []
    ends = ("best", "worst") if series.baseline else ("most diverse", "least diverse")
    for units, end in zip(series.extremes(), ends, strict=True):
        for rank, unit in enumerate(units):
            example = inputs.responses.example(unit.id)
            if example is not None:
                title = _title(series, unit, _PLACES[rank] + end, several=several)
                found.append(_example(example, series, title, folded=rank > 0))
    return found


def _title(series: Series, unit: Unit, place: str, *, several: bool) -> str:
    run = f", {series.run} (the run that changed most)" if several and series.baseline else ""
    numbers = number(unit.value)
    if series.baseline:
        numbers = f"difference {number(unit.delta, sign=True)} ({number(unit.baseline)} to {number(unit.value)})"
    return f"{title_words(series.task)}{run}, {place} prompt: {numbers}"


def _example(example: PromptExample, series: Series, title: str, *, folded: bool) -> Example:
    """The two sides; where the responses are known by other names, those runs that are there."""
    wanted = [run for run in (series.baseline, series.run) if run in example.responses]
    runs = wanted or list(example.responses)[:_SIDES]
    sides = [Side(run, "run", example.numbered(run)) for run in runs]
    return Example(title, example.prompt, sides, folded=folded)
