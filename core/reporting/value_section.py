"""The most frequent values of fields, such as the first names of invented people."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from .blocks import Drawer, Figure, Section, Table
from .dot_charts import Share, shares
from .measures import Measure
from .standing import Standing, standings
from .text import count, listing, percent, title_words

_PREFIX = "field_top_share_"
_RUNS = 5  # that one picture can tell apart
_VALUES = 12


def frequent_values(measures: Sequence[Measure], draw: Drawer) -> Section:
    """Which values a run gives again and again, beside those of the others."""
    section = Section("values", "Most frequent values")
    for standing in standings(measures):
        metrics = dict.fromkeys(row.metric for row in standing.rows if row.top_values and row.value)
        section.figures += [_figure(standing, metric, draw) for metric in list(metrics)[:_VALUES]]
    if section.figures:
        section.lead = (
            "How large a share of all values of a field the most frequent ones have, over the whole run. An even "
            "spread keeps all marks at the left; a run that always says the same has one far to the right."
        )
    return section


def _figure(standing: Standing, metric: str, draw: Drawer) -> Figure:
    known = standing.of(metric)
    found = {run: _shares(row) for run, row in known.items() if row.top_values and row.value}
    runs = sorted(found, key=lambda run: run != standing.baseline)
    drawn = runs[:_RUNS]
    # Each run's first values before any run's later ones: a run whose values all differ would fill the picture.
    ranks = zip_longest(*(found[run] for run in drawn))
    values = list(dict.fromkeys(value for rank in ranks for value in rank if value is not None))[:_VALUES]
    values.sort(key=lambda value: (-max(found[run].get(value, 0.0) for run in drawn), value))
    rows = [Share(value, run, found[run][value]) for run in drawn for value in values if value in found[run]]
    title = f"{title_words(standing.task)}: {title_words(metric.removeprefix(_PREFIX))}"
    every = dict.fromkeys(value for run in runs for value in found[run])
    cells = [(value, *(percent(found[run].get(value), 1) for run in runs)) for value in every]
    caption = f"{title}; a dash: not among the run's ten most frequent"
    table = Table(("Value", *runs), cells, "l" + "r" * len(runs), caption, folded=True)
    leads = [f"{run} {next(iter(found[run]))} {percent(next(iter(found[run].values())))}" for run in runs[:6]]
    alt = f"Most frequent values of {title}. First of each run: {listing(leads, 6)}."
    note = "Values: " + listing([f"{run} {count(_amount(known[run]))}" for run in drawn], _RUNS) + "."
    if len(runs) > _RUNS:
        note += f" {_RUNS} of {len(runs)} runs; the table has all."
    return draw.figure(shares(rows, values), title, alt, caption=note, table=table)


def _amount(row: Measure) -> float:
    """How many values there are in all."""
    return row.top_values[0][1] / (row.value or 1.0)


def _shares(row: Measure) -> dict[str, float]:
    """Shares of the values; the row's own number is that of the first."""
    return {value: min(1.0, n / _amount(row)) for value, n in row.top_values}
