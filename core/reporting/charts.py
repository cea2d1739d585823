"""The report's charts. Each function takes plain numbers and gives an Altair chart with its data.

Charts are one phone screen wide and stand side by side on a wide one. Names from files reach a chart as data values
only, never as field names or expressions, and rows are ordered by number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .sheet import Sheet, Value
from .svg import Plot, require_extra
from .text import cut

WIDTH = 345
_CURVE_POINTS = 300  # of a line
# Okabe and Ito's blue and vermilion first, a little shifted so that each has contrast on white and on near-black.
COLORS = ("#2f80c2", "#d2691e", "#1f9d78", "#a766c4", "#8a8f98")
DASHES = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2], [1, 3])
BLUE, ORANGE, GREY = COLORS[0], COLORS[1], COLORS[4]


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One interval of a forest plot; ``tone`` is "good", "bad" or "open", ``beside`` a second value without one."""

    label: str
    value: float
    low: float | None
    high: float | None
    tone: str
    beside: float | None = None


@dataclass(frozen=True, slots=True)
class PanelPoint:
    """A point of a curve with its band, in a panel of small multiples."""

    panel: str
    series: str
    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """A point of a named series."""

    x: float
    y: float
    series: str


def inline(rows: Sequence[dict[str, Any]]) -> Any:
    """A chart of these rows, without marks."""
    alt = require_extra("altair")
    return alt.Chart(alt.InlineData(values=list(rows)))


