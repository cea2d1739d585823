"""Charts of many dots or bars on named rows: values by unit, shares of values, rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .charts import BLUE, COLORS, GREY, ORANGE, inline, named_scale, sized, told_apart
from .sheet import Sheet, Value
from .svg import Plot, require_extra
from .text import cut

_STRIP = 50  # pixels a row
_MIDDLE = 0.08  # of the dots, below that of the row: its label stands above them
_GOLDEN = 0.618034  # steps of the golden ratio spread dots evenly
_SHAPES = ("diamond", "circle", "square", "triangle-up", "cross")
_SHADES = (GREY, *COLORS[:4])


@dataclass(frozen=True, slots=True)
class Strip:
    """A row of dots.

    Attributes:
        label: What stands above it.
        values: A dot each, by name: of a prompt or block.
        mean: Their mean, or None.
        low: Low end of its interval, or None.
        high: High end.
    """

    label: str
    values: Sequence[tuple[str, float]]
    mean: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """A value's share in a run."""

    value: str
    run: str
    share: float


@dataclass(frozen=True, slots=True)
class Rate:
    """Two shares of one row, of which the second holds the first."""

    label: str
    inner: float | None
    outer: float | None


def strips(rows: Sequence[Strip], title: str, sign: int, most: int) -> Plot:
    """Dots on rows, each with the mean and its interval, and a line at zero.

    Args:
        rows: From top to bottom.
        title: The x axis: quantity and direction.
        sign: 1 or -1 for dots that are good above or below zero; 0 for dots that are neither, without the line.
        most: At most so many dots a row, evenly taken from all in their order of size.
    """
    alt = require_extra("altair")
    every = [x for row in rows for x in (*(v for _, v in row.values), row.mean, row.low, row.high) if x is not None]
    least = min([*every, 0.0] if sign else every, default=0.0)
    labels = [{"x": least, "y": i - 0.36, "text": cut(row.label, 44)} for i, row in enumerate(rows)]
    x = alt.X("x:Q", title=cut(title, 60), scale=alt.Scale(padding=8, zero=False),
              axis=alt.Axis(tickCount=5, format="~r"))  # fmt: skip
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[-0.5, len(rows) - 0.5], nice=False, reverse=True))
    tones = ["good", "bad", "none"]
    color = alt.Color("tone:N", scale=named_scale(tones, (BLUE, ORANGE, GREY)), legend=None)
    shape = alt.Shape("tone:N", scale=named_scale(tones, ("circle", "square", "circle")), legend=None)
    fill = alt.Fill("tone:N", scale=named_scale(tones, (BLUE, ORANGE, GREY)), legend=None)
    dots = inline(_dots(rows, sign, most)).mark_point(size=20, fillOpacity=0.35, opacity=1, strokeWidth=1)
    layers = [dots.encode(x=x, y=y, color=color, fill=fill, shape=shape)]
    if sign:
        layers.insert(0, inline([{"x": 0}]).mark_rule(opacity=0.6).encode(x=x))
    means, ends = _means(rows)
    layers.append(inline(means).mark_rule(strokeWidth=2.5).encode(x=x, y=y, y2="to:Q"))
    layers.append(inline(ends).mark_rule(strokeWidth=2.5).encode(x=x, y=y, x2="to:Q"))
    layers.append(inline(labels).mark_text(align="left", fontSize=11).encode(x=x, y=y, text="text:N"))
    cells: list[tuple[Value, ...]] = [
        (row.label, name, value, row.mean, row.low, row.high) for row in rows for name, value in row.values
    ]
    head = ("run", "prompt or block", title, "mean of the run", "low (95 %)", "high (95 %)")
    return sized(alt.layer(*layers), Sheet(head, cells), height=_STRIP * len(rows))


def _dots(rows: Sequence[Strip], sign: int, most: int) -> list[dict[str, Any]]:
    """The dots of each row, spread over its height so that few lie on each other."""
    return [
        {
            "x": value,
            "y": i + 0.42 * (k * _GOLDEN % 1 - 0.5) + _MIDDLE,
            "tone": "none" if not sign or value == 0 else "good" if value * sign > 0 else "bad",
        }
        for i, row in enumerate(rows)
        for k, value in enumerate(thinned([value for _, value in row.values], most))
    ]


