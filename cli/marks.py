"""Numbers drawn with characters: bars, intervals beside zero, histograms; as wide as a table has room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

_EIGHTHS = " ▏▎▍▌▋▊▉"
_LEVELS = "▁▂▃▄▅▆▇█"


class Mark(Protocol):
    """What is drawn in a cell of a table."""

    def draw(self, width: int) -> str:
        """The characters, `width` of them at most."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar from 0, with a mark where it ought to end.

    Attributes:
        share: Its length, 0 to 1 of the width.
        target: Place of the mark, 0 to 1; None for none.
    """

    share: float
    target: float | None = None

    def draw(self, width: int) -> str:
        """The bar, to an eighth of a character; what is not nothing is seen. The last character is for the mark."""
        room = width - 1
        eighths = round(min(max(self.share, 0.0), 1.0) * room * 8)
        whole, part = divmod(max(eighths, 1) if self.share > 0 else 0, 8)
        cells = list(("█" * whole + _EIGHTHS[part]).ljust(width)[:width])
        if self.target is not None:
            cells[round(min(max(self.target, 0.0), 1.0) * room)] = "│"
        return "".join(cells).rstrip()


@dataclass(frozen=True, slots=True)
class Span:
    """An interval with its middle on an axis with a mark.

    Attributes:
        low: Lower end.
        value: The middle.
        high: Upper end.
        zero: Where the mark is.
        ends: Both ends of the axis.
    """

    low: float
    value: float
    high: float
    zero: float
    ends: tuple[float, float]

    @classmethod
    def around_zero(cls, low: float, value: float, high: float) -> Span:
        """A difference, on an axis of its own that has 0 in the middle: does the interval leave 0 out?"""
        most = max(abs(low), abs(value), abs(high))
        return cls(low, value, high, 0.0, (-most, most))

    def draw(self, width: int) -> str:
        """The axis; whichever side of the mark an end is on is kept, however near it is."""
        width -= 1 - width % 2
        start, end = self.ends
        at = [round((x - start) / ((end - start) or 1) * (width - 1)) for x in (self.low, self.value, self.high)]
        zero = round((self.zero - start) / ((end - start) or 1) * (width - 1))
        places = [self._beside(x, place, zero) for x, place in zip((self.low, self.value, self.high), at, strict=True)]
        cells = ["─" if places[0] <= place <= places[2] else " " for place in range(width)]
        cells[zero] = "┼" if cells[zero] == "─" else "│"
        cells[places[1]] = "●"
        return "".join(cells).rstrip()

    def _beside(self, x: float, place: int, zero: int) -> int:
        if place != zero or x == self.zero:
            return place
        return place + (1 if x > self.zero else -1) if self.ends[0] < self.zero < self.ends[1] else place


def histogram(counts: Sequence[int]) -> str:
    """Counts as a line of block characters, `·` for none."""
    most = max(counts, default=0) or 1
    return "".join(_LEVELS[round((len(_LEVELS) - 1) * n / most)] if n else "·" for n in counts)
