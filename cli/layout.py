"""Tables laid out for a width: words wrap, names are cut in the middle, columns give way; numbers are never cut."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

GAP = 2
_NUMBERS = re.compile(r"[\d\s.,:%+\-–−±×→\[\]()*!<>=/~e]*")
# What a drawing has at least and at most; what is left of a name at first and in the end; where phrases begin to wrap.
_DRAWN = (9, 24)
_NAME, _LEAST_NAME, _PHRASE = 18, 10, 14

Kind = Literal["name", "words", "whole"]
Line = list[str]


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: Its head, which may wrap.
        drop: The column of the highest number gives way first where there is no room; 0 stays.
        kind: What becomes of its text where there is no room: a name is cut in the middle, words wrap, and what is to
            be copied stays whole. Columns of numbers are found by themselves.
    """

    name: str
    drop: int = 0
    kind: Kind = "name"


@dataclass(frozen=True, slots=True)
class Laid:
    """A table as lines.

    Attributes:
        head: The lines of the head, each as its cells; empty where rows are stacked.
        rows: The lines of all rows.
        width: Of a line, in columns of the screen.
        left_out: Names of the columns that gave way.
    """

    head: list[Line]
    rows: list[Line]
    width: int
    left_out: list[str]


class _Cells:
    """A column's cells and how wide it can be.

    Args:
        column: Its head and kind.
        cells: One a row: text, lines of text, or a mark.
    """

    def __init__(self, column: Column, cells: Sequence[Any], numbers: bool) -> None:
        self.column, self.cells = column, cells
        self.drawn = any(hasattr(cell, "draw") for cell in cells)
        texts = [line for cell in cells if not hasattr(cell, "draw") for line in lines_of(cell)]
        self.right = numbers and not self.drawn
        body = max(map(cells_of, texts), default=0)
        word = max((cells_of(word) for text in texts for word in text.split(" ")), default=0)
        head = max(map(cells_of, column.name.split(" ")))
        self.natural = max(cells_of(column.name), _DRAWN[1] if self.drawn else body)
        if self.drawn:
            least = soft = max(_DRAWN[0], body)
        elif self.right or column.kind == "whole":
            least = soft = body
        elif column.kind == "words":
            least, soft = word, max(word, min(body, _PHRASE))
        else:
            least, soft = min(body, _LEAST_NAME), min(body, _NAME)
        self.least, self.soft = max(head, least), max(head, soft)
        self.width = self.natural

    def lines(self, place: int) -> Line:
        """The lines of one cell, each of the column's width."""
        cell = self.cells[place]
        if hasattr(cell, "draw"):
            return [_padded(cell.draw(self.width), self.width, right=False)]
        wraps = self.column.kind == "words" and not self.right
        lines = [part for line in lines_of(cell) for part in (wrapped(line, self.width) if wraps else [line])]
        return [_padded(cut(line, self.width), self.width, right=self.right) for line in lines]

    def head(self) -> Line:
        """The lines of the head."""
        return [_padded(line, self.width, right=self.right) for line in wrapped(self.column.name, self.width)]


def cells_of(text: str) -> int:
    """The columns of a screen that a text takes."""
    from rich.cells import cell_len

    return cell_len(text)


def lines_of(cell: Any) -> Sequence[str]:
    """The lines of a cell of text."""
    return [cell] if isinstance(cell, str) else cell


def cut(text: str, width: int) -> str:
    """A text of at most so many columns; what is too long has … in its middle."""
    from rich.cells import set_cell_size

    if cells_of(text) <= width:
        return text
    head = (width - 1 + 1) // 2
    tail = width - 1 - head
    end = text[max(0, len(text) - tail) :] if tail else ""
    while cells_of(end) > tail:
        end = end[1:]
    return f"{set_cell_size(text, head).rstrip()}…{end}"


