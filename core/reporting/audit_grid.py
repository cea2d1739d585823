"""Grids of shaded cells: tasks by wordings with their verdicts, contents by positions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .canvas import Canvas, fitted, text_width
from .charts import BLUE, GREY, ORANGE, WIDTH
from .sheet import Sheet, Value

TONES = {"pass": BLUE, "warn": GREY, "fail": ORANGE}
_STEP, _HEAD, _LABEL, _LEAST = 20.0, 22.0, 130.0, 16.0
_FAINT, _FULL = 0.12, 0.5  # a cell's shade; the page's ink stays readable on both


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a grid.

    Attributes:
        text: What stands in it.
        value: The number behind it; None where it has none.
        shade: 0 to 1.
        tone: A colour.
    """

    text: str
    value: float | None
    shade: float
    tone: str = BLUE


@dataclass(frozen=True, slots=True)
class GridRow:
    """A row of a grid, or with no cells at all the heading of those that follow; None for a cell left empty."""

    label: str
    cells: Sequence[Cell | None] = ()


def grid(columns: Sequence[str], rows: Sequence[GridRow], names: tuple[str, str, str]) -> Canvas:
    """Cells with their texts, shaded by their values.

    Args:
        columns: Their names.
        rows: From top to bottom.
        names: What rows, columns and numbers are, for those who take the data.
    """
    widest = max((text_width(fitted(row.label, _LABEL)) for row in rows), default=0.0)
    left = min(_LABEL, widest) + 8
    wide = min(64.0, (WIDTH - left) / max(1, len(columns)))
    canvas = Canvas(WIDTH, _HEAD + _STEP * len(rows) + 4, _sheet(columns, rows, names))
    every = max(1, math.ceil(_LEAST / wide))  # narrow columns: not each has its name, and no cell its text
    for j, name in list(enumerate(columns))[::every]:
        canvas.text(
            left + wide * (j + 0.5), _HEAD - 7, fitted(name, max(wide - 3, _LEAST)), anchor="middle", opacity=0.8
        )
    for i, row in enumerate(rows):
        y = _HEAD + _STEP * i
        if not row.cells:
            canvas.text(0, y + 15, fitted(row.label, WIDTH), weight="bold")
            continue
        canvas.text(left - 6, y + 14, fitted(row.label, left - 8), anchor="end")
        for j, cell in enumerate(row.cells):
            if cell is not None:
                shade = _FAINT + (_FULL - _FAINT) * min(1.0, max(0.0, cell.shade))
                canvas.rect(left + wide * j + 1, y + 1, max(1.0, wide - 2), _STEP - 2, cell.tone, shade)
                if text_width(cell.text) <= wide:
                    canvas.text(left + wide * (j + 0.5), y + 14, cell.text, anchor="middle")
    return canvas


def _sheet(columns: Sequence[str], rows: Sequence[GridRow], names: tuple[str, str, str]) -> Sheet:
    """A row a cell."""
    cells: list[tuple[Value, ...]] = [
        (row.label, column, cell.value, cell.text)
        for row in rows
        for column, cell in zip(columns, row.cells, strict=False)
        if cell is not None
    ]
    return Sheet((*names, "as shown"), cells)
