"""What people see while responses are drawn: how far the run is, how fast it goes, how long it still takes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from . import console
from .cleaning import clean

if TYPE_CHECKING:
    from rich.table import Table

# Columns of the bar: so many at most, and a share of the terminal, so that the words fit beside it.
_BAR, _SHARE = 20, 8
_LIVE: Mapping[str, Any] = {"refresh_per_second": 10, **console.ASIDE}


def _none_there() -> int:
    return 0


class SamplingBar:
    """A bar on a terminal, drawn anew a few times a second, and one line at the end anywhere.

    Args:
        total: Units to be drawn in all, those of an interrupted run included; None where that is not known.
        unit: Their name.
        each: Units a prompt, which come prompt by prompt; 0 where prompts are not shown.
        troubles: What went wrong so far, in a few words; empty where nothing did.
    """

    def __init__(
        self, total: int | None, unit: str = "chats", *, each: int = 0, troubles: Callable[[], str] = str
    ) -> None:
        self._total, self._unit, self._each, self._troubles = total, unit, each, troubles
        self._there: Callable[[], int] = _none_there
        self._tokens = self._done = 0
        self._begun = self._latest = time.monotonic()

    def tokens(self, n: int) -> None:
        """So many more tokens were drawn."""
        self._tokens += n

    def done(self, n: int) -> None:
        """So many more units are done."""
        self._done += n
        self._latest = time.monotonic()

    @contextmanager
    def shown(self, there: Callable[[], int] = _none_there) -> Iterator[None]:
        """Show the bar while the block runs, and sum up when it ends without an error.

        Args:
            there: How many units of an interrupted run were found so far.
        """
        self._there, self._begun = there, time.monotonic()
        if sys.stderr.isatty():
            from rich.live import Live

            with Live(get_renderable=self.frame, console=console.stderr(), transient=True, **_LIVE):
                yield
        else:
            yield
        console.note(self.summary())

    def frame(self) -> Table:
        """The bar as it is now."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        now = time.monotonic()
        width = min(_BAR, console.stderr().width // _SHARE)
        bar = ProgressBar(self._total or None, self._there() + self._done, width, animation_time=now)
        words = [*self._counts(), self._speed(now), self._time(now), self._troubles()]
        view = Table.grid(padding=(0, 2))
        view.add_row(bar, Text("  ".join(map(clean, filter(None, words))), no_wrap=True, overflow="ellipsis"))
        return view

    def summary(self) -> str:
        """The line at the end."""
        now, there = time.monotonic(), self._there()
        drawn = f"{self._done:,} {self._unit}"
        if there:
            drawn = f"{self._done:,} new {self._unit} ({there:,} were there)"
        prompts = f"{(there + self._done) // self._each:,} prompts" if self._each else ""
        took = f"{self._tokens:,} tokens in {now - self._begun:,.1f} s ({self._speed(now)})"
        return ", ".join(filter(None, (prompts, drawn, took, self._troubles())))

    def _counts(self) -> list[str]:
        """Prompts and units so far, of how many."""
        whole, total = self._there() + self._done, self._total
        parts = [(self._each, "prompts")] if self._each else []
        parts += [(1, self._unit)] if self._each != 1 else []
        return [f"{whole // n:,}{'' if total is None else f'/{total // n:,}'} {unit}" for n, unit in parts]

    def _speed(self, now: float) -> str:
        return f"{self._tokens / max(now - self._begun, 1e-9):,.0f} tokens/s"

    def _time(self, now: float) -> str:
        """How long it still takes, by what this run has drawn; until that is known, how long it has taken."""
        if self._total is None or not self._done:
            return _clock(now - self._begun)
        rest = self._total - self._there() - self._done
        left = rest * (self._latest - self._begun) / self._done - (now - self._latest)
        return f"{_clock(max(left, 0))} left"


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


@contextmanager
def sampling_progress(total: int | None, unit: str) -> Iterator[tuple[Callable[[int], None], Callable[[int], None]]]:
    """The same as two callbacks, (tokens drawn, units done)."""
    bar = SamplingBar(total, unit)
    with bar.shown():
        yield bar.tokens, bar.done
