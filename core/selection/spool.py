"""What the first pass keeps: a few numbers a candidate in memory, the records on disk."""

from __future__ import annotations

import os
import tempfile
from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
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
_BLOCK = 1 << 17  # candidates


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
    """The numbers of each candidate that passed the rules on one pair: here in flat arrays, of other parts on disk.

    A block of them is in memory at a time, however many there are.
    """

    def __init__(self) -> None:
        self._prompt, self._chosen, self._rejected = array("i"), array("i"), array("i")
        self._dlen, self._bar, self._gaps = array("d"), array("d"), array("d")
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._parts = self._absorbed = 0

    def __len__(self) -> int:
        return self._absorbed + len(self._prompt)

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
        parts = list(self._every())
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def absorb(self, arrays: Mapping[str, NDArray[Any]], before: int) -> None:
        """Add the candidates of another part.

        Args:
            arrays: As `arrays` gave them there.
            before: How many prompts there were before.
        """
        if not len(arrays["prompt"]):
            return
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="divtool-")
        moved = {name: arrays[name] for name in self._own()} | {"prompt": arrays["prompt"] + before}
        np.savez(self._part(self._parts), allow_pickle=False, **moved)
        self._parts += 1
        self._absorbed += len(arrays["prompt"])

    def _part(self, number: int) -> str:
        assert self._folder is not None, "made with the first part"
        return os.path.join(self._folder.name, f"{number}.npz")

    def _every(self) -> Iterator[dict[str, NDArray[Any]]]:
        """The arrays here, then those of each part."""
        yield self._own()
        for number in range(self._parts):
            with np.load(self._part(number), allow_pickle=False) as found:
                yield dict(found)

    def _own(self) -> dict[str, NDArray[Any]]:
        columns = {
            "prompt": self._prompt, "chosen": self._chosen, "rejected": self._rejected, "dlen": self._dlen,
            "bar": self._bar, "gaps": self._gaps,
        }  # fmt: skip
        return {name: np.asarray(column) for name, column in columns.items()}

    def blocks(self, bar: float | None, ranks: NDArray[np.int64]) -> Iterator[Candidates]:
        """The candidates, those of one prompt in one block.

        Args:
            bar: What a candidate must reach of the run's quantile of quality; None for no such rule.
            ranks: The rank of each prompt's id, [prompts].
        """
        for part in self._every():
            prompts = part["prompt"]
            if not len(prompts):
                continue
            starts = np.flatnonzero(np.diff(prompts, prepend=-1))
            # At the first prompt that begins behind each so many candidates.
            cuts = [0, *starts[np.flatnonzero(np.diff(starts // _BLOCK)) + 1].tolist(), len(prompts)]
            for start, end in pairwise(cuts):
                yield _block(part, start, end, bar, ranks)


def _block(
    part: Mapping[str, NDArray[Any]], start: int, end: int, bar: float | None, ranks: NDArray[np.int64]
) -> Candidates:
    keep = slice(None) if bar is None else part["bar"][start:end] >= bar
    prompt, chosen, rejected = (
        part[name][start:end][keep].astype(np.int64) for name in ("prompt", "chosen", "rejected")
    )
    gaps = part["gaps"].reshape(len(part["prompt"]), -1)[start:end]
    dlen = part["dlen"][start:end][keep]
    return Candidates(
        prompt=prompt, rank=ranks[prompt], chosen=chosen, rejected=rejected, dlen=dlen, gaps=gaps[keep], gap=dlen
    )
