"""How many responses could be read, by task and run, and raw responses where nothing was usable."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import islice

from .blocks import Drawer, Example, Figure, Section, Side, Table
from .dot_charts import Rate, rates
from .load import Inputs
from .measures import Measure
from .samples import PromptExample
from .text import percent, plural, title_words
from .unit_series import EXTREMES, MOST, prompt_of

_ROWS = 24  # of one picture
_BARS = 10
_RATES = ("strict parse rate (0 to 1)", "lenient parse rate (0 to 1)")


def parsing(inputs: Inputs, measures: Sequence[Measure], draw: Drawer) -> Section:
    """Parse rates, and what was said where nothing was usable."""
    section = Section("parsing", "What could be read")
    rows = _rated(measures)
    by_task: dict[str, list[Measure]] = defaultdict(list)
    for row in rows:
        by_task[row.task].append(row)
    usable = {(row.task, row.run): row.value for row in measures if row.metric == "usable_rate"}
    groups = [rows] if len(rows) <= _ROWS else list(by_task.values())[:MOST]
    section.figures = [_figure(group, usable, draw) for group in groups if group]
    section.examples = _raw(inputs, usable)
    if section.figures:
        section.lead = (
            "Full bars: responses in exactly the format that was asked for. Pale: also those from which the values can "
            "be read in another form; scores rest on these. Text that cannot be read is noise, not diversity."
        )
    return section


def _rated(measures: Sequence[Measure]) -> list[Measure]:
    """One row for each task and run, made runs apart."""
    found: dict[tuple[str, str], Measure] = {}
    for row in measures:
        if row.role != "reference" and row.parse_rate is not None:
            found.setdefault((row.task, row.run), row)
    return list(found.values())


def _figure(rows: Sequence[Measure], usable: dict[tuple[str, str], float | None], draw: Drawer) -> Figure:
    tasks, runs = {row.task for row in rows}, {row.run for row in rows}
    title = title_words(rows[0].task) if len(tasks) == 1 else "Parse rates"
    labels = [
        row.run if len(tasks) == 1 else title_words(row.task) + (f" \u00b7 {row.run}" if len(runs) > 1 else "")
        for row in rows
    ]
    cells = [
        (
            title_words(row.task),
            row.run,
            percent(row.parse_rate_strict),
            percent(row.parse_rate),
            percent(usable.get((row.task, row.run))),
        )
        for row in rows
    ]
    table = Table(("Task", "Run", "Strict", "Lenient", "Usable"), cells, "llrrr", title, folded=True)
    sums = [f"{label} {cell[2]} strict, {cell[3]} lenient" for label, cell in zip(labels, cells, strict=True)]
    bars = [Rate(label, row.parse_rate_strict, row.parse_rate) for label, row in zip(labels, rows, strict=True)]
    alt = f"Bars of {title.lower()}: " + "; ".join(sums[:_BARS]) + "."
    return draw.figure(rates(bars, _RATES), title, alt, table=table)


def _raw(inputs: Inputs, usable: dict[tuple[str, str], float | None]) -> list[Example]:
    """Three responses of each run of a task that has none that is usable."""
    ids = {(series.task, series.run): [unit.id for unit in series.units] for series in inputs.units.unusable()}
    found = []
    for task, run in islice((key for key, rate in usable.items() if rate == 0), MOST):
        known = ids.get((task, run))
        examples = list(inputs.responses.examples.values()) if known is None else _asked(inputs, known)
        example = next((one for one in examples if run in one.responses), None)
        if example is not None:
            found.append(_example(f"{title_words(task)}, {run}", example, run))
    return found


def _example(title: str, example: PromptExample, run: str) -> Example:
    sides = [Side(f"{run}, {label}", "run", [("", text)]) for label, text in example.numbered(run)]
    return Example(f"{title}: nothing usable; {plural(len(sides), 'response')} as they are", example.prompt, sides)


def _asked(inputs: Inputs, ids: Sequence[str]) -> list[PromptExample]:
    """The prompts behind the first units, each once."""
    names = dict.fromkeys(name for unit in ids[:EXTREMES] for name in (unit, prompt_of(unit)))
    return [example for name in names if (example := inputs.responses.example(name)) is not None]
