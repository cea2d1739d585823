"""The section on length bias: which scores follow length, how strongly, and along which curve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ..metrics.length_bias import LEAST_RESPONSES
from . import charts
from .blocks import Drawer, Figure, Section, Table
from .charts import ForestRow, PanelPoint
from .length_report import LengthMetric, LengthReport, uniform_report
from .load import Inputs
from .text import as_name, count, listing, number, percent, plural, title_words, with_interval

_ROWS = 40  # of a forest plot
_PANELS = 20
_RESAMPLES = 2_000  # for reports that are made here: a page should not take minutes
_AXIS = "shorter is better \u2190 \u03c1 \u2192 longer is better"
_COLUMNS = (
    "score", "run", "mean score (sd from the mean of all; up is better)", "low (2 standard errors)",
    "high (2 standard errors)",
)  # fmt: skip
_TONES = {"favours long": "good", "favours short": "bad"}


def length_bias(inputs: Inputs, draw: Drawer) -> Section:
    """Forest plots of the correlations with length, and small multiples of the curves."""
    section = Section("length-bias", "Length bias")
    reports = _in_one_order([report for report in _reports(inputs) if report.metrics])
    for report in reports:
        section.figures += _forest(report, f": {report.label}" if len(reports) > 1 else "", draw)
    for unit in dict.fromkeys(report.unit for report in reports):
        section.figures += _curves([report for report in reports if report.unit == unit], draw)
    section.tables += _undrawn(reports)
    if section.figures:
        section.lead = _lead(reports)
    return section


def _reports(inputs: Inputs) -> Iterator[LengthReport]:
    """The reports given, then those of runs with enough scored responses that none of them covers."""
    stems = [as_name(Path(name).stem) for name, _ in inputs.length_reports]
    labels = [f"{stem} ({i + 1})" if stems.count(stem) > 1 else stem for i, stem in enumerate(stems)]
    given = [uniform_report(label, record) for label, (_, record) in zip(labels, inputs.length_reports, strict=True)]
    yield from given
    known = {report.content for report in given}
    for label, run in inputs.responses.runs.items():
        if len(run.bias) >= LEAST_RESPONSES:
            made = uniform_report(label, run.bias.report(_RESAMPLES))
            if made.content not in known:
                yield made


def _in_one_order(reports: Sequence[LengthReport]) -> list[LengthReport]:
    """The reports with their metrics sorted by strength, the strongest report of each deciding, so that rows align."""
    strength: dict[str, float] = {}
    for metric in (metric for report in reports for metric in report.metrics):
        strength[metric.name] = max(metric.strength, strength.get(metric.name, 0.0))
    return [
        replace(report, metrics=sorted(report.metrics, key=lambda metric: (-strength[metric.name], metric.name)))
        for report in reports
    ]


def _lead(reports: Sequence[LengthReport]) -> str:
    sums = []
    for report in reports[:6]:
        verdicts = [metric.verdict for metric in report.metrics]
        long, short = verdicts.count("favours long"), verdicts.count("favours short")
        name = f"{report.label}, " if len(reports) > 1 else ""
        sums.append(
            f"{name}{count(report.n)} responses to {count(report.prompts)} prompts: of "
            f"{plural(len(verdicts), 'score')}, {long} favour long text and {short} short text."
        )
    return (
        f"A score that follows length rewards long or short text, not diversity. {' '.join(sums)} It counts as such "
        "where its rank correlation with length is 0.10 or more, of one sign, both over all responses and inside "
        "prompts."
    )


def _forest(report: LengthReport, run: str, draw: Drawer) -> list[Figure]:
    known = [metric for metric in report.metrics if metric.spearman[0] is not None]
    if not known:
        return []
    cells = [_cells(metric) for metric in known]
    title = f"Which scores follow length{run}"
    head = ("Score", "Spearman [95 %]", "In prompts", "Pearson", f"sd per 10 {report.unit}", "Longer wins")
    caption = "Raw correlations (\u2191 higher, \u2193 lower is more diverse)"
    table = Table((*head, "Responses", "Verdict"), cells, "lrrrrrrl", caption, folded=True)
    alt = f"{title}. Spearman with {report.unit}: " + "; ".join(f"{c[0]} {c[1]}, {c[-1]}" for c in cells[:8]) + "."
    rows = [_forest_row(metric) for metric in known[:_ROWS]]
    chart = charts.forest(rows, _AXIS, (-1, 1), ("score", "inside prompts"))
    note = (
        "Blue dots: favours long text; orange squares: short text; grey diamonds: little. Rings: inside prompts. "
        "Bars: 95 % interval."
    )
    return [draw.figure(chart, title, alt, caption=note, table=table)]


def _forest_row(metric: LengthMetric) -> ForestRow:
    """The correlation turned so that right is better for the longer text."""
    value, *ends = (None if end is None else metric.sign * end for end in metric.spearman)
    low, high = sorted(end for end in ends if end is not None) if None not in ends else (None, None)
    inside = None if metric.within is None else metric.sign * metric.within
    tone = _TONES.get(metric.verdict, "open")
    return ForestRow(title_words(metric.name), value or 0.0, low, high, tone, inside)


def _cells(metric: LengthMetric) -> tuple[str, ...]:
    return (
        metric.label,
        with_interval(*metric.spearman, sign=True),
        number(metric.within, 2, sign=True),
        number(metric.pearson, 2, sign=True),
        number(metric.slope, 2, sign=True),
        percent(metric.longer_wins),
        count(metric.n),
        metric.verdict,
    )


def _curves(reports: Sequence[LengthReport], draw: Drawer) -> list[Figure]:
    """Small multiples of the scores that follow length most, all runs of one unit in each."""
    drawn: dict[str, list[tuple[str, LengthMetric]]] = {}
    for report in reports:
        for metric in report.metrics:
            if metric.curve():
                drawn.setdefault(metric.name, []).append((report.label, metric))
    strongest = [entry for entries in list(drawn.values())[:_PANELS] for entry in entries]
    if not strongest:
        return []
    points = [PanelPoint(title_words(m.name), run, *values) for run, m in strongest for values in m.curve()]
    rows = [
        (run, metric.label, number(b.length, 1), count(b.n), number(b.value), number(b.error))
        for run, metric in strongest
        for b in metric.bins
    ]
    unit, shown = reports[0].unit, list(dict.fromkeys(point.panel for point in points))
    alt = f"Curves of {plural(len(shown), 'score')} along the length in {unit}: {listing(shown, 8)}."
    head = ("Run", "Score", f"Mean {unit}", "Responses", "Mean score", "Standard error")
    table = Table(head, rows, "llrrrr", "Tenths of the responses by length", folded=True)
    note = (
        "Mean score of each tenth of the responses by length, with two standard errors, in standard deviations from "
        "the mean of all; up is better. A flat curve: no bias."
    )
    if len(drawn) > _PANELS:
        note += f" The {_PANELS} scores that follow length most, of {len(drawn)}."
    chart = charts.panels(points, unit, _COLUMNS)
    return [draw.figure(chart, "Scores along the length", alt, caption=note, table=table)]


def _undrawn(reports: Sequence[LengthReport]) -> list[Table]:
    """The scores that have no correlation, and why."""
    rows = [
        (report.label, metric.label, count(metric.n), metric.verdict or "no numbers")
        for report in reports
        for metric in report.metrics
        if metric.spearman[0] is None
    ]
    caption = "Scores without a correlation"
    return [Table(("Run", "Score", "Responses", "Why"), rows, "llrl", caption, folded=True)] if rows else []
