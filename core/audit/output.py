"""Writing audit records: each as it is made, and once more where a number depends on all of them."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from ..jsonl import Record
from ..writer import RecordWriter
from .sampled import add_adjusted


class AuditOutput:
    """Records to a file or to standard output.

    The adjusted p-values of samples depend on every record of the run. A file is written as the run goes on, and once
    more at its end; standard output gets the samples, and what comes after the first of them, at the end.

    Args:
        target: A path, or `-` for standard output.
        before: What the file holds already.
        done: Those among them that belong to this run.

    Attributes:
        records: The records of this run.
    """

    def __init__(self, target: str, before: Sequence[Record] = (), done: Sequence[Record] = ()) -> None:
        self.records = list(done)
        self._every = list(before)
        self._target = target
        self._held: list[Record] = []
        self._writer = RecordWriter(target, append=bool(before), resumes=True)

    def add(self, record: Record) -> None:
        """Write one record, or hold it."""
        self.records.append(record)
        self._every.append(record)
        if self._target == "-" and (self._held or record["mode"] == "sampled"):
            self._held.append(record)
            return
        self._writer.write(record)
        self._writer.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Adjust what is to be adjusted, unless the run failed, and write the rest."""
        sampled = any(record["mode"] == "sampled" for record in self.records)
        if kind is None and sampled:
            add_adjusted(self.records)
        for record in self._held:
            self._writer.write(record)
        self._writer.__exit__(kind, error, None)
        if kind is None and sampled and self._target != "-":
            with RecordWriter(self._target) as again:
                for record in self._every:
                    again.write(record)
