"""Lines from 0 on: over temperature, over passes of training; and rows of small ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .canvas import Canvas, fitted, text_width, ticks
from .charts import BLUE, COLORS, ORANGE, WIDTH
from .text import number

_DASHES = (None, "6 3", "2 2", "8 2 2 2")
_LEFT, _TOP, _HIGH = 34.0, 26.0, 150.0
_LABEL, _ROW = 124.0, 30.0

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


def lines(drawn: Sequence[Line], x_title: str, mark: float | None = None, least: float = 1.0) -> Canvas:
    """Up to four lines on one axis from 0.

    Args:
        drawn: The lines.
        x_title: The x axis.
        mark: An x that is pointed out.
        least: The axis ends here, or further up where the data do.
    """
    places = [x for line in drawn for x, _ in line.points]
    low, high = min(places, default=0.0), max(places, default=1.0)
    top = max(least, *(y for line in drawn for _, y in line.points)) or 1.0
    canvas = Canvas(WIDTH, _TOP + _HIGH + 38)
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


def small_lines(rows: Sequence[Small]) -> Canvas:
    """TV and valid mass of each row from 0 to 1, with their last values."""
    left = min(_LABEL, max((text_width(fitted(row.label, _LABEL, tail=True)) for row in rows), default=0.0)) + 8
    wide = (WIDTH - left) / 2 - 40
    canvas = Canvas(WIDTH, 20 + _ROW * len(rows) + 4)
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
