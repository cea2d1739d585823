"""Shards of an input: parts of files with whole prompts, each of which can be read by itself.

A shard is a range of bytes of a plain file, of rows of a Parquet file, or a whole packed file. A prompt belongs to the
shard in whose range its first line begins, so that shards need not be cut between prompts: each reads on behind its end
until the prompt ends, and looks back before its start at what prompt it is in.
"""

from __future__ import annotations

import codecs
import io
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import IO

import orjson

from .. import places
from ..errors import DivtoolError, InputError
from ..jsonl import Row, RowReader, groups, short_hash
from ..packing import is_packed, is_table, unpacked

_BLOCK = 1 << 20
# Begins the stamp of a file that the run itself has made.
MADE = "made "


@dataclass(frozen=True, slots=True)
class Shard:
    """One part of an input.

    Attributes:
        file: Place of its file among all, from 0.
        number: Its place in the file, from 0.
        path: The file.
        start: Its first byte; of a Parquet file its first row, from 0.
        end: The byte or row behind its last one; None is the end of the file.
        stamp: Changes when the file does.
    """

    file: int
    number: int
    path: str
    start: int = 0
    end: int | None = None
    stamp: str = ""

    def check(self) -> None:
        """Raise `InputError` where the file is another one than when the run began."""
        if not self.stamp.startswith(MADE) and places.stamped(self.path)[1] != self.stamp:
            raise InputError(self.path, "has changed since the run began", "--resume does its shards anew")

    @property
    def name(self) -> str:
        """Its name among all; the order of the names is that of the input."""
        return f"{self.file:06d}-{self.number:06d}"

    def __str__(self) -> str:
        if not self.start and self.end is None:
            return self.path
        to = "" if self.end is None else f" to {self.end:,}"
        return f"{self.path} ({'rows' if is_table(self.path) else 'bytes'} {self.start:,}{to})"


def cut(files: Iterable[tuple[str, int, str]], size: int) -> list[Shard]:
    """The shards of some files, in order.

    Args:
        files: Their names, how many bytes each has, and their stamps.
        size: Most bytes of a plain file in one shard.

    Raises:
        DivtoolError: A Parquet file is none.
    """
    found: list[Shard] = []
    for place, (path, length, stamp) in enumerate(files):
        starts = _starts(path, length, size)
        for number, start in enumerate(starts):
            end = starts[number + 1] if number + 1 < len(starts) else None
            found.append(Shard(place, number, path, start, end, stamp))
    return found


def _starts(path: str, length: int, size: int) -> Sequence[int]:
    if is_packed(path):
        return [0]  # It can only be read from its beginning.
    if not is_table(path):
        return range(0, max(length, 1), size)
    counts = _row_groups(path)
    firsts = [0, *accumulate(counts)][: len(counts)]
    # As many row groups as make so many bytes, if rows are alike.
    rows = max(1.0, sum(counts) * size / max(length, 1))
    return [
        first for first, before in zip(firsts, [-1.0, *firsts], strict=False) if first // rows > before // rows
    ] or [0]


def _row_groups(path: str) -> list[int]:
    from ..columnar import row_groups

    with places.opened(path) as stream, _named(path):
        return row_groups(stream)


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Faults of an open file of a store, which has no name, under its name."""
    try:
        yield
    except InputError as error:
        raise DivtoolError(f"{path}: {str(error).partition(': ')[2]}") from None


class _Table(io.RawIOBase):
    """The rows of a Parquet file from a row group's first on, as lines; it knows the number of the last one."""

    def __init__(self, stream: IO[bytes], path: str, start: int) -> None:
        from ..columnar import row_groups, rows

        self._stream, self._path = stream, path
        with _named(path):
            counts = row_groups(stream)
            firsts = [0, *accumulate(counts)]
            self._group = firsts.index(start)
            self._rows = rows(stream, range(self._group, len(counts)))
        self.next, self.last = start, start

    def before(self) -> Iterator[bytes]:
        """The rows in front of the first one, the last one first; to be read before the others."""
        from ..columnar import rows

        for group in reversed(range(self._group)):
            with _named(self._path):
                found = list(rows(self._stream, [group]))
            yield from reversed(found)

    def __next__(self) -> bytes:
        line = next(self._rows)
        self.last, self.next = self.next, self.next + 1
        return line

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Lines(io.RawIOBase):
    """The lines of a file from a byte on; it knows where the last one began."""

    def __init__(self, stream: IO[bytes], start: int) -> None:
        self._stream = stream
        self.next = start
        self.last = start

    def __next__(self) -> bytes:
        line = self._stream.readline()
        if not line:
            raise StopIteration
        self.last, self.next = self.next, self.next + len(line)
        return line

    def close(self) -> None:
        self._stream.close()
        super().close()