def lay_out(columns: Sequence[Column], rows: Sequence[Sequence[Any]], width: int | None) -> Laid:
    """Fit a table into a width.

    Args:
        columns: The columns.
        rows: Cells of text, of lines of text, or marks.
        width: Columns of the screen; None for a file, where lines may have any length.
    """
    held = [
        _Cells(column, [row[place] for row in rows], _is_numeric(place, rows)) for place, column in enumerate(columns)
    ]
    if width is None:
        return _table(held, len(rows), [])
    left_out: list[str] = []
    while not _fit(held, width, soft=True):
        gives = max(held, key=lambda column: column.column.drop)
        if not gives.column.drop:
            break
        held.remove(gives)
        left_out.append(gives.column.name)
    else:
        return _table(held, len(rows), left_out)
    if _fit(held, width, soft=False):
        return _table(held, len(rows), left_out)
    return _stack(columns, rows, width)


def _is_numeric(place: int, rows: Sequence[Sequence[Any]]) -> bool:
    """Whether a column holds numbers, intervals and dashes alone; the first one names the row."""
    texts = [row[place] for row in rows]
    return place > 0 and all(isinstance(text, str) and _NUMBERS.fullmatch(text) for text in texts)


def _fit(held: Sequence[_Cells], width: int, *, soft: bool) -> bool:
    """Narrow the columns, the widest first, until they fit; whether they do."""
    room = width - GAP * (len(held) - 1)
    for column in held:
        column.width = column.natural
    excess = sum(column.width for column in held) - room
    while excess > 0:
        wide = [column for column in held if column.width > (column.soft if soft else column.least)]
        if not wide:
            return False
        max(wide, key=_gives).width -= 1
        excess -= 1
    return True


def _gives(column: _Cells) -> tuple[bool, bool, int]:
    """Drawings and heads give way before words, and words before names; of each the widest."""
    return column.drawn or column.right, column.column.kind == "words", column.width


def _table(held: Sequence[_Cells], n: int, left_out: list[str]) -> Laid:
    heads = [column.head() for column in held]
    tall = max(map(len, heads))
    # Heads stand on the line, so that the last word is the one above the numbers.
    above = [[" " * column.width] * (tall - len(head)) + head for column, head in zip(held, heads, strict=True)]
    rows = [line for place in range(n) for line in _side_by_side(held, [column.lines(place) for column in held])]
    width = sum(column.width + GAP for column in held) - GAP
    return Laid(_side_by_side(held, above), rows, width, left_out)


def _side_by_side(held: Sequence[_Cells], cells: Sequence[Line]) -> list[Line]:
    """The lines of a row of which each cell has lines."""
    tall = max(map(len, cells))
    full = [lines + [" " * column.width] * (tall - len(lines)) for column, lines in zip(held, cells, strict=True)]
    return [list(line) for line in zip(*full, strict=True)]


def _stack(columns: Sequence[Column], rows: Sequence[Sequence[Any]], width: int) -> Laid:
    """Each row as lines of name and value, where not even the narrowest table fits."""
    names = max((cells_of(column.name) for column in columns[1:]), default=0)
    room = max(width - names - 2 * GAP, _LEAST_NAME)
    made: list[Line] = []
    for row in rows:
        made.append([cut(" ".join(lines_of(row[0])), width)])
        for column, cell in zip(columns[1:], row[1:], strict=True):
            texts = [cell.draw(room)] if hasattr(cell, "draw") else lines_of(cell)
            values = [part for text in texts for part in wrapped(text, room)]
            heads = [column.name, *[""] * (len(values) - 1)]
            made += [[" " * GAP + _padded(head, names, right=False), v] for head, v in zip(heads, values, strict=True)]
    return Laid([], made, width, [])


def wrapped(text: str, width: int) -> list[str]:
    """Lines that end between words; a word that is longer has one of its own."""
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and cells_of(lines[-1]) + 1 + cells_of(word) > width:
            lines.append(word)
        else:
            lines[-1] += f" {word}" if lines[-1] else word
    return lines


def _padded(text: str, width: int, *, right: bool) -> str:
    room = " " * max(0, width - cells_of(text))
    return room + text if right else text + room