def sized(chart: Any, sheet: Sheet, height: float | None = None, step: float | None = None) -> Plot:
    """The chart at the common width, padding included; a height in pixels or a step a row; and its data."""
    alt = require_extra("altair")
    chart = chart.properties(width=WIDTH, autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
    return Plot(chart.properties(height=alt.Step(step) if step else height), sheet)


def named_scale(values: Sequence[str], range_: Sequence[Any]) -> Any:
    """A scale from names to colours, dashes or shapes."""
    return require_extra("altair").Scale(domain=list(values), range=list(range_)[: len(values)])


def told_apart(labels: Sequence[str], limit: int) -> list[str]:
    """Labels of one length limit that differ: rows that are drawn under one name would fall on each other."""
    seen: dict[str, int] = {}
    apart = []
    for label in (cut(label, limit) for label in labels):
        seen[label] = seen.get(label, 0) + 1
        apart.append(label + "\u200b" * (seen[label] - 1))  # a zero-width space is not seen
    return apart


def _whole(largest: float) -> str:
    """The format of an axis of counts: as they are, or in thousands and millions where they are long."""
    return "~s" if largest >= 1e5 else ",~f"


def funnel(stages: Sequence[tuple[str, str, float, float]]) -> Plot:
    """Bars of what each selection stage kept, over what entered it.

    Args:
        stages: (stage, unit, entered, kept), in order.
    """
    alt = require_extra("altair")
    rows: list[dict[str, Any]] = [
        {"row": i, "stage": cut(f"{i + 1}. {stage}", 24), "unit": cut(unit, 24), "entered": entered, "kept": kept,
         "text": f"{kept:,.0f}"}
        for i, (stage, unit, entered, kept) in enumerate(stages)
    ]  # fmt: skip
    units = list(dict.fromkeys(row["unit"] for row in rows))[: len(COLORS)]
    top = max((max(row["entered"], row["kept"]) for row in rows), default=1) or 1
    span = alt.Scale(domain=[0, top * 1.18])  # room for the number behind the longest bar
    y = alt.Y(
        "stage:N",
        sort=alt.EncodingSortField("row", op="min"),
        title=None,
        axis=alt.Axis(ticks=False, domain=False, labelPadding=8),
    )
    x = alt.X("kept:Q", title=None, scale=span, axis=alt.Axis(tickCount=4, format=_whole(top)))
    color = alt.Color(
        "unit:N",
        title=None,
        scale=named_scale(units, COLORS),
        legend=alt.Legend(symbolType="square", symbolOpacity=1, columns=3),
    )
    base = inline(rows)
    edge = alt.Stroke("unit:N", scale=named_scale(units, COLORS), legend=None)  # the pale fill alone is hard to see
    entered = base.mark_bar(fillOpacity=0.22, strokeWidth=1, height=15).encode(
        y=y, x=alt.X("entered:Q", title=None, scale=span), color=color, stroke=edge
    )
    kept = base.mark_bar(height=15).encode(y=y, x=x, color=color)
    text = base.mark_text(align="left", dx=4).encode(y=y, x="end:Q", text="text:N")
    text = text.transform_calculate(end="max(datum.entered, datum.kept)")
    sheet = Sheet(("stage", "unit", "entered", "kept"), stages)
    return sized(alt.layer(entered, kept, text), sheet, step=24)


def histogram(series: dict[str, Sequence[float]], edges: Sequence[float], title: str, *, zero: bool = False) -> Plot:
    """Step outlines of counts over common bins.

    Args:
        series: Counts by name, one a bin.
        edges: One more than bins.
        title: The x axis: quantity and unit.
        zero: Mark zero with a line.
    """
    alt = require_extra("altair")
    rows = [
        # A step area ends at its last point, so the last bin is closed by a second one at its right edge.
        {"at": edge, "n": n, "series": cut(name, 30)}
        for name, counts in series.items()
        for edge, n in zip(edges, [*counts, counts[-1]], strict=True)
    ]
    names = [cut(name, 30) for name in series]
    legend = alt.Legend(symbolType="square", symbolOpacity=1) if len(names) > 1 else None
    most = max(max(counts) for counts in series.values())
    axis = alt.Axis(tickCount=6, tickMinStep=1, format=_whole(max(map(abs, edges))))
    x = alt.X("at:Q", title=title, scale=alt.Scale(nice=False, zero=False), axis=axis)
    y = alt.Y("n:Q", title="pairs", axis=alt.Axis(tickCount=4, format=_whole(most))).stack(None)
    color = alt.Color("series:N", title=None, scale=named_scale(names, COLORS), legend=legend)
    dash = alt.StrokeDash("series:N", scale=named_scale(names, DASHES), legend=None)
    base = inline(rows)
    fill = base.mark_area(interpolate="step-after", opacity=0.16).encode(x=x, y=y, color=color)
    outline = base.mark_line(interpolate="step-after", strokeWidth=1.6).encode(x=x, y=y, color=color, strokeDash=dash)
    layers = [fill, outline]
    if zero:
        layers.append(inline([{"at": 0}]).mark_rule(strokeDash=[4, 3], opacity=0.7).encode(x="at:Q"))
    bins = [
        (name, low, high, n)
        for name, counts in series.items()
        for low, high, n in zip(edges, edges[1:], counts, strict=False)
    ]
    return sized(alt.layer(*layers), Sheet(("series", f"{title}, from", "to", "pairs"), bins), height=190)


def forest(
    rows: Sequence[ForestRow],
    title: str,
    span: tuple[float, float] | None = None,
    names: tuple[str, str] = ("task", ""),
    mark: float = 0.0,
) -> Plot:
    """Values with their intervals, one row each, and a line at zero or another mark.

    Args:
        rows: In the order from top to bottom.
        title: The x axis: quantity and direction.
        span: Ends of the x axis; those of the data where None.
        names: What rows and second values are, for those who take the data.
        mark: Where the line stands that the values are held against.
    """
    alt = require_extra("altair")
    labels = told_apart([row.label for row in rows], 26)
    data = [
        {"row": i, "label": labels[i], "value": row.value, "tone": row.tone,
         "low": row.value if row.low is None else row.low, "high": row.value if row.high is None else row.high,
         "beside": row.beside}
        for i, row in enumerate(rows)
    ]  # fmt: skip
    tones = ["good", "bad", "open"]
    y = alt.Y(
        "label:N",
        sort=alt.EncodingSortField("row", op="min"),
        title=None,
        axis=alt.Axis(ticks=False, domain=False, labelPadding=8),
    )
    scale = alt.Scale(domain=list(span)) if span else alt.Scale(padding=10, zero=not mark)
    x = alt.X("low:Q", title=cut(title, 60), scale=scale, axis=alt.Axis(tickCount=5, format="~r"))
    color = alt.Color("tone:N", scale=named_scale(tones, (BLUE, ORANGE, GREY)), legend=None)
    shape = alt.Shape("tone:N", scale=named_scale(tones, ("circle", "square", "diamond")), legend=None)
    zero = inline([{"at": mark}]).mark_rule(opacity=0.6).encode(x="at:Q")
    lines = inline(data).mark_rule(strokeWidth=2.5).encode(y=y, x=x, x2="high:Q", color=color)
    dots = inline(data).mark_point(filled=True, size=75, opacity=1).encode(y=y, x="value:Q", color=color, shape=shape)
    others = [{**row, "value": row["beside"]} for row in data if row["beside"] is not None]
    rings = inline(others).mark_point(size=40, opacity=1, strokeWidth=1.3).encode(y=y, x="value:Q", color=color)
    seconds = names[1:] if others else ()
    cells = [(r.label, r.value, r.low, r.high, *((r.beside,) if others else ())) for r in rows]
    sheet = Sheet((names[0], title, "low (95 %)", "high (95 %)", *seconds), cells)
    return sized(alt.layer(zero, lines, *([rings] if others else []), dots), sheet, step=26)


def curves(points: Sequence[SeriesPoint], title: str) -> Plot:
    """Lines over training steps, one colour and dash a series; long ones as means of equal windows.

    Args:
        points: Of all lines.
        title: What the heights are, for those who take the data.
    """
    alt = require_extra("altair")
    names = list(dict.fromkeys(cut(point.series, 30) for point in points))[: len(COLORS)]
    rows = [{"x": p.x, "y": p.y, "series": cut(p.series, 30)} for p in _thinned(points) if cut(p.series, 30) in names]
    legend = alt.Legend(symbolType="stroke") if len(names) > 1 else None
    steps = alt.Axis(tickCount=5, format=_whole(max(point.x for point in points)))
    chart = inline(rows).mark_line(strokeWidth=1.8, clip=True, point=len(rows) <= 2).encode(
        x=alt.X("x:Q", title="step", scale=alt.Scale(zero=False, nice=False), axis=steps),
        y=alt.Y("y:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5, format="~r")),
        color=alt.Color("series:N", title=None, scale=named_scale(names, COLORS), legend=legend),
        strokeDash=alt.StrokeDash("series:N", title=None, scale=named_scale(names, DASHES), legend=legend),
    )  # fmt: skip
    return sized(chart, Sheet(("series", "step", title), [(p.series, p.x, p.y) for p in points]), height=190)


def _thinned(points: Sequence[SeriesPoint]) -> list[SeriesPoint]:
    """Each series as at most 300 points, each the mean of its window."""
    every: dict[str, list[SeriesPoint]] = {}
    for point in points:
        every.setdefault(point.series, []).append(point)
    found = []
    for name, own in every.items():
        if len(own) > _CURVE_POINTS:
            windows = np.array_split(np.array([(p.x, p.y) for p in own]), _CURVE_POINTS)
            own = [SeriesPoint(float(w[:, 0].mean()), float(w[:, 1].mean()), name) for w in windows]
        found += own
    return found


def panels(points: Sequence[PanelPoint], x_title: str, names_of: Sequence[str]) -> Plot:
    """Small multiples of curves with their bands, two panels a row on common axes, one colour and dash a series.

    Args:
        points: The curves; panels stand in the order of their first points.
        x_title: The common x axis.
        names_of: What panels, series, heights and the ends of their bands are, for those who take the data.
    """
    alt = require_extra("altair")
    order = list(dict.fromkeys(point.panel for point in points))
    labels = dict(zip(order, told_apart(order, 25), strict=True))
    names = list(dict.fromkeys(cut(point.series, 30) for point in points))[: len(COLORS)]
    rows = [
        {"row": order.index(p.panel), "panel": labels[p.panel], "series": cut(p.series, 30),
         "x": p.x, "y": p.y, "low": p.low, "high": p.high}
        for p in points if cut(p.series, 30) in names
    ]  # fmt: skip
    # The symbols would be as pale as the bands.
    legend = alt.Legend(symbolType="stroke", symbolOpacity=1, symbolStrokeWidth=2) if len(names) > 1 else None
    x = alt.X("x:Q", title=x_title, scale=alt.Scale(zero=False, nice=False), axis=alt.Axis(tickCount=4, format="~s"))
    y = alt.Y("low:Q", title=None, axis=alt.Axis(tickCount=4, format="~r"))
    color = alt.Color("series:N", title=None, scale=named_scale(names, COLORS), legend=legend)
    dash = alt.StrokeDash("series:N", title=None, scale=named_scale(names, DASHES), legend=legend)
    base = inline(rows)
    # One rule a panel: drawn once a point, the dashes would fall on each other and close.
    rules = base.transform_aggregate(at="min(row)", groupby=["panel", "row"]).transform_calculate(zero="0")
    zero = rules.mark_rule(strokeDash=[4, 3], opacity=0.5).encode(y="zero:Q")
    band = base.mark_area(opacity=0.2).encode(x=x, y=y, y2="high:Q", color=color)
    line = base.mark_line(strokeWidth=1.8).encode(x=x, y="y:Q", color=color, strokeDash=dash)
    layers = alt.layer(zero, band, line).properties(width=(WIDTH - 44) / 2, height=64)
    header = alt.Header(title=None, labelColor="currentColor", labelFontSize=11, labelPadding=3)
    facet = alt.Facet("panel:N", sort=alt.EncodingSortField("row", op="min"), header=header)
    panel, line_name, height, low, high = names_of
    cells: list[tuple[Value, ...]] = [(p.panel, p.series, p.x, p.y, p.low, p.high) for p in points]
    sheet = Sheet((panel, line_name, x_title, height, low, high), cells)
    return Plot(layers.facet(facet=facet, columns=2, spacing=12), sheet)
