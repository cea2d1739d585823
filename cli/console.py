"""What people see, on standard error: notes, warnings, tables, progress. Plain text when it is no terminal."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


@cache
def stderr() -> Console:
    """The console on standard error; rich is imported on first use."""
    from rich.console import Console

    # A pipe or a log file has no width of its own. Without `emoji=False` the text "a:-1:" becomes a picture.
    width = None if sys.stderr.isatty() else 120
    return Console(stderr=True, highlight=False, emoji=False, soft_wrap=True, width=width)


def command_line() -> str:
    """The command that runs, as it could be typed again."""
    return shlex.join(["divtool", *sys.argv[1:]])


def note(text: str) -> None:
    """One line of what goes on."""
    _line(text, "dim")


def warn(text: str) -> None:
    """One line that deserves a look."""
    _line(f"warning: {text}", "yellow")


def error(text: str) -> None:
    """The one line of a run that failed."""
    _line(f"error: {' '.join(text.split())}", "bold red")


def _line(text: str, style: str) -> None:
    # `markup=False`: the text may hold a user's brackets.
    stderr().print(clean(text), style=style, markup=False)


def clean(text: str) -> str:
    """Text without control characters: model output must not steer a terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table; numbers to the right."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    view = Table(
        title=escape(clean(title)), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for place, column in enumerate(columns):
        numeric = place > 0 and all(isinstance(row[place], (int, float)) or row[place] is None for row in rows)
        view.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        view.add_row(*(escape(clean(shown(value))) for value in row))
    stderr().print(view, soft_wrap=False)


def shown(value: Any) -> str:
    """A value as a table shows it."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def bars(counts: Sequence[int]) -> str:
    """Counts as a line of block characters."""
    blocks, most = "▁▂▃▄▅▆▇█", max(counts, default=0) or 1
    return "".join(blocks[round((len(blocks) - 1) * n / most)] if n else " " for n in counts)


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
    with Progress(*columns, console=stderr(), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda n: bar.advance(task, n)
