"""The section on Diversity Deciles: where the responses stand among reference texts of their own length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..evaluation.statistics import Comparison, Estimate, compare_many, estimate_many
from . import charts
from .blocks import Drawer, Figure, Folder, Section, Table
from .charts import ForestRow
from .decile_charts import RUNS, tenths
from .decile_gather import PREFIX, RunDeciles
from .decile_maps import maps
from .load import Inputs
from .measures import Measure
from .text import count, listing, number, percent, plural, title_words, with_interval

MEAN = "dd_mean"
_MIDDLE = 5.5  # the mean decile of the reference itself
_RESAMPLES = 2_000
_OPEN = 3  # pictures of single metrics that stand open
_ROWS = 40
_OFF_THE_MAP = 0.2
_FORESTS = 6


def deciles(inputs: Inputs, measures: Sequence[Measure], draw: Drawer) -> Section:
    """Distributions over the tenths, mean deciles, and their changes."""
    section = Section("deciles", "Diversity Deciles")
    runs = _runs(inputs, measures)
    if runs:
        section.figures += _means(runs, draw)
        section.figures += _changes(runs, draw)
    section.figures += _measured(measures, draw)
    if runs:
        drawn = [_spread(name, runs, draw) for name in _names(runs) if name != MEAN]
        section.figures += drawn[:_OPEN]
        if drawn[_OPEN:]:
            section.folders.append(Folder(f"{plural(len(drawn) - _OPEN, 'further metric')}", drawn[_OPEN:]))
    maps(inputs.decile_maps, section, draw)
    if section.figures or section.tables:
        section.lead = _lead(inputs, runs)
    return section


def _runs(inputs: Inputs, measures: Sequence[Measure]) -> dict[str, RunDeciles]:
    """The runs with deciles, the baseline first."""
    known = {name: run.deciles for name, run in inputs.responses.runs.items() if run.deciles.scores}
    baselines = {row.baseline for row in measures}
    return dict(sorted(known.items(), key=lambda item: item[0] not in baselines))


def _names(runs: Mapping[str, RunDeciles]) -> list[str]:
    """Names of the scores, the mean first, then those that it is made of."""
    first = (MEAN, "dd_ttr", "dd_word_entropy", "dd_dsi", "dd_dsi_lite")
    names = list(dict.fromkeys(name for run in runs.values() for name in run.scores))
    return sorted(names, key=lambda name: first.index(name) if name in first else len(first))


def _label(name: str) -> str:
    return "mean of the metrics" if name == MEAN else title_words(name.removeprefix(PREFIX))


def _lead(inputs: Inputs, runs: Mapping[str, RunDeciles]) -> str:
    parts = [
        "The decile of a response among reference texts of its own length: 1 to 10, higher is more diverse for every "
        "metric, so that length gains nothing. Responses like the reference fill every tenth alike, with mean 5.5."
    ]
    if not runs:
        parts.append("No response has deciles; divtool score --deciles MAP adds them.")
        return " ".join(parts)
    without = [name for name in inputs.responses.runs if name not in runs]
    if without:
        parts.append(f"Without deciles: {listing(without)}.")
    far = [name for name, run in runs.items() if any(_null_share(run, score) > _OFF_THE_MAP for score in run.scores)]
    if far:
        parts.append(
            f"{listing(far)}: more than {percent(_OFF_THE_MAP)} of the responses have no decile in some metric, as "
            "their lengths have left the map or the metric is undefined."
        )
    return " ".join(parts)


def _null_share(run: RunDeciles, name: str) -> float:
    found = run.scores[name]
    return found.nulls / ((found.n + found.nulls) or 1)


def _means(runs: Mapping[str, RunDeciles], draw: Drawer) -> list[Figure]:
    """A forest plot a run: the mean decile of each metric, over prompts."""
    figures = []
    for run, own in list(runs.items())[:_FORESTS]:
        names = [name for name in _names({run: own}) if own.scores[name].n]
        values = estimate_many([list(own.by_prompt(name).values()) for name in names], resamples=_RESAMPLES)
        if names:
            figures.append(_mean_figure(run, own, list(zip(names, values, strict=True)), draw))
    return figures


def _mean_figure(run: str, own: RunDeciles, found: Sequence[tuple[str, Estimate]], draw: Drawer) -> Figure:
    rows = [
        ForestRow(_label(name), e.value or 0.0, e.ci_low, e.ci_high, _tone(e.ci_low, e.ci_high, _MIDDLE))
        for name, e in found
    ]
    cells = [
        (
            _label(name),
            with_interval(e.value, e.ci_low, e.ci_high),
            count(e.n_units),
            count(own.scores[name].n),
            percent(_null_share(own, name), 1),
        )
        for name, e in found
    ]
    title = f"Mean decile: {run}"
    head = ("Metric", "Mean decile [95 %]", "Prompts", "Responses", "Without a decile")
    table = Table(head, cells, "lrrrr", title, folded=True)
    alt = f"Forest plot of the mean deciles of {run}: " + "; ".join(f"{c[0]} {c[1]}" for c in cells[:8]) + "."
    chart = charts.forest(rows[:_ROWS], "mean decile (5.5: like the reference)", names=("metric", ""), mark=_MIDDLE)
    note = "Means of the prompts' means; bars: 95 % interval over prompts. The line: the reference itself."
    return draw.figure(chart, title, alt, caption=note, table=table)


def _tone(low: float | None, high: float | None, middle: float = 0.0) -> str:
    if low is None or high is None:
        return "open"
    return "good" if low > middle else "bad" if high < middle else "open"


@dataclass(frozen=True, slots=True)
class _Change:
    """A difference of mean deciles."""

    label: str
    baseline: float | None
    value: float | None
    delta: float | None
    low: float | None
    high: float | None
    p: float | None
    units: float | None
    note: str


def _changes(runs: Mapping[str, RunDeciles], draw: Drawer) -> list[Figure]:
    """What every further run changes against the first, on the prompts that both have."""
    first, *others = runs
    figures = []
    for run in others[:_FORESTS]:
        names, pairs = [], []
        for name in _names({run: runs[run]}):
            before, after = runs[first].by_prompt(name), runs[run].by_prompt(name)
            common = sorted(before.keys() & after.keys())
            if common:
                names.append(name)
                pairs.append(([after[prompt] for prompt in common], [before[prompt] for prompt in common]))
        found = zip(names, compare_many(pairs, resamples=_RESAMPLES), strict=True)
        changes = [_compared(_label(name), one) for name, one in found]
        if changes:
            figures.append(_forest(changes, f"Change of the mean decile: {run} against {first}", "metric", draw))
    return figures


def _compared(label: str, one: Comparison) -> _Change:
    ends = one.delta_ci_low, one.delta_ci_high
    return _Change(label, one.baseline_value, one.value, one.delta, *ends, one.p_value, one.n_units, one.note)


def _measured(measures: Sequence[Measure], draw: Drawer) -> list[Figure]:
    """Delta-DD as `eval --deciles` measured it, one picture a run."""
    rows = [row for row in measures if row.metric.startswith(PREFIX) and row.delta is not None]
    figures = []
    for run, baseline in list(dict.fromkeys((row.run, row.baseline) for row in rows))[:_FORESTS]:
        own = [row for row in rows if (row.run, row.baseline) == (run, baseline)]
        several = len({row.task for row in own}) > 1
        changes = [
            _Change(
                _label(row.metric) + (f" \u00b7 {title_words(row.task)}" if several else ""), row.baseline_value,
                row.value, row.delta, row.delta_ci_low, row.delta_ci_high, row.p_value, row.n_units, row.note,
            )
            for row in own
        ]  # fmt: skip
        figures.append(_forest(changes, f"Delta-DD as measured: {run} against {baseline}", "metric and task", draw))
    return figures


def _forest(changes: Sequence[_Change], title: str, name: str, draw: Drawer) -> Figure:
    rows = [ForestRow(c.label, c.delta or 0.0, c.low, c.high, _tone(c.low, c.high)) for c in changes]
    cells = [
        (
            c.label, number(c.baseline, 2), number(c.value, 2), with_interval(c.delta, c.low, c.high, sign=True),
            number(c.p), count(c.units), c.note,
        )
        for c in changes
    ]  # fmt: skip
    head = ("Metric", "Before", "After", "Change [95 %]", "p", "Prompts", "Note")
    table = Table(head, cells, "lrrrrrl", title, folded=True)
    alt = f"Forest plot, {title}: " + "; ".join(f"{c[0]} {c[3]}" for c in cells[:8]) + "."
    chart = charts.forest(rows[:_ROWS], "change in deciles (right: more diverse)", names=(name, ""))
    note = "Paired by prompt; p of single comparisons, not corrected for their number."
    return draw.figure(chart, title, alt, caption=note, table=table)


def _spread(name: str, runs: Mapping[str, RunDeciles], draw: Drawer) -> Figure:
    """How full each tenth is, beside the tenth that the reference has in each."""
    shares = {
        run: [part / found.n for part in found.tenths]
        for run, own in runs.items()
        if (found := own.scores.get(name)) is not None and found.n
    }
    title = _label(name)
    if not shares:
        shares = {run: [0.0] * 10 for run in list(runs)[:1]}
    rows = [(str(i + 1), *(percent(own[i], 1) for own in shares.values()), percent(0.1, 1)) for i in range(10)]
    head = ("Decile", *shares, "Reference")
    table = Table(head, rows, "r" * len(head), f"Share of the responses in each decile, {title}", folded=True)
    ends = [
        f"{run} {percent(own[0])} in the lowest and {percent(own[-1])} in the highest" for run, own in shares.items()
    ]
    note = "Dashed: a tenth in each, as the reference has it. A response between two deciles counts half in each."
    if len(shares) > RUNS:
        note += f" {RUNS} of {len(shares)} runs; the table has all."
    alt = f"Columns of the deciles of {title}: {'; '.join(ends[:6])}."
    return draw.figure(tenths(shares), title, alt, caption=note, table=table)
