"""A log of JSON lines that an interrupted run goes on with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..jsonl import dumps
from ..output import replacing
from ..writer import RecordWriter
from .log import records
from .processes import here


class LineLog:
    """The log of a run with a loop of its own; of several processes the main one writes it.

    Args:
        path: The file.
        keep: Which lines of an interrupted run stay; None keeps none.
    """

    def __init__(self, path: Path, keep: Callable[[Mapping[str, Any]], bool] | None) -> None:
        self._writer: RecordWriter | None = None
        if not here().main:
            return
        kept = [line for line in records(path) if keep(line)] if keep is not None else []
        with replacing(path) as temporary:
            temporary.write_bytes(b"".join(map(dumps, kept)))
        self._writer = RecordWriter(str(path), append=True)

    def add(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Write lines."""
        if self._writer is None:  # The main process writes.
            return
        for line in lines:
            self._writer.write(dict(line))
        self._writer.flush()
