"""Signals: scores with a share and a direction, as a user writes them: "a,b:2,-c"."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import isfinite

from ..errors import UsageError

# The two arms of the reference together.
DEFAULT_SIGNALS = "semantic_deviation,style_deviation"


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal.

    Attributes:
        name: Key in `scores`.
        share: Its lambda, 0 or more.
        sign: -1 where less is better.
    """

    name: str
    share: float = 1.0
    sign: int = 1


@cache
def parse_signals(text: str) -> tuple[Signal, ...]:
    """The signals of a list such as ``semantic_deviation,style_deviation:2,-mean_logprob``.

    Raises:
        UsageError: No name, a name twice, or a share that is no number of 0 or more.
    """
    signals = tuple(_signal(part.strip()) for part in text.split(",") if part.strip())
    names = [signal.name for signal in signals]
    if not names or len(set(names)) < len(names):
        raise UsageError(f"--signals {text}: name each signal once, such as {DEFAULT_SIGNALS}")
    return signals


def _signal(part: str) -> Signal:
    name, colon, share = part.partition(":")
    bare = name.strip().removeprefix("-").strip()
    try:
        value = float(share) if colon else 1.0
    except ValueError:
        value = -1.0
    if not bare or value < 0 or not isfinite(value):
        raise UsageError(f"--signals {part}: NAME, -NAME or NAME:LAMBDA, with a lambda of 0 or more")
    return Signal(bare, value, -1 if name.strip().startswith("-") else 1)
