"""Reading and writing on behalf of a command: bad lines counted, and said at the end; how to go on after Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from ..core.errors import Interrupted
from ..core.jsonl import Row, RowReader, groups, regrouped
from ..core.records import check_group
from ..core.writer import RecordWriter
from . import console


class Reading:
    """Checked rows; the file is opened at once, so that a missing one is seen before anything heavy loads."""

    def __init__(self, source: str, check: Callable[[Row], None], on_error: Literal["stop", "skip"]) -> None:
        self._reader = RowReader(source, check, skip_bad=on_error == "skip")

    @property
    def sha256(self) -> str:
        """Hash of what has been read."""
        return self._reader.sha256

    def __iter__(self) -> Iterator[Row]:
        """The rows, and at their end a line about those left out."""
        yield from self._reader
        if self._reader.skipped:
            console.warn(f"{self._reader.name}: {self._reader.skipped} bad lines left out, {self._reader.read} read")


class ReadingGroups:
    """Checked rows by prompt, one prompt in memory at a time."""

    def __init__(
        self, source: str, check: Callable[[Row], None], on_error: Literal["stop", "skip"], regroup: bool
    ) -> None:
        self._rows = Reading(source, check, on_error)
        self._regroup = regroup

    @property
    def sha256(self) -> str:
        """Hash of what has been read."""
        return self._rows.sha256

    def __iter__(self) -> Iterator[list[Row]]:
        """The groups, each with one prompt and unique keys."""
        for group in groups(regrouped(iter(self._rows)) if self._regroup else self._rows):
            check_group(group)
            yield group


@contextmanager
def interruptible(writer: RecordWriter) -> Iterator[None]:
    """Say with Ctrl-C what was written, and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        goes_on = ", --resume goes on" if writer.resumes else ""
        raise Interrupted(f"interrupted; {writer.written:,} responses were written{goes_on}") from None
