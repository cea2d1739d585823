"""Columns over many pairs in a few bytes a pair: numbers of which some are unknown, and how texts begin."""

from __future__ import annotations

import heapq
from array import array
from collections import Counter
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..jsonl import short_hash

Floats = NDArray[np.float64]

_LEADERS = 32


class Column:
    """A number a pair.

    Args:
        kind: "d", or "i" for whole numbers below 2^31.
    """

    def __init__(self, kind: Literal["d", "i"] = "d") -> None:
        self._values: array[Any] = array(kind)
        self.unknown = 0

    def append(self, value: Any) -> None:
        """Add the next; what is no number is unknown."""
        known = isinstance(value, (int, float))
        self.unknown += not known
        self._values.append(value if known else 0)

    @property
    def last(self) -> float:
        """The latest, 0 where it is unknown."""
        return float(self._values[-1])

    def filled(self) -> Floats:
        """All of them, 0 for the unknown, [pairs]."""
        return np.array(self._values, dtype=np.float64)

    def known(self) -> Floats | None:
        """All of them, [pairs]; None where one is unknown."""
        return None if self.unknown else self.filled()


class Largest:
    """The few largest of many numbers, each with a name; of equal ones the first.

    Args:
        most: How many.
    """

    def __init__(self, most: int) -> None:
        self._most, self._seen = most, 0
        self._found: list[tuple[float, int, str]] = []

    def add(self, value: float, name: str) -> None:
        """Look at the next."""
        entry = (value, -self._seen, name)
        self._seen += 1
        (heapq.heappush if len(self._found) < self._most else heapq.heappushpop)(self._found, entry)

    def found(self) -> list[tuple[float, str]]:
        """Values and names, the largest first."""
        return [(value, name) for value, _, name in sorted(self._found, reverse=True)]


def in_order_of_appearance(values: NDArray[Any]) -> NDArray[np.intp]:
    """Equal values as one number, counted from 0 in the order in which they first appear, [n]."""
    _, first, codes = np.unique(values, return_index=True, return_inverse=True)
    numbers: NDArray[np.intp] = np.argsort(np.argsort(first))
    return numbers[codes]


class Openings:
    """The first words of many texts: a hash of each, and the words themselves of those that many texts share."""

    def __init__(self) -> None:
        self._hashes = array("Q")
        # After Misra and Gries (1982): what more than one text in 33 begins with is among these, whatever the order.
        self._leaders: Counter[str] = Counter()

    def append(self, opening: str) -> None:
        """Add that of the next text."""
        self._hashes.append(short_hash(opening))
        if opening in self._leaders or len(self._leaders) < _LEADERS:
            self._leaders[opening] += 1
        else:
            self._leaders = Counter({words: n - 1 for words, n in self._leaders.items() if n > 1})

    def count(self, opening: str) -> int:
        """How many texts begin so."""
        return int((self._all() == np.uint64(short_hash(opening))).sum())

    def frequent(self, share: float) -> list[tuple[str, int]]:
        """Openings of more than a share of the texts and how many begin so; the most frequent first.

        Args:
            share: 0.04 or more: rarer openings are not remembered.
        """
        hashes = self._all()
        told = []
        for opening in self._leaders:
            places = np.flatnonzero(hashes == np.uint64(short_hash(opening)))
            if len(places) > share * len(hashes):
                told.append((-len(places), int(places[0]), opening))
        return [(opening, -n) for n, _, opening in sorted(told)]

    def lead(self, other: Openings) -> int:
        """The most by which the texts of one opening outnumber those of the other side, or are outnumbered."""
        _, codes = np.unique(np.concatenate([self._all(), other._all()]), return_inverse=True)
        ahead = np.bincount(codes[: len(self._hashes)], minlength=int(codes.max()) + 1)
        behind = np.bincount(codes[len(self._hashes) :], minlength=len(ahead))
        return int(np.abs(ahead - behind).max())

    def _all(self) -> NDArray[np.uint64]:
        return np.array(self._hashes)
