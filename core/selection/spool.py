"""What the first pass keeps: a few numbers a candidate in memory, the records on disk."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from ..jsonl import Record
from ..passes import Store
from .balance import Candidates
from .ids import Ids
from .kept import extend
from .pieces import Pieces
from .proposals import Proposed

_RECORDS = "records.jsonl"


class Spool:
    """Groups of records on disk, one line each."""

    def __init__(self) -> None:
        self._lines = Pieces()
        self._ends = array("q")
        self._ids = Ids()

    def __len__(self) -> int:
        return len(self._ends)

    def add(self, records: Sequence[Record]) -> None:
        """Keep the clean records of a prompt."""
        self._ids.add(records[0]["prompt_id"])
        self._lines.write(orjson.dumps(records, option=orjson.OPT_APPEND_NEWLINE))
        self._ends.append(self._lines.size)

    def group(self, number: int) -> list[Record]:
        """The records of a prompt; nothing may be added after the first call."""
        start = self._ends[number - 1] if number else 0
        records: list[Record] = orjson.loads(self._lines.read(start, self._ends[number] - start))
        return records

    def ranks(self) -> NDArray[np.int64]:
        """The rank of each prompt's id among all, for ties."""
        return self._ids.ranks()

    def keep(self, store: Store) -> dict[str, NDArray[Any]]:
        """Write the records; what else is to be kept of them, as arrays."""
        self._lines.keep(store, _RECORDS)
        return {"ends": np.array(self._ends), **self._ids.arrays()}

    def absorb(self, store: Store, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Add the groups of another part."""
        ends = arrays["ends"]
        extend(self._ends, ends + self._lines.size)
        self._ids.absorb(arrays)
        self._lines.absorb(store, _RECORDS, int(ends[-1]) if len(ends) else 0)

    def close(self) -> None:
        """Give the disk space back."""
        self._lines.close()


class Columns:
    """The numbers of each candidate that passed the rules on one pair, in flat arrays."""

    def __init__(self) -> None:
        self._prompt, self._chosen, self._rejected = array("i"), array("i"), array("i")
        self._dlen, self._bar, self._gaps = array("d"), array("d"), array("d")

    def __len__(self) -> int:
        return len(self._prompt)

    def add(self, prompt: int, pair: Proposed, chosen: int, rejected: int) -> None:
        """Keep a candidate: the number of its prompt, and the places of its sides among the prompt's records."""
        self._prompt.append(prompt)
        self._chosen.append(chosen)
        self._rejected.append(rejected)
        self._dlen.append(pair.dlen)
        self._bar.append(pair.bar)
        self._gaps.extend(pair.gaps)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What there is, to be kept."""
        return {name: np.array(column) for name, column in self._named().items()}

    def absorb(self, arrays: Mapping[str, NDArray[Any]], before: int) -> None:
        """Add the candidates of another part.

        Args:
            arrays: As `arrays` gave them there.
            before: How many prompts there were before.
        """
        for name, column in self._named().items():
            extend(column, arrays[name] + (before if name == "prompt" else 0))

    def _named(self) -> dict[str, array[Any]]:
        return {
            "prompt": self._prompt,
            "chosen": self._chosen,
            "rejected": self._rejected,
            "dlen": self._dlen,
            "bar": self._bar,
            "gaps": self._gaps,
        }

    @property
    def bar(self) -> NDArray[np.float64]:
        """What is held against the run's quantile of quality, [candidates]."""
        return np.array(self._bar)

    def candidates(self, keep: NDArray[np.bool_], ranks: NDArray[np.int64]) -> Candidates:
        """Those of a mask, in an order that does not hang on the order of the input.

        Args:
            keep: Which candidates, [candidates].
            ranks: The rank of each prompt's id, [prompts].
        """
        prompt, chosen, rejected = (
            np.array(column, dtype=np.int64)[keep] for column in (self._prompt, self._chosen, self._rejected)
        )
        order = np.lexsort((rejected, chosen, ranks[prompt]))
        width = len(self._gaps) // max(len(self), 1)
        return Candidates(
            prompt=prompt[order],
            rank=ranks[prompt][order],
            chosen=chosen[order],
            rejected=rejected[order],
            dlen=np.array(self._dlen)[keep][order],
            gaps=np.array(self._gaps).reshape(len(self), width)[keep][order],
        )
