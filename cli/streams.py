"""Reading input on behalf of a command: bad lines counted, and said at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from ..core.jsonl import Row, RowReader, groups, regrouped
from ..core.records import check_group
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