class ShardRows(RowReader):
    """The checked records of the prompts that belong to a shard.

    Args:
        shard: Which part of which file.
        check: As for `RowReader`.
        skip_bad: As for `RowReader`.
        whole: Whether prompts are kept whole; else these are the records that begin in the range.

    Raises:
        DivtoolError: The file cannot be opened.
    """

    def __init__(
        self, shard: Shard, check: Callable[[Row], None], *, skip_bad: bool = False, whole: bool = True
    ) -> None:
        self._shard, self._whole = shard, whole
        stream = places.opened(shard.path)
        if is_table(shard.path):
            self._start = 0
            self._lines: _Table | _Lines = (table := _Table(stream, shard.path, shard.start))
            self._before = _prompt_before(table.before(), check)
        else:
            stream = unpacked(shard.path, stream)
            self._start, self._before = _begin(stream, shard, check)
            self._lines = _Lines(stream, self._start)
        super().__init__(shard.path, check, skip_bad=skip_bad, stream=self._lines)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Row]:
        """The records, in order."""
        end = float("inf") if self._shard.end is None else self._shard.end
        prompt, own = self._before, False
        for row in super().__iter__():
            if not self._whole or row.data["prompt_id"] != prompt:
                if self._lines.last >= end:
                    return
                prompt, own = row.data["prompt_id"], True
            if own:
                yield row

    @property
    def last(self) -> int:
        """Where the record begins that was read last."""
        return self._lines.last

    def _skip(self) -> None:
        # Bad lines beyond the range are the next shard's.
        if self._shard.end is None or self._lines.last < self._shard.end:
            super()._skip()

    def _found_nothing(self) -> None:
        """A range may lie within one prompt."""

    def _place(self) -> str:
        if self._start:
            return f"{self.name}:@{self._start}+{self._line}"  # See `resolved`.
        row = self._shard.start if is_table(self.name) else 0
        return f"{self.name}:{row + self._line}"


def resolved(message: str, path: str) -> str:
    """A message in which places in a file are its lines: those before a shard are counted only for it.

    Args:
        message: What is said.
        path: The file.
    """

    def line(place: re.Match[str]) -> str:
        return f"{path}:{_newlines(path, int(place[1])) + int(place[2])}"

    return re.sub(re.escape(path) + r":@(\d+)\+(\d+)", line, message)


@contextmanager
def told(rows: ShardRows) -> Iterator[None]:
    """Faults with the lines of the file as places."""
    try:
        yield
    except DivtoolError as error:
        error.args = (resolved(str(error), rows.name),)
        raise


def _newlines(path: str, end: int) -> int:
    """How many lines end before a byte."""
    found, left = 0, end
    with places.opened(path) as stream:
        while left > 0 and (block := stream.read(min(_BLOCK, left))):
            found += block.count(b"\n")
            left -= len(block)
    return found


def _begin(stream: IO[bytes], shard: Shard, check: Callable[[Row], None]) -> tuple[int, str | None]:
    """Move to the first line that begins in a range; the answer is where it begins, and the prompt just before."""
    if not shard.start:
        return 0, None
    stream.seek(shard.start - 1)
    start = shard.start - 1 + len(stream.readline())
    before = _prompt_before(_backwards(stream, start), check)
    stream.seek(start)
    return start, before


def _prompt_before(lines: Iterable[bytes], check: Callable[[Row], None]) -> str | None:
    """The prompt_id of the first usable one of some lines."""
    return next((prompt for line in lines if (prompt := _prompt_of(line, check)) is not None), None)


def _backwards(stream: IO[bytes], end: int) -> Iterator[bytes]:
    """The lines that end before a byte, the last one first."""
    rest, place = b"", end
    while place > 0:
        step = min(_BLOCK, place)
        place -= step
        stream.seek(place)
        *lines, last = (stream.read(step) + rest).split(b"\n")
        # What stands first may begin further up.
        if lines:
            yield last
            yield from reversed(lines[1:])
            rest = lines[0]
        else:
            rest = last
    yield rest


def _prompt_of(line: bytes, check: Callable[[Row], None]) -> str | None:
    """The prompt_id of a line; None where it holds no usable record."""
    try:
        # As a reader does with the mark at the beginning of a file.
        data = orjson.loads(line.removeprefix(codecs.BOM_UTF8))
        row = Row(data, "")
        check(row)
        return str(data["prompt_id"]) if isinstance(data, dict) else None
    except (orjson.JSONDecodeError, InputError, AttributeError, TypeError, KeyError):
        return None


class ShardGroups:
    """The prompts of a shard, one in memory at a time.

    Args:
        rows: Its records.
        check: Raises `InputError` for a prompt that the stage cannot use.

    Attributes:
        ids: 64-bit hashes of the prompts so far, to see whether one comes back in another shard.
    """

    def __init__(self, rows: ShardRows, check: Callable[[list[Row]], None]) -> None:
        self._rows, self._check = rows, check
        self.ids = array("Q")

    def __iter__(self) -> Iterator[list[Row]]:
        """The checked groups."""
        for group in groups(self._rows):
            self.ids.append(short_hash(group[0].data["prompt_id"]))
            self._check(group)
            yield group
