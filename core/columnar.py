"""Arrow tables and Parquet files to lines of JSON, and back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import orjson

from .arrow_cells import arrow, readable, values
from .columns import FAULT, REST, Fields, Items, Kind, Record, cells, restored
from .errors import InputError, reason

_BATCH = 1000  # rows
_PAGE = 1 << 20  # bytes that are read ahead in each column
# Where a null says something in files of other programs too: an undefined score, and any number of a result.
_SCORES = frozenset({"scores", "chosen_scores", "rejected_scores"})
# What pandas calls the numbers of the rows that it has left of a table.
_INDEX = re.compile(r"__index_level_\d+__")
_RESULTS = (frozenset({"task", "metric", "value"}), frozenset({"task", "mode", "options"}))


def schema_of(columns: Mapping[str, Kind]) -> Any:
    """The schema of a table with these columns and `REST`."""
    pa = arrow()
    return pa.schema([*((name, _type(kind)) for name, kind in columns.items()), (REST, pa.string())])


def _type(kind: Kind) -> Any:
    pa = arrow()
    if isinstance(kind, Items):
        return pa.list_(_type(kind.of))
    if isinstance(kind, Fields):
        return pa.struct([(name, _type(of)) for name, of in kind.of.items()])
    types = {"string": pa.string, "int64": pa.int64, "double": pa.float64, "bool": pa.bool_}
    return types[kind.name]()


def table_of(records: Sequence[Record], columns: Mapping[str, Kind], schema: Any) -> Any:
    """The table of some records, without loss.

    Args:
        records: Any JSON objects.
        columns: The columns, as `columns.settled` gives them.
        schema: Of these columns, as `schema_of` gives it.
    """
    pa = arrow()
    by_column = zip(*(cells(record, columns) for record in records), strict=True)
    arrays = [pa.array(list(held), field.type) for held, field in zip(by_column, schema, strict=False)]
    return pa.Table.from_arrays(arrays or [pa.array([], field.type) for field in schema], schema=schema)


def row_groups(source: str | Path | IO[bytes]) -> list[int]:
    """How many rows each row group of a Parquet file has.

    Args:
        source: A path, or a file that is open and can be searched.

    Raises:
        InputError: It is no Parquet file, or cannot be read.
    """
    with _Opened(source) as opened:
        metadata = opened.file.metadata
        return [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]


def rows(source: str | Path | IO[bytes], row_groups: Iterable[int] | None = None) -> Iterator[bytes]:
    """The rows of a Parquet file as lines of JSON, a batch in memory at a time.

    A row that JSON cannot hold is a line of `FAULT` and what is wrong with it. In a file that divtool wrote, records
    are as they were written. In any other a null is a key that is not there, but for scores and results.

    Args:
        source: A path, or a file that is open and can be searched; such a file is left open.
        row_groups: The row groups to read, by number; all of them if None.

    Raises:
        InputError: It is no Parquet file, or has a column that JSON cannot hold; raised at once.
    """
    opened = _Opened(source)
    try:
        reading = _Reading(opened.schema, opened.name)
    except BaseException:
        opened.close()
        raise
    return _lines(opened, reading, None if row_groups is None else list(row_groups))


def _lines(opened: _Opened, reading: _Reading, groups: list[int] | None) -> Iterator[bytes]:
    with opened:
        for batch in opened.file.iter_batches(batch_size=_BATCH, row_groups=groups, use_threads=False):
            yield from reading.lines(batch)


class _Opened:
    """A Parquet file; one that was named is closed with it."""

    def __init__(self, source: str | Path | IO[bytes]) -> None:
        pa = arrow()
        import pyarrow.parquet as pq

        named = isinstance(source, (str, Path))
        self.name = str(source) if named else str(getattr(source, "name", "Parquet data"))
        stream: Any = Path(source).open("rb") if isinstance(source, (str, Path)) else source  # noqa: SIM115
        self._owned = stream if named else None
        try:
            self.file = pq.ParquetFile(stream, buffer_size=_PAGE)
            self.schema = self.file.schema_arrow
        except (OSError, pa.ArrowException) as error:
            self.close()
            raise InputError(self.name, _fault(error)) from None

    def close(self) -> None:
        """Close what was opened here."""
        if self._owned is not None:
            self._owned.close()

    def __enter__(self) -> _Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _fault(error: Exception) -> str:
    said = reason(error)
    if "encrypted" in said:
        return "is an encrypted Parquet file, which divtool cannot read"
    return f"is no Parquet file, or a part of one ({said.rstrip('.')})"


class _Reading:
    """How the columns of a file become records.

    Args:
        schema: The file's.
        name: Of the file, for messages.

    Raises:
        InputError: A column that JSON cannot hold, or two of one name.
    """

    def __init__(self, schema: Any, name: str) -> None:
        numbers = {name for name in schema.names if b"pandas" in (schema.metadata or {}) and _INDEX.fullmatch(name)}
        schema = [field for field in schema if field.name not in numbers]
        names, types = [field.name for field in schema], []
        for column in names if len(set(names)) < len(names) else []:
            if names.count(column) > 1:
                raise InputError(name, f"two columns are called '{column}'", "rename one")
        for field in schema:
            found = readable(field.type)
            if found is None:
                what = f"column '{field.name}' is of type {field.type}, which JSON does not have"
                raise InputError(name, what, "leave it out, or make it text")
            types.append(found)
        self._names, self._types, self._left_out = names, types, numbers
        # A program that rewrites a column of nulls may forget that it is one of text.
        self._own = REST in names and str(types[names.index(REST)]) in ("string", "large_string", "null")
        self._nulls = any(kind <= set(names) for kind in _RESULTS)

    def lines(self, batch: Any) -> Iterator[bytes]:
        """Each row of a batch as a line."""
        faults: dict[int, str] = {}
        batch = batch.drop_columns(list(self._left_out))
        columns = [
            values(name, column if column.type == wanted else column.cast(wanted), faults)
            for name, column, wanted in zip(self._names, batch.columns, self._types, strict=True)
        ]
        held: Iterable[tuple[Any, ...]] = zip(*columns, strict=True) if columns else [()] * batch.num_rows
        for number, row in enumerate(held):
            try:
                if number in faults:
                    raise ValueError(faults[number])
                yield self._line(dict(zip(self._names, row, strict=True)))
            except ValueError as error:
                yield FAULT + str(error).replace("\n", " ").encode() + b"\n"

    def _line(self, record: Record) -> bytes:
        if self._own:
            rest = record.pop(REST)
            record = record if rest is None else restored(record, rest)
        elif not self._nulls:
            record = _without_nulls(record)
        return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)


def _without_nulls(value: Any) -> Any:
    """The value without keys whose value is null; scores stay as they are."""
    if isinstance(value, dict):
        return {
            key: held if key in _SCORES else _without_nulls(held) for key, held in value.items() if held is not None
        }
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value
