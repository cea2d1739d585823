"""Thin columns of a long ordered set of answers, its target as a line, anything else at the right."""

from __future__ import annotations

from .audit_charts import HEAD, PALE, axis_end, bar, draw_break, draw_legend, has_rings, law_sheet, tick_label
from .audit_rows import AuditRow, Option
from .canvas import Canvas, fitted, ticks
from .charts import BLUE, ORANGE, WIDTH
from .text import percent

_LEFT, _ASIDE, _HIGH = 40.0, 34.0, 140.0
_FOOT = HEAD + _HIGH + 10
_SPAN = WIDTH - _LEFT - _ASIDE - 12
_LABELS = 5


def columns(row: AuditRow) -> Canvas:
    """A column an option from left to right; with a baseline, its pale one behind."""
    options, top = row.drawn, axis_end(row)
    wide, scale = _SPAN / len(options), _HIGH / top
    canvas = Canvas(WIDTH, _FOOT + 22, law_sheet(row))
    draw_legend(canvas, row)
    for at in ticks(top):
        y = _FOOT - scale * at
        canvas.line(_LEFT, y, WIDTH, y, opacity=0.12)
        canvas.text(_LEFT - 6, y + 4, tick_label(at, top), anchor="end")
    for i, option in enumerate(options):
        share = option.p / row.valid if has_rings(row) else None
        _column(canvas, option, (_LEFT + wide * i, wide, scale), share)
    corners = [(_LEFT + wide * (i + end), _FOOT - scale * o.target) for i, o in enumerate(options) for end in (0, 1)]
    canvas.path(corners, color=ORANGE, width=1.3)
    _rest(canvas, row, top)
    for i in sorted({round(k * (len(options) - 1) / (_LABELS - 1)) for k in range(_LABELS)}):
        label = fitted(options[i].text, _SPAN / _LABELS)
        canvas.text(_LEFT + wide * (i + 0.5), _FOOT + 14, label, anchor="middle")
    canvas.text(WIDTH - 2, _FOOT + 14, "else", anchor="end")
    canvas.line(_LEFT, _FOOT, WIDTH, _FOOT, opacity=0.35)
    return canvas


def _column(canvas: Canvas, option: Option, place: tuple[float, float, float], share: float | None) -> None:
    x, wide, scale = place
    inset, middle = 0.0, x + wide * 0.475
    if option.before is not None:
        inset = wide * 0.22
        bar(canvas, (x, _FOOT - scale * option.before, wide * 0.95, scale * option.before), PALE)
    canvas.rect(x + inset, _FOOT - scale * option.p, wide * 0.95 - 2 * inset, scale * option.p, BLUE)
    if option.low is not None and option.high is not None and option.high > option.low:
        canvas.line(middle, _FOOT - scale * option.low, middle, _FOOT - scale * option.high, width=0.8)
    if share is not None:
        canvas.dot(middle, _FOOT - scale * share, 1.2)


def _rest(canvas: Canvas, row: AuditRow, top: float) -> None:
    rest, low, high = row.rest
    left, wide, scale = WIDTH - _ASIDE, _ASIDE - 6, _HIGH / top
    half = wide / 2
    sides = [(row.rest_before, left, half - 1, PALE), (rest, left + half + 1, half - 1, None)]
    for share, at, width, opacity in sides if row.before is not None else [(rest, left, wide, None)]:
        tall = scale * min(share, top)
        canvas.hatch(at, _FOOT - tall, width, tall, opacity)
        if share > top:
            draw_break(canvas, at + width / 2, _FOOT - 0.8 * tall, width, flat=True)
    if min(high, top) > low:
        canvas.line(left + half, _FOOT - scale * low, left + half, _FOOT - scale * min(high, top), width=1.2)
    canvas.text(
        left + wide, _FOOT - scale * min(top, max(high, row.rest_before)) - 3, percent(rest), anchor="end"
    )  # fmt: skip
