"""The chart of two measures against each other: runs with their intervals, a curve of settings, lines to read by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import dist
from statistics import median
from typing import Any

from .charts import BLUE, GREY, inline, named_scale, sized
from .sheet import Sheet, Value
from .svg import Plot, require_extra
from .text import cut

Ends = tuple[float, float]
Box = tuple[float, float, float, float]  # left, right, top, bottom

_WIDTH, _HEIGHT = 290, 240  # of the plot without its axes, in pixels; the width is near enough to set labels by
_LETTER, _LINE, _GAP = 6.0, 13, 8
_LABEL = 18  # characters
MOST_NAMES = 14  # beside points
_SHIFTS = (-9, 11, -23, 25, -37, 39, -51, 53, -65, 67, -79, 81)
_SHAPES = {"run": "circle", "baseline": "diamond", "setting": "triangle-up"}
_SIZES = {"run": 80, "baseline": 130, "setting": 28}
# Lines beyond this multiple of the runs' own span would press the runs together.
_FARTHEST = 2.5


@dataclass(frozen=True, slots=True)
class Point:
    """A run in the plane.

    Attributes:
        label: What stands beside it.
        x: Its value to the right.
        y: Its value upwards.
        x_ends: Interval, or None.
        y_ends: Likewise.
        kind: "run", "baseline" or "setting", a point of the baseline's curve.
        hollow: Drawn as a ring: another run is better on both axes.
        curve: Of a setting, which curve it belongs to.
    """

    label: str
    x: float
    y: float
    x_ends: Ends | None = None
    y_ends: Ends | None = None
    kind: str = "run"
    hollow: bool = False
    curve: str = ""


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis: its title, and whether it is turned, so that lower values stand farther right or up."""

    title: str
    turned: bool = False


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where values lie in pixels, from the left and from the top."""

    x: Ends
    y: Ends
    turned: tuple[bool, bool]

    def place(self, x: float, y: float) -> tuple[float, float]:
        right = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return _WIDTH * (1 - right if self.turned[0] else right), _HEIGHT * (up if self.turned[1] else 1 - up)

    def value(self, left: float, top: float) -> tuple[float, float]:
        right, up = left / _WIDTH, 1 - top / _HEIGHT
        right, up = (1 - right if self.turned[0] else right), (1 - up if self.turned[1] else up)
        return self.x[0] + right * (self.x[1] - self.x[0]), self.y[0] + up * (self.y[1] - self.y[0])


def near(points: Sequence[Point], lines: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """The lines that can be drawn with the points and leave them room."""
    low, high = _span([end for point in points for end in _ends(point.y, point.y_ends)])
    reach = _FARTHEST * (high - low)
    return [(label, y) for label, y in lines if low - reach <= y <= high + reach]


def plane(points: Sequence[Point], lines: Sequence[tuple[str, float]], x: Axis, y: Axis) -> Plot:
    """Points with crosses, joined where they are settings of one curve, over horizontal lines.

    Args:
        points: At least one.
        lines: Labels and heights, as `near` gives them.
        x: The axis to the right.
        y: The axis upwards.
    """
    alt = require_extra("altair")
    xs = [end for point in points for end in _ends(point.x, point.x_ends)]
    ys = [end for point in points for end in _ends(point.y, point.y_ends)] + [height for _, height in lines]
    frame = _Frame(_padded(xs), _padded(ys), (x.turned, y.turned))
    to_right = alt.X(
        "x:Q", title=cut(x.title, 60), axis=alt.Axis(tickCount=5, format="~r"),
        scale=alt.Scale(domain=list(frame.x), nice=False, zero=False, reverse=x.turned),
    )  # fmt: skip
    up = alt.Y(
        "y:Q", title=cut(y.title, 44), axis=alt.Axis(tickCount=5, format="~r"),
        scale=alt.Scale(domain=list(frame.y), nice=False, zero=False, reverse=y.turned),
    )  # fmt: skip
    layers = [
        *_lines(frame, lines, to_right, up),
        *_curves(points, to_right, up),
        *_crosses(points, to_right, up),
        _marks(points, to_right, up),
        *_labels(frame, _named(frame, points), [frame.place(0, height)[1] for _, height in lines], to_right, up),
    ]
    return sized(alt.layer(*layers), _sheet(points, lines, x, y), height=_HEIGHT)


def _sheet(points: Sequence[Point], lines: Sequence[tuple[str, float]], x: Axis, y: Axis) -> Sheet:
    """The points with their intervals, and the lines."""
    none = (None, None)
    rows: list[tuple[Value, ...]] = [
        (p.label, p.kind, p.x, *(p.x_ends or none), p.y, *(p.y_ends or none)) for p in points
    ]
    rows += [(label, "reference", None, *none, height, *none) for label, height in lines]
    head = [name + end for name in (x.title, y.title) for end in ("", ", low (95 %)", ", high (95 %)")]
    return Sheet(("run", "kind", *head), rows)


def _ends(value: float, ends: Ends | None) -> list[float]:
    return [value, *(ends or ())]


def _span(values: Sequence[float]) -> Ends:
    """The ends of some values; those of a single value lie a little apart."""
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.05 * (abs(low) or 1), high + 0.05 * (abs(high) or 1))


def _padded(values: Sequence[float]) -> Ends:
    low, high = _span(values)
    return low - 0.08 * (high - low), high + 0.08 * (high - low)


def _lines(frame: _Frame, lines: Sequence[tuple[str, float]], x: Any, y: Any) -> list[Any]:
    if not lines:
        return []
    left = frame.value(0, 0)[0]
    rows = [{"x": left, "y": height, "text": cut(label, _LABEL)} for label, height in lines]
    rules = inline(rows).mark_rule(strokeDash=[4, 3], opacity=0.6).encode(y=y)
    texts = inline(rows).mark_text(align="left", baseline="bottom", dx=3, dy=-1, fontSize=10)
    return [rules, texts.encode(x=x, y=y, text="text:N")]


def _curves(points: Sequence[Point], x: Any, y: Any) -> list[Any]:
    alt = require_extra("altair")
    rows = [
        {"x": p.x, "y": p.y, "row": i, "curve": cut(p.curve, 30)}
        for i, p in enumerate(points) if p.kind == "setting"
    ]  # fmt: skip
    if not rows:
        return []
    line = inline(rows).mark_line(color=GREY, strokeWidth=1.6)
    return [line.encode(x=x, y=y, order="row:Q", detail=alt.Detail("curve:N"))]


def _crosses(points: Sequence[Point], x: Any, y: Any) -> list[Any]:
    flat = [
        {"x": p.x_ends[0], "to": p.x_ends[1], "y": p.y} for p in points if p.x_ends is not None and p.kind != "setting"
    ]
    tall = [
        {"x": p.x, "y": p.y_ends[0], "to": p.y_ends[1]} for p in points if p.y_ends is not None and p.kind != "setting"
    ]
    drawn = []
    if flat:
        drawn.append(inline(flat).mark_rule(color=GREY).encode(x=x, x2="to:Q", y=y))
    if tall:
        drawn.append(inline(tall).mark_rule(color=GREY).encode(x=x, y=y, y2="to:Q"))
    return drawn


def _marks(points: Sequence[Point], x: Any, y: Any) -> Any:
    alt = require_extra("altair")
    kinds = list(_SHAPES)
    rows = [{"x": p.x, "y": p.y, "kind": p.kind, "size": _SIZES[p.kind], "fill": 0 if p.hollow else 1} for p in points]
    shape = alt.Shape("kind:N", scale=named_scale(kinds, list(_SHAPES.values())), legend=None)
    color = named_scale(kinds, (BLUE, GREY, GREY))
    size = alt.Size("size:Q", scale=None, legend=None)
    fill = alt.FillOpacity("fill:Q", scale=alt.Scale(domain=[0, 1], range=[0, 1]), legend=None)
    marks = inline(rows).mark_point(opacity=1, strokeWidth=1.8)
    return marks.encode(
        x=x, y=y, shape=shape, size=size, fillOpacity=fill,
        fill=alt.Fill("kind:N", scale=color, legend=None), stroke=alt.Stroke("kind:N", scale=color, legend=None),
    )  # fmt: skip


def _named(frame: _Frame, points: Sequence[Point]) -> list[Point]:
    """The points that have room for a name: the baseline, those of the front, those that stand apart from the rest."""
    if len(points) <= MOST_NAMES:
        return list(points)
    places = {i: frame.place(point.x, point.y) for i, point in enumerate(points)}
    middle = [median(place[k] for place in places.values()) for k in (0, 1)]
    ranked = sorted(places, key=lambda i: (points[i].kind != "baseline", points[i].hollow, -dist(places[i], middle)))
    return [points[i] for i in sorted(ranked[:MOST_NAMES])]


def _labels(frame: _Frame, points: Sequence[Point], lines: Sequence[float], x: Any, y: Any) -> list[Any]:
    places = [frame.place(point.x, point.y) for point in points]
    taken = [(0.0, _LETTER * _LABEL * 0.7, top - _LINE - 2, top) for top in lines]
    found = set_labels(places, [cut(point.label, _LABEL) for point in points], taken)
    layers = []
    leaders = []
    for side in ("left", "right"):
        rows = []
        for (left, top), text, (at, height, align) in zip(places, (p.label for p in points), found, strict=True):
            if align != side:
                continue
            label_x, label_y = frame.value(at, height)
            rows.append({"x": label_x, "y": label_y, "text": cut(text, _LABEL)})
            if abs(height - top) > _LINE:
                begin_x, begin_y = frame.value(left, top)
                leaders.append({"x": begin_x, "y": begin_y, "x2": label_x, "y2": label_y})
        if rows:
            texts = inline(rows).mark_text(align=side, baseline="middle", fontSize=10.5)
            layers.append(texts.encode(x=x, y=y, text="text:N"))
    if leaders:
        rules = inline(leaders).mark_rule(opacity=0.35).encode(x=x, y=y, x2="x2:Q", y2="y2:Q")
        layers.insert(0, rules)
    return layers


def set_labels(
    places: Sequence[tuple[float, float]], texts: Sequence[str], taken: Sequence[Box] = ()
) -> list[tuple[float, float, str]]:
    """Where labels stand so that none lies on another or on a point, as far as there is room.

    Args:
        places: The points in pixels, from the left and the top.
        texts: Their labels.
        taken: What else is in the way.

    Returns:
        For each its x, its middle's y, and "left" or "right", the end of the text that lies at x.
    """
    full = [*taken, *((left - 5, left + 5, top - 5, top + 5) for left, top in places)]
    found: dict[int, tuple[float, float, str]] = {}
    for i in sorted(range(len(places)), key=lambda i: (places[i][1], places[i][0], i)):
        left, top = places[i]
        width = _LETTER * len(texts[i])
        sides = ("left", "right") if left + _GAP + width <= _WIDTH else ("right", "left")
        options = [(side, top + shift) for shift in _SHIFTS for side in sides]
        inside = [(side, height) for side, height in options if 5 <= height <= _HEIGHT - 5] or options
        side, height = min(inside, key=lambda option: _cost(_box(left, width, *option), abs(option[1] - top), full))
        full.append(_box(left, width, side, height))
        found[i] = (left + _GAP if side == "left" else left - _GAP, height, side)
    return [found[i] for i in range(len(places))]


def _box(left: float, width: float, side: str, height: float) -> Box:
    begin = left + _GAP if side == "left" else left - _GAP - width
    return begin, begin + width, height - _LINE / 2, height + _LINE / 2


def _cost(box: Box, away: float, taken: Sequence[Box]) -> float:
    """How much of a box is taken or lies outside of the picture, in square pixels, and how far it is from its point."""
    outside = max(0.0, -box[0]) + max(0.0, box[1] - _WIDTH)
    common = 0.0
    for other in taken:
        wide = min(box[1], other[1]) - max(box[0], other[0])
        high = min(box[3], other[3]) - max(box[2], other[2])
        common += max(0.0, wide) * max(0.0, high)
    return common + outside * _LINE + away
