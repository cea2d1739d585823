"""What the first pass keeps: a few numbers a candidate in memory, the records in a temporary file."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from ..jsonl import Record
from .proposals import Proposed


class Spool:
    """Groups of records on disk, one line each."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="divtool-")  # noqa: SIM115 - closed by close()
        self._offsets = array("q")
        self._ids: list[str] = []

    def __len__(self) -> int:
        return len(self._offsets)

    def add(self, records: Sequence[Record]) -> None:
        """Keep the clean records of a prompt."""
        self._offsets.append(self._file.tell())
        self._ids.append(records[0]["prompt_id"])
        self._file.write(orjson.dumps(records, option=orjson.OPT_APPEND_NEWLINE))

    def group(self, number: int) -> list[Record]:
        """The records of a prompt; nothing may be added after the first call."""
        self._file.seek(self._offsets[number])
        records: list[Record] = orjson.loads(self._file.readline())
        return records

    def ranks(self) -> NDArray[np.int64]:
        """The rank of each prompt's id among all, for ties."""
        ranks = np.empty(len(self._ids), dtype=np.int64)
        ranks[np.array(sorted(range(len(self._ids)), key=self._ids.__getitem__), dtype=np.int64)] = np.arange(
            len(self._ids)
        )
        return ranks

    def close(self) -> None:
        """Give the disk space back."""
        self._file.close()


class Columns:
    """The numbers of each candidate, in flat arrays."""

    _WHOLE = ("prompt", "chosen", "rejected", "chosen_place", "rejected_place")

    def __init__(self) -> None:
        self._whole = {name: array("q") for name in self._WHOLE}
        self._dlen, self._gate, self._gaps = array("d"), array("d"), array("d")
        self._width = 0

    def add(self, prompt: int, pair: Proposed, chosen_place: int, rejected_place: int) -> None:
        """Keep a candidate that passed the rules on one pair."""
        values = (prompt, pair.chosen.index, pair.rejected.index, chosen_place, rejected_place)
        for name, value in zip(self._WHOLE, values, strict=True):
            self._whole[name].append(value)
        self._dlen.append(pair.dlen)
        self._gate.append(pair.gate)
        self._gaps.extend(pair.gaps)
        self._width = len(pair.gaps)

    def arrays(self) -> tuple[dict[str, NDArray[Any]], NDArray[np.float64], NDArray[np.float64]]:
        """(columns by name, gate [candidates], gaps [candidates, metrics])."""
        columns: dict[str, NDArray[Any]] = {
            name: np.array(values, dtype=np.int64) for name, values in self._whole.items()
        }
        columns["dlen"] = np.array(self._dlen)
        gaps = np.array(self._gaps).reshape(len(self._dlen), self._width)
        return columns, np.array(self._gate), gaps
