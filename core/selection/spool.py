"""What the first pass keeps: a few numbers a candidate in memory, the records in a temporary file."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from ..jsonl import Record
from .balance import Candidates
from .proposals import Proposed


class Spool:
    """Groups of records on disk, one line each."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="divtool-")  # noqa: SIM115 - closed by close()
        self._offsets = array("q", [0])
        self._ids: list[str] = []

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, records: Sequence[Record]) -> None:
        """Keep the clean records of a prompt."""
        self._ids.append(records[0]["prompt_id"])
        written = self._file.write(orjson.dumps(records, option=orjson.OPT_APPEND_NEWLINE))
        self._offsets.append(self._offsets[-1] + written)

    def group(self, number: int) -> list[Record]:
        """The records of a prompt; nothing may be added after the first call."""
        self._file.seek(self._offsets[number])
        records: list[Record] = orjson.loads(self._file.readline())
        return records

    def ranks(self) -> NDArray[np.int64]:
        """The rank of each prompt's id among all, for ties."""
        ranks = np.empty(len(self), dtype=np.int64)
        ranks[sorted(range(len(self)), key=self._ids.__getitem__)] = np.arange(len(self))
        return ranks

    def close(self) -> None:
        """Give the disk space back."""
        self._file.close()


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
