"""Writing a Parquet file, row group by row group."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson

from .arrow_cells import arrow
from .columnar import schema_of, table_of
from .columns import Kind, Record, settled
from .errors import DivtoolError, UsageError, reason
from .output import check_writable, put_in_place, scratch
from .packing import NO_RESUME

# A row group is what is held in memory, and what the columns are settled from.
_GROUP_BYTES = 8 << 20
_GROUP_ROWS = 10_000


class TableFile:
    """A Parquet file that takes its place when it is closed: before, there is nothing that could be read.

    Args:
        target: Its path.
        append: Refused: such a file has no end to go on from.

    Raises:
        DivtoolError: pyarrow is missing, or the file cannot be written.
        UsageError: `append`, or the name is that of a pipe or a device.
    """

    resumes = False

    def __init__(self, target: str, *, append: bool = False) -> None:
        arrow()
        if append:
            raise UsageError(f"{target}: {NO_RESUME}")
        self._name = target
        self._path = Path(os.path.realpath(target))
        if self._path.exists() and not self._path.is_file() and not self._path.is_dir():
            raise UsageError(f"{target}: a Parquet file cannot be streamed; write JSON Lines there")
        check_writable(self._path)
        self._rows: list[Record] = []
        self._bytes = 0
        self._columns: dict[str, Kind] = {}
        self._schema: Any = None
        self._writer: Any = None
        self._temporary: Path | None = None
        self._broken = False

    def put(self, lines: bytes) -> None:
        """Gather records, and write a row group when there are enough.

        Args:
            lines: JSON Lines.

        Raises:
            DivtoolError: It cannot be written; what was written before is lost with it.
        """
        if self._broken:
            return
        self._rows += map(orjson.loads, lines.split(b"\n")[:-1])
        self._bytes += len(lines)
        if self._bytes >= _GROUP_BYTES or len(self._rows) >= _GROUP_ROWS:
            with self._faults():
                self._write()

    def close(self, *, keep: bool) -> None:
        """Write what is left, and give the file its name; without `keep` or after a fault, leave none.

        Raises:
            DivtoolError: It cannot be written.
        """
        try:
            if keep and not self._broken:
                with self._faults():
                    self._finish()
        finally:
            if self._temporary is not None:
                self._temporary.unlink(missing_ok=True)

    def _write(self) -> None:
        if self._writer is None:
            self._columns = settled(self._rows)
            self._schema = schema_of(self._columns)
            self._begin()
        table = table_of(self._rows, self._columns, self._schema)
        # From here on the rows are the file's: Ctrl-C behind the next line must not write them twice.
        self._rows, self._bytes = [], 0
        self._writer.write_table(table, row_group_size=max(len(table), 1))

    def _begin(self) -> None:
        import pyarrow.parquet as pq

        self._temporary = scratch(self._path)
        self._writer = pq.ParquetWriter(str(self._temporary), self._schema, compression="zstd")

    def _finish(self) -> None:
        if self._rows or self._writer is None:
            self._write()
        self._writer.close()
        assert self._temporary is not None
        put_in_place(self._temporary, self._path)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Say why the file cannot be written; the library's file has no end then, so that nothing of it can be kept."""
        try:
            yield
        except OSError as error:
            self._broken = True
            if self._writer is not None:
                with suppress(OSError):
                    self._writer.close()
            why = os.strerror(error.errno) if error.errno else reason(error)
            raise DivtoolError(f"{self._name}: cannot be written ({why}); make room, or name another file") from None
