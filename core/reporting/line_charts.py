"""Lines from 0 on: over temperature, over passes of training; and rows of small ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .canvas import Canvas, fitted, text_width, ticks
from .charts import BLUE, COLORS, ORANGE, WIDTH
from .sheet import Sheet, Value
from .text import number

_DASHES = (None, "6 3", "2 2", "8 2 2 2")
_LEFT, _TOP, _HIGH = 34.0, 26.0, 150.0
_LABEL, _ROW = 124.0, 30.0
_POINTS = 60  # of a line

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Line:
    """A named line; its points stand in the order of x."""

    name: str
    points: Points


@dataclass(frozen=True, slots=True)
class Small:
    """A row of small lines: one of TV, one of valid mass."""

    label: str
    tv: Points
    valid: Points


def lines(
    given: Sequence[Line], x_title: str, y_name: str = "value", mark: float | None = None, least: float = 1.0
) -> Canvas:
    """Up to four lines on one axis from 0, each through at most sixty of its points.

    Args:
        given: The lines.
        x_title: The x axis.
        y_name: What the heights are, for those who take the data.
        mark: An x that is pointed out.
        least: The axis ends here, or further up where the data do.
    """
    drawn = [Line(line.name, thinned(line.points)) for line in given]
    places = [x for line in drawn for x, _ in line.points]
    low, high = min(places, default=0.0), max(places, default=1.0)
    top = max(least, *(y for line in drawn for _, y in line.points)) or 1.0
    sheet = Sheet(("line", x_title, y_name), [(line.name, x, y) for line in given for x, y in line.points])
    canvas = Canvas(WIDTH, _TOP + _HIGH + 38, sheet)
    across, foot = (WIDTH - _LEFT - 8) / ((high - low) or 1.0), _TOP + _HIGH
    for at in ticks(top):
        y = foot - _HIGH * at / top
        canvas.line(_LEFT, y, WIDTH - 8, y, opacity=0.12)
        canvas.text(_LEFT - 6, y + 4, f"{at:.6g}", anchor="end")
    for at in _between(low, high):
        canvas.text(_LEFT + across * (at - low), foot + 15, f"{at:g}", anchor="middle")
    canvas.text((WIDTH + _LEFT) / 2, foot + 32, x_title, anchor="middle")
    if mark is not None:
        canvas.line(_LEFT + across * (mark - low), _TOP, _LEFT + across * (mark - low), foot, opacity=0.6, dash="4 3")
    x = 0.0
    for line, color, dash in zip(drawn, COLORS, _DASHES, strict=False):
        points = [(_LEFT + across * (x - low), foot - _HIGH * y / top) for x, y in line.points]
        _stroke(canvas, points, color, dash)
        canvas.line(x, 8, x + 16, 8, color=color, width=2, dash=dash)
        canvas.text(x + 20, 12, line.name)
        x += 32 + text_width(line.name)
    canvas.line(_LEFT, foot, WIDTH - 8, foot, opacity=0.35)
    return canvas


def thinned(points: Points) -> Points:
    """At most sixty of the points, the first and the last among them."""
    if len(points) <= _POINTS:
        return points
    return [points[round(i * (len(points) - 1) / (_POINTS - 1))] for i in range(_POINTS)]


def small_lines(given: Sequence[Small]) -> Canvas:
    """TV and valid mass of each row from 0 to 1, with their last values."""
    rows = [Small(row.label, thinned(row.tv), thinned(row.valid)) for row in given]
    left = min(_LABEL, max((text_width(fitted(row.label, _LABEL, tail=True)) for row in rows), default=0.0)) + 8
    wide = (WIDTH - left) / 2 - 40
    canvas = Canvas(WIDTH, 20 + _ROW * len(rows) + 4, _sheet(given))
    starts = (left, left + wide + 40)
    for x, name in zip(starts, ("TV", "valid mass"), strict=True):
        canvas.text(x, 11, name, opacity=0.8)
    for i, row in enumerate(rows):
        foot = 20 + _ROW * (i + 1) - 4
        canvas.text(left - 8, foot - 7, fitted(row.label, left - 8, tail=True), anchor="end")
        for x, points, color in zip(starts, (row.tv, row.valid), (ORANGE, BLUE), strict=True):
            canvas.line(x, foot, x + wide, foot, opacity=0.3)
            if points:
                across = wide / ((points[-1][0] - points[0][0]) or 1.0)
                tall = (_ROW - 8) / max(1.0, *(y for _, y in points))
                _stroke(canvas, [(x + across * (at - points[0][0]), foot - tall * y) for at, y in points], color, None)
                canvas.text(x + wide + 4, foot - 3, number(points[-1][1], 2))
    return canvas


def _sheet(rows: Sequence[Small]) -> Sheet:
    cells: list[tuple[Value, ...]] = []
    for row in rows:
        tv, valid = dict(row.tv), dict(row.valid)
        cells += [(row.label, at, tv.get(at), valid.get(at)) for at in sorted({*tv, *valid})]
    return Sheet(("prompt", "pass", "TV", "valid mass"), cells)


def _stroke(canvas: Canvas, points: Points, color: str, dash: str | None) -> None:
    """The line; a dot where there is one point only."""
    if len(points) == 1:
        canvas.dot(*points[0], 2.5, color)
    elif points:
        canvas.path(points, color=color, width=1.8, dash=dash)


def _between(low: float, high: float) -> list[float]:
    """Round numbers of an axis that need not begin at 0."""
    if high <= low:
        return [low]
    step = ticks(high - low, 5)[1]
    first = -(-low // step)
    return [step * (first + i) for i in range(int((high + 1e-9 * step) // step - first) + 1)]
