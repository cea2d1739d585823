"""Charts of Diversity Deciles: how full each tenth is, and the edges of a map along the length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .canvas import Canvas, fitted, text_width, ticks
from .charts import BLUE, COLORS, GREY, WIDTH, inline, named_scale, sized
from .sheet import Sheet
from .svg import Plot, require_extra
from .text import percent

RUNS = 4  # that one picture can tell apart
_LEFT, _HIGH, _ROW = 40.0, 130.0, 16.0
_UNIFORM = 0.1
_POINTS = 150  # lengths of a line
_KINDS = ("median", "10 % and 90 %", "the other tenths")


def tenths(runs: Mapping[str, Sequence[float]]) -> Canvas:
    """Columns of the share of responses in each tenth, the runs side by side, and a line at a tenth.

    Args:
        runs: Ten shares each; the first four are drawn, all are in the data.
    """
    drawn = dict(list(runs.items())[:RUNS])
    top = 1.06 * max(_UNIFORM, *(share for shares in drawn.values() for share in shares))
    head = _ROW * len(drawn) + 8
    foot, wide = head + _HIGH, (WIDTH - _LEFT) / 10
    cells = [(run, i + 1, share) for run, shares in runs.items() for i, share in enumerate(shares)]
    canvas = Canvas(WIDTH, foot + 36, Sheet(("run", "decile", "share of the responses (0 to 1)"), cells))
    for at in ticks(top):
        y = foot - _HIGH * at / top
        canvas.line(_LEFT, y, WIDTH, y, opacity=0.12)
        canvas.text(_LEFT - 6, y + 4, percent(at), anchor="end")
    each = (wide - 5) / len(drawn)
    for k, (run, shares) in enumerate(drawn.items()):
        canvas.rect(0, _ROW * k, 9, 9, COLORS[k])
        canvas.text(13, _ROW * k + 9, fitted(run, WIDTH - 20))
        for i, share in enumerate(shares):
            tall = _HIGH * share / top
            canvas.rect(_LEFT + wide * i + 2.5 + each * k, foot - tall, max(1.0, each - 0.7), tall, COLORS[k])
    y = foot - _HIGH * _UNIFORM / top
    canvas.line(_LEFT, y, WIDTH, y, dash="4 3", width=1.3)
    for i in range(10):
        canvas.text(_LEFT + wide * (i + 0.5), foot + 14, str(i + 1), anchor="middle")
    label = "decile (10: most diverse)"
    canvas.text(_LEFT + (WIDTH - _LEFT - text_width(label)) / 2, foot + 31, label)
    canvas.line(_LEFT, foot, WIDTH, foot, opacity=0.35)
    return canvas


def bounds(rows: Sequence[tuple[float, Sequence[float]]], title: str) -> Plot:
    """The nine edges of the tenths along the length.

    Args:
        rows: Word count and nine edges, by length.
        title: What the edges are of.
    """
    alt = require_extra("altair")
    step = max(1, -(-len(rows) // _POINTS))
    shown = [*rows[::step], *(rows[-1:] if (len(rows) - 1) % step else [])]
    data: list[dict[str, Any]] = [
        {"x": length, "y": edge, "edge": k, "kind": _KINDS[0 if k == 4 else 1 if k in {0, 8} else 2]}
        for length, edges in shown
        for k, edge in enumerate(edges)
    ]
    legend = alt.Legend(symbolType="stroke", columns=3)
    x = alt.X("x:Q", title="words", scale=alt.Scale(zero=False, nice=False), axis=alt.Axis(tickCount=5, format="~s"))
    chart = inline(data).mark_line(strokeWidth=1.5, point=len(rows) == 1).encode(
        x=x,
        y=alt.Y("y:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5, format="~r")),
        color=alt.Color("kind:N", title=None, scale=named_scale(_KINDS, (BLUE, COLORS[1], GREY)), legend=legend),
        strokeDash=alt.StrokeDash("kind:N", scale=named_scale(_KINDS, ([1, 0], [6, 3], [1, 0])), legend=None),
        detail="edge:N",
    )  # fmt: skip
    cells = [(length, *edges) for length, edges in rows]
    return sized(chart, Sheet(("words", *(f"{title}, {k}0 %" for k in range(1, 10))), cells), height=180)
