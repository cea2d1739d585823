"""What people see, on standard error: notes, warnings, tables, progress. Plain text when it is no terminal."""

from __future__ import annotations

import sys
import time
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
def sampling_progress(
    total: int | None, unit: str = "chats", troubles: Callable[[], str] = str
) -> Iterator[tuple[Callable[[int], None], Callable[[int], None]]]:
    """A bar with tokens a second; yields (tokens drawn, units done) callbacks, and sums up in one line at the end.

    Args:
        total: Units, where that is known.
        unit: Their name.
        troubles: What went wrong so far, for the bar and the line; empty where nothing did.
    """
    begun = time.monotonic()
    counts = {"tokens": 0, "done": 0}
    with _bar(total, unit, troubles) as update:

        def tokens(n: int) -> None:
            counts["tokens"] += n
            update(0, f"{counts['tokens'] / max(time.monotonic() - begun, 1e-9):,.0f} tokens/s")

        def done(n: int) -> None:
            counts["done"] += n
            update(n, None)

        yield tokens, done
    seconds = time.monotonic() - begun
    rate = counts["tokens"] / max(seconds, 1e-9)
    said = f"{counts['done']:,} {unit}, {counts['tokens']:,} tokens in {seconds:,.1f} s ({rate:,.0f} tokens/s)"
    note(", ".join(filter(None, (said, troubles()))))


@contextmanager
def progress(total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
    """A bar that counts units, on a terminal only."""
    with _bar(total, unit) as update:
        yield lambda n: update(n, None)


@contextmanager
def _bar(
    total: int | None, unit: str, troubles: Callable[[], str] = str
) -> Iterator[Callable[[int, str | None], None]]:
    if not sys.stderr.isatty():
        yield lambda n, text: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        RenderableColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn(unit), TextColumn("{task.fields[info]}"))
    said = RenderableColumn(_Said(troubles))
    with Progress(*columns, said, TimeElapsedColumn(), TimeRemainingColumn(), console=stderr(), transient=True) as bar:
        task = bar.add_task("", total=total, info="")

        def update(n: int, text: str | None) -> None:
            bar.update(task, advance=n)
            if text is not None:
                bar.update(task, info=text)

        yield update


class _Said:
    """Words of the bar that are asked for anew whenever it is drawn."""

    def __init__(self, say: Callable[[], str]) -> None:
        self._say = say

    def __rich__(self) -> str:
        return self._say()
