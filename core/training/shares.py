"""Which rows of a step each process runs: those of one process, in the same order, none twice and none left out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

from torch.utils.data import BatchSampler, Dataset

from .processes import Processes


class ShareSampler(BatchSampler):
    """The batches of one process.

    A batch of all processes together is the next `each * size` rows of the order, and each process gets an even share
    of it. Where fewer rows are left than there are processes, one without a row runs the batch's first row as a ghost,
    whose loss counts nothing: all processes must take part in every pass. accelerate's own sampler would fill up with
    rows that have been seen.

    Args:
        order: The order of the rows, the same in every process.
        each: Rows of a batch of one process.
        processes: Which process this is.

    Attributes:
        batch_sampler: The order; transformers looks for `set_epoch` there.
    """

    def __init__(self, order: Any, each: int, processes: Processes) -> None:
        self.batch_sampler = order
        self._each = each
        self._processes = processes

    def __iter__(self) -> Iterator[list[int]]:
        """Rows; a ghost is ~row."""
        rows, size = iter(self.batch_sampler), self._processes.size
        while batch := list(islice(rows, self._each * size)):
            low, high = (len(batch) * place // size for place in (self._processes.rank, self._processes.rank + 1))
            yield batch[low:high] or [~batch[0]]

    def __len__(self) -> int:
        """Batches of an epoch, the same in every process."""
        return math.ceil(len(self.batch_sampler) / (self._each * self._processes.size))

    def set_epoch(self, epoch: int) -> None:
        """Take the order of an epoch; a resumed run asks here."""
        self.batch_sampler.set_epoch(epoch)


class Ghosts(Dataset[dict[str, Any]]):
    """Rows that can be asked for as ghosts.

    Args:
        rows: The rows.
    """

    def __init__(self, rows: Any) -> None:
        self._rows = rows

    def __len__(self) -> int:
        """Rows."""
        return len(self._rows)

    def __getitem__(self, place: int) -> dict[str, Any]:
        """A row, or with ~row the same as a ghost."""
        return dict(self._rows[place]) if place >= 0 else {**self._rows[~place], "ghost": True}
