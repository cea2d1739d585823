"""What people see, on standard error: notes, warnings, tables, progress. Plain text when it is no terminal."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from ..core.training.processes import COMMAND
from .cleaning import ascii_only, clean
from .layout import GAP, Column, Laid, cut, lay_out, wrapped

if TYPE_CHECKING:
    from rich.console import Console

# A bar does not take over what others write: rich would read it for colours and links.
ASIDE: Mapping[str, Any] = {"redirect_stdout": False, "redirect_stderr": False}
# Numbers nearer to 0 are rounding.
_ROUNDING = 1e-12
_MOST_IN_CELL = 200
# What a verdict says is said by its word; the colour, one of the terminal's own, only helps to find it.
_TONES = {
    "pass": "green", "warn": "yellow", "fail": "red", "better": "green", "worse": "red", "undecided": "yellow",
    "more diverse": "green", "less diverse": "red", "not worse": "green",
}  # fmt: skip


@cache
def stderr() -> Console:
    """The console on standard error; rich is imported on first use."""
    return _console(stderr=True)


@cache
def stdout() -> Console:
    """The console on standard output, for lists that are asked for."""
    return _console(stderr=False)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    # Without `emoji=False` the text "a:-1:" becomes a picture.
    return Console(stderr=stderr, highlight=False, emoji=False, markup=False, soft_wrap=True)


def command_line() -> str:
    """The command that runs, as it could be typed again."""
    return os.environ.get(COMMAND) or shlex.join(["divtool", *sys.argv[1:]])


def arguments() -> list[str]:
    """The command line behind the program's name, with what has been taken out of it."""
    debug = ["--debug"] if "--debug" in sys.orig_argv else []
    return [*sys.argv[1:], *debug]


def note(text: str) -> None:
    """One line of what goes on."""
    _line(text, "dim")


def result(text: str) -> None:
    """One line of what was found."""
    _line(text, "")


def paste(lines: Sequence[str]) -> None:
    """Lines to put into a file of another program: as they are, indented, one a line."""
    for line in lines:
        body = line.lstrip(" ")
        _print(stderr(), " " * (len(line) - len(body)) + clean(body))


def warn(text: str) -> None:
    """One line that deserves a look."""
    _line(f"warning: {text}", "yellow")


def error(text: str) -> None:
    """The one line of a run that failed."""
    _line(f"error: {text}", "bold red")


def _line(text: str, style: str) -> None:
    _print(stderr(), clean(text), style)


def _print(console: Console, text: str, style: str = "") -> None:
    console.print(_shown_on(console, text), style=style)


def _shown_on(console: Console, text: str) -> str:
    """A text in the characters of a console."""
    return text if console.encoding.startswith("utf") else ascii_only(text)


def table(title: str, columns: Sequence[str | Column], rows: Sequence[Sequence[Any]]) -> None:
    """A table on standard error; numbers to the right.

    Args:
        title: What it is about.
        columns: Heads, or columns that say what they do where there is little room.
        rows: Cells: values, lists of lines, or marks.
    """
    print_table(stderr(), title, columns, rows)


def print_table(console: Console, title: str, columns: Sequence[str | Column], rows: Sequence[Sequence[Any]]) -> None:
    """A table on a console: as wide as a terminal is, as wide as it needs elsewhere."""
    width = _width(console)
    laid = _laid(console, columns, rows)
    if title:
        _print_title(console, clean(title, _MOST_IN_CELL), width)
    for line in laid.head:
        if any(map(str.strip, line)):
            _print(console, (" " * GAP).join(line).rstrip(), "bold")
    if laid.head and width is not None:
        _print(console, "─" * laid.width, "dim")
    for line in laid.rows:
        _print_row(console, line)
    if laid.left_out:
        left_out = wrapped(f"(no room for: {', '.join(laid.left_out)})", console.width)
        _print(console, "\n".join(left_out), "dim")
    console.print()


def fits(columns: Sequence[str | Column], rows: Sequence[Sequence[Any]]) -> bool:
    """Whether a table has room on standard error without its rows being stacked."""
    return bool(_laid(stderr(), columns, rows).head)


def _width(console: Console) -> int | None:
    return console.width if console.file.isatty() else None


def _laid(console: Console, columns: Sequence[str | Column], rows: Sequence[Sequence[Any]]) -> Laid:
    known = [column if isinstance(column, Column) else Column(clean(column, _MOST_IN_CELL)) for column in columns]
    return lay_out(known, [[_cell(console, value) for value in row] for row in rows], _width(console))


def _print_title(console: Console, title: str, width: int | None) -> None:
    if width is None:
        _print(console, title, "bold")
        return
    for place, line in enumerate(wrapped(title, width - GAP)):
        # Set in, so that no name can begin a line of its own.
        _print(console, " " * GAP * (place > 0) + cut(line, width - GAP), "bold")


def _print_row(console: Console, cells: Sequence[str]) -> None:
    from rich.text import Text

    if len(cells) == 1:  # It heads a stacked row.
        _print(console, cells[0], "bold")
        return
    text = Text(" " * GAP).join([Text(_shown_on(console, cell), _TONES.get(cell.strip(), "")) for cell in cells])
    text.rstrip()
    console.print(text)


def _cell(console: Console, value: Any) -> Any:
    """A value as a table lays it out."""
    if hasattr(value, "draw"):
        return value
    if isinstance(value, list):
        return [_cell(console, line) for line in value]
    return _shown_on(console, clean(shown(value), _MOST_IN_CELL))


def shown(value: Any) -> str:
    """A value as a table shows it: three digits of a float, or all before the point."""
    if value is None:
        return "–"
    if not isinstance(value, float):
        return str(value)
    if abs(value) < _ROUNDING:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    three = f"{value:#.3g}"
    return f"{value:.3g}" if "e" in three else three


@contextmanager
def progress(total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
    """A bar that counts units, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda n: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn(unit), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr(), transient=True, **ASIDE) as bar:
        task = bar.add_task("", total=total)
        yield lambda n: bar.advance(task, n)