def thinned(values: Sequence[float], most: int) -> list[float]:
    """The values in their order of size, or as many of them as may be, evenly taken by rank, with both ends."""
    ranked = sorted(values)
    if len(ranked) <= most:
        return ranked
    return [ranked[round(k * (len(ranked) - 1) / (most - 1))] for k in range(most)]


def _means(rows: Sequence[Strip]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The upright lines of the means, and the flat ones of their intervals."""
    known = [(i + _MIDDLE, row) for i, row in enumerate(rows) if row.mean is not None]
    means = [{"x": row.mean, "y": at - 0.24, "to": at + 0.24} for at, row in known]
    ends = [{"x": row.low, "y": at, "to": row.high} for at, row in known if None not in (row.low, row.high)]
    return means, ends


def shares(rows: Sequence[Share], values: Sequence[str]) -> Plot:
    """Shares of values as marks on a row each, one shape and colour a run, five runs at most.

    Args:
        rows: Runs take shapes and colours in the order of their first rows.
        values: The values from top to bottom.
    """
    alt = require_extra("altair")
    runs = list(dict.fromkeys(row.run for row in rows))[: len(_SHAPES)]
    labels = dict(zip(values, told_apart(values, 24), strict=True))
    names = dict(zip(runs, told_apart(runs, 30), strict=True))
    data = [
        {"row": values.index(row.value), "value": labels[row.value], "run": names[row.run], "share": row.share}
        for row in rows if row.run in names
    ]  # fmt: skip
    y = alt.Y(
        "value:N",
        sort=alt.EncodingSortField("row", op="min"),
        title=None,
        axis=alt.Axis(ticks=False, domain=False, grid=True, labelPadding=8),
    )
    top = max((row.share for row in rows), default=1.0)
    scale = alt.Scale(domain=[0, min(1.0, top * 1.1) or 1.0], nice=False)
    x = alt.X("share:Q", title="share of the values", scale=scale, axis=alt.Axis(tickCount=3, format=".0~%"))
    # One legend for both: their scales have one domain.
    legend = alt.Legend(symbolOpacity=1) if len(runs) > 1 else None
    order = list(names.values())
    shape = alt.Shape("run:N", title=None, scale=named_scale(order, _SHAPES), legend=legend)
    color = alt.Color("run:N", title=None, scale=named_scale(order, _SHADES), legend=legend)
    marks = inline(data).mark_point(filled=True, size=70, opacity=0.95)
    sheet = Sheet(("value", "run", "share of the values (0 to 1)"), [(r.value, r.run, r.share) for r in rows])
    return sized(marks.encode(x=x, y=y, shape=shape, color=color), sheet, step=22)


def rates(rows: Sequence[Rate], names: tuple[str, str]) -> Plot:
    """Bars of rates from 0 to 1: the outer pale, the inner full.

    Args:
        rows: From top to bottom.
        names: What the inner and the outer rates are, for those who take the data.
    """
    alt = require_extra("altair")
    labels = told_apart([row.label for row in rows], 26)
    data = [
        {"row": i, "label": labels[i], "inner": row.inner or 0.0, "outer": row.outer or 0.0}
        for i, row in enumerate(rows)
    ]  # fmt: skip
    y = alt.Y(
        "label:N",
        sort=alt.EncodingSortField("row", op="min"),
        title=None,
        axis=alt.Axis(ticks=False, domain=False, labelPadding=8),
    )
    scale = alt.Scale(domain=[0, 1], nice=False)
    x = alt.X("outer:Q", title=None, scale=scale, axis=alt.Axis(tickCount=5, format=".0%"))
    base = inline(data)
    outer = base.mark_bar(fillOpacity=0.3, height=13, color=BLUE, stroke=BLUE, strokeWidth=1).encode(y=y, x=x)
    inner = base.mark_bar(height=13, color=BLUE).encode(y=y, x=alt.X("inner:Q", title=None, scale=scale))
    sheet = Sheet(("row", *names), [(row.label, row.inner, row.outer) for row in rows])
    return sized(alt.layer(outer, inner), sheet, step=22)
