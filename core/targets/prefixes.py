"""Probabilities of the beginnings of a number's text, without writing the numbers out.

The values that begin with a prefix are a few intervals of integers; G at their ends gives their mass.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import regex

if TYPE_CHECKING:
    import numpy as np

    from .laws import Law

END = ""
"""The symbol that ends a number: every other one is a single character."""

SYMBOLS = (*"0123456789", ".", "-")

_PREFIX = regex.compile(r"(-?)(?:(0|[1-9][0-9]*)(?:(\.)([0-9]*))?)?")


def _intervals(law: Law, prefix: str) -> list[tuple[int, int]]:
    """The values, in steps, whose text begins with a prefix: half-open, none of them empty."""
    form = _PREFIX.fullmatch(prefix)
    if form is None:
        return []
    sign, whole, point, behind = form.groups()
    limit = max(abs(law.low), abs(law.high)) + 1
    if whole is None:
        sizes = [(0, limit)]
    elif point:
        sizes = _fixed(law, whole, behind)
    else:
        sizes = _open(law, whole, limit)
    if sign:
        found = [(1 - high, 1 - max(low, 1)) for low, high in sizes]
    else:
        found = [*sizes, (-limit, 0)] if whole is None else sizes
    return [(low, high) for low, high in found if low < high]


def _fixed(law: Law, whole: str, behind: str) -> list[tuple[int, int]]:
    """Sizes that begin with these integer digits, the point and these decimals."""
    left = law.decimals - len(behind)
    if not law.decimals or left < 0:
        return []
    first = int(whole + behind)
    return [(first * 10**left, (first + 1) * 10**left)]


def _open(law: Law, whole: str, limit: int) -> list[tuple[int, int]]:
    """Sizes whose integer digits begin so; none follow a zero."""
    first, found = int(whole), []
    step = int(10**law.decimals)
    while first * step < limit:
        found.append((first * step, (first + 1) * step))
        if not first:
            break
        step *= 10
    return found


def complete(law: Law, text: str) -> int | None:
    """The value, in steps, that a text writes in full; None where it is not the canonical text of any."""
    form = _PREFIX.fullmatch(text)
    if form is None or form[2] is None or len(form[4] or "") != law.decimals or bool(form[3]) != bool(law.decimals):
        return None
    size = int(form[2] + (form[4] or ""))
    return None if form[1] and not size else -size if form[1] else size


def masses(law: Law, prefixes: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The probability that a value's text begins with each prefix.

    Args:
        law: The law.
        prefixes: Beginnings of texts; "" is every value's. One that begins no number has mass 0.

    Returns:
        float64, one a prefix, 0 to 1.
    """
    return _interval_masses(law, [_intervals(law, prefix) for prefix in prefixes])


def _interval_masses(law: Law, sets: Sequence[list[tuple[int, int]]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    import numpy as np

    ends = [end - 1 for intervals in sets for pair in intervals for end in pair]
    below = law.cumulative(ends) if ends else np.zeros(0)
    each = below[1::2] - below[::2]
    owner = np.repeat(np.arange(len(sets)), [len(intervals) for intervals in sets])
    found = np.zeros(len(sets))
    np.add.at(found, owner, np.maximum(each, 0.0))
    return found


def next_symbols(law: Law, prefix: str) -> dict[str, float]:
    """The law of the symbol behind a prefix: probabilities by symbol, `END` where the number ends there.

    Symbols that cannot follow are left out; the rest sums to 1. Empty where the prefix begins no number.
    """
    found = _followers(law, prefix)
    total = sum(found.values())
    return {symbol: mass / total for symbol, mass in found.items()}


def _followers(law: Law, prefix: str) -> dict[str, float]:
    """The mass of each symbol behind a prefix, where it is above 0."""
    k = complete(law, prefix)
    sets = [[] if k is None else [(k, k + 1)], *(_intervals(law, prefix + symbol) for symbol in SYMBOLS)]
    each = _interval_masses(law, sets).tolist()
    return {symbol: mass for symbol, mass in zip((END, *SYMBOLS), each, strict=True) if mass > 0}


@dataclass(frozen=True, slots=True)
class Node:
    """A beginning of the law's texts.

    Attributes:
        prefix: The symbols so far.
        mass: The probability of the texts that begin so.
        followers: The mass of each symbol behind it, `END` among them; they sum to `mass`.
    """

    prefix: str
    mass: float
    followers: dict[str, float]


def heaviest(law: Law, count: int) -> list[Node]:
    """The heaviest prefixes, the empty one first; a prefix comes behind the one it extends.

    Args:
        law: The law.
        count: How many; fewer where the law has no more.
    """
    waiting: list[tuple[float, str]] = [(-1.0, "")]
    found: list[Node] = []
    while waiting and len(found) < count:
        mass, prefix = heapq.heappop(waiting)
        node = Node(prefix, -mass, _followers(law, prefix))
        found.append(node)
        for symbol, share in node.followers.items():
            if symbol != END:
                heapq.heappush(waiting, (-share, prefix + symbol))
    return found
