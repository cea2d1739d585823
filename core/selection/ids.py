"""Names of many prompts in little memory, and their alphabetical order."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .kept import extend

Ints = NDArray[np.int64]
_WORD = 8  # bytes that one comparison looks at


class Ids:
    """Texts as one array of bytes, with the place where each ends."""

    def __init__(self) -> None:
        self._bytes, self._ends = array("B"), array("q")

    def __len__(self) -> int:
        return len(self._ends)

    def add(self, text: str) -> None:
        """Add one."""
        self._bytes.frombytes(text.encode())
        self._ends.append(len(self._bytes))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What there is, to be kept."""
        return {"id_bytes": np.array(self._bytes), "id_ends": np.array(self._ends)}

    def absorb(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Add those of another part."""
        extend(self._ends, arrays["id_ends"] + len(self._bytes))
        extend(self._bytes, arrays["id_bytes"])

    def ranks(self) -> Ints:
        """The rank of each among all by its characters, equal texts in the order in which they came, [texts].

        No text is taken apart from the others: all are sorted by their first eight bytes, then those that are equal so
        far by the next eight, and so on. The order of bytes in UTF-8 is that of the characters.
        """
        ends = np.array(self._ends)
        starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
        ranks = np.zeros(len(ends), dtype=np.int64)
        tied = np.arange(len(ends))
        depth = 0
        while len(tied):
            words, left = self._words(starts[tied] + depth, ends[tied])
            # A text that ends sooner comes first; what ends here and is equal stays in the order of the input.
            order = np.lexsort((tied, left, words, ranks[tied]))
            told, places = tied[order], np.arange(len(tied))
            groups, words, left = ranks[told], words[order], left[order]
            of_group = groups[1:] == groups[:-1]
            same = of_group & (words[1:] == words[:-1]) & (left[1:] == left[:-1]) & (left[1:] > _WORD)
            # What is told apart now counts those of its group that stand before it.
            ranks[told] = groups + _last(places, ~same) - _last(places, ~of_group)
            tied = told[np.concatenate([same, [False]]) | np.concatenate([[False], same])]
            depth += _WORD
        return ranks

    def _words(self, starts: Ints, ends: Ints) -> tuple[NDArray[np.uint64], Ints]:
        """The next eight bytes of some texts as a number, zeros behind the end; and how many are left, up to nine."""
        left = np.clip(ends - starts, 0, _WORD + 1)
        content = np.asarray(self._bytes)
        words = np.zeros(len(starts), dtype=np.uint64)
        for place in range(_WORD):
            there = left > place
            own = np.zeros(len(starts), dtype=np.uint64)
            own[there] = content[starts[there] + place]
            words = (words << np.uint64(8)) | own
        return words, left


def _last(places: Ints, begins: NDArray[np.bool_]) -> Ints:
    """The place of the run that each belongs to; `begins` tells for all but the first whether a run begins there."""
    found: Ints = np.maximum.accumulate(np.where(np.concatenate([[True], begins]), places, 0))
    return found
