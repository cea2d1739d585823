"""Streams of records: one line of JSON, reading with the place of every fault, groups of one prompt.

The format is the `jsonlines` package's; what is added here is the place of a fault, and other kinds of files by name.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import IO, Any

import jsonlines
import orjson

from .columns import FAULT
from .errors import DivtoolError, InputError
from .packing import count_rows, is_table, opened, unpacking_errors
from .places import files

Record = dict[str, Any]
STDIN_NAME = "standard input"
_RECENT_HASHES = 1 << 16
# What JSON leaves as it is and a terminal obeys, in UTF-8: DEL and C1 controls, ends of lines, controls of direction.
_OBEYED = re.compile(
    rb"\x7f|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One record and the place that it was read from.

    Attributes:
        data: The record, every key as it stood in the file.
        where: ``file:line``, or ``file:row`` of a Parquet file.
    """

    data: Record
    where: str

    def fault(self, what: str, remedy: str = "") -> InputError:
        """An error that points at this record."""
        return InputError(self.where, what, remedy)


def dumps(record: Record) -> bytes:
    """One line of JSON, newline included; what would steer a terminal or end a line in it is escaped.

    Raises:
        ValueError: The record holds NaN or an infinity, which JSON does not have.
    """
    line = _encoded(record, orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY)
    # orjson writes NaN as null in silence; a metric that lets one through is a bug and must not look undefined.
    if b"null" in line and _holds_nan(record):
        raise ValueError(f"a record holds NaN or an infinity: {line[:200]!r}")
    if line.isascii() and b"\x7f" not in line:
        return line
    return _OBEYED.sub(lambda found: b"\\u%04x" % ord(found.group().decode()), line)


def _encoded(value: Any, option: int) -> bytes:
    try:
        return orjson.dumps(value, option=option)
    except TypeError:
        # A name of the command line whose bytes are no text.
        return orjson.dumps(_as_text(value), option=option)


def _as_text(value: Any) -> Any:
    """The value with U+FFFD for every byte that is no UTF-8."""
    if isinstance(value, str):
        return "".join("\N{REPLACEMENT CHARACTER}" if "\ud800" <= c <= "\udfff" else c for c in value)
    if isinstance(value, dict):
        return {_as_text(key): _as_text(held) for key, held in value.items()}
    return [_as_text(held) for held in value] if isinstance(value, (list, tuple)) else value


def _holds_nan(value: Any) -> bool:
    if isinstance(value, float):
        return value != value or value in (float("inf"), float("-inf"))
    if isinstance(value, dict):
        return any(_holds_nan(v) for v in value.values())
    return isinstance(value, (list, tuple)) and any(_holds_nan(v) for v in value)


class RowReader:
    """Rows of files of records or of standard input, checked one at a time.

    Args:
        source: A file, a folder or pattern of files (`places.files`), or ``-`` for standard input; ``.gz`` and ``.zst``
            are unpacked, ``.parquet`` is read by rows.
        check: Raises `InputError` for a record that the stage cannot use.
        skip_bad: Count bad lines and go on, instead of ending the run.
        kind: What the rows are, for the message about an empty input.
        loads: Reads one line of JSON; `json.JSONDecodeError` for what is none.
        stream: The lines to read instead, where the source is open already.

    Raises:
        DivtoolError: The file cannot be opened; raised at once, before anything is read.
    """

    def __init__(
        self,
        source: str,
        check: Callable[[Row], None] | None = None,
        *,
        skip_bad: bool = False,
        kind: str = "records",
        loads: Callable[[str], Any] = orjson.loads,
        stream: IO[bytes] | None = None,
    ) -> None:
        self.name = STDIN_NAME if source == "-" else source
        self.skipped = 0
        self.read = 0
        self._check = check
        self._skip_bad = skip_bad
        self._kind = kind
        self._loads = loads
        self._digest = hashlib.sha256()
        self._fault = ""
        self._file, *self._files = [self.name] if source == "-" or stream else files(source)
        self._stream = stream or _open_input(source if source == "-" else self._file)

    @property
    def sha256(self) -> str:
        """Hash of the lines read so far."""
        return self._digest.hexdigest()

    def __iter__(self) -> Iterator[Row]:
        """Each usable record; an empty input is an error."""
        yield from self._of_file()
        for name in self._files:
            self._file, self._stream = name, _open_input(name)
            yield from self._of_file()
        if not self.read:
            self._found_nothing()

    def _of_file(self) -> Iterator[Row]:
        with self._stream as stream:
            lines = jsonlines.Reader(self._hashed(stream), loads=self._loads)
            while True:
                try:
                    row = self._next(lines)
                except StopIteration:
                    break
                except InputError:
                    if not self._skip_bad:
                        raise
                    self._skip()
                    continue
                self.read += 1
                yield row

    def _skip(self) -> None:
        """Count a bad line."""
        self.skipped += 1

    def _found_nothing(self) -> None:
        what = f"no usable record, {self.skipped} bad lines skipped" if self.skipped else f"no {self._kind}"
        raise InputError(self.name, what)

    def _place(self) -> str:
        """Where the line is that was read last."""
        return f"{self._file}:{self._line}"

    def _next(self, lines: Any) -> Row:
        try:
            data = lines.read(type=dict, skip_empty=True)
        except EOFError:
            raise StopIteration from None
        except jsonlines.InvalidLineError as error:
            raise self._bad_line(error) from error
        row = Row(data, self._place())
        if self._check is not None:
            self._check(row)
        return row

    def _hashed(self, stream: IO[bytes]) -> Iterator[str]:
        # Decoding here, line by line, keeps U+2028 inside its record and gives the number of the broken line.
        self._line = 0
        lines = iter(stream)
        while True:
            try:
                raw = next(lines)
            except StopIteration:
                return
            except unpacking_errors() as error:
                # No InputError: what follows cannot be read either, so --on-error skip must not swallow it.
                raise DivtoolError(f"{self._file}:{self._line + 1}: cannot be read ({error})") from error
            self._line += 1
            self._digest.update(raw)
            yield self._decoded(raw)

    def _decoded(self, raw: bytes) -> str:
        self._fault = ""
        if self._line == 1 and raw[:2] == b"\x1f\x8b":
            raise DivtoolError(f"{self._file}: is gzip data; name it .gz, or unpack it first")
        if self._line == 1 and raw[:4] == b"PAR1":
            raise DivtoolError(f"{self._file}: is Parquet data; give a file whose name ends in .parquet")
        if is_table(self._file) and raw[:1] == FAULT:
            return self._broken(raw[1:].decode().rstrip())
        try:
            return raw.decode("utf-8-sig" if self._line == 1 else "utf-8")
        except UnicodeDecodeError as error:
            return self._broken(f"not UTF-8 text (byte {error.start + 1})")

    def _broken(self, fault: str) -> str:
        """Jsonlines would end at an exception from its line source, so a broken line is passed on as bad JSON."""
        self._fault = fault
        return "\0"

    def _bad_line(self, error: jsonlines.InvalidLineError) -> InputError:
        if self._fault:
            fault = self._fault
        elif isinstance(error.__cause__, json.JSONDecodeError):
            fault = f"not valid JSON ({error.__cause__.msg} at column {error.__cause__.colno})"
        else:
            fault = "not a JSON object"
        what = "row" if is_table(self._file) else "line"
        return InputError(self._place(), fault, f"mend the {what}, or go on with --on-error skip")


def _open_input(source: str) -> IO[bytes]:
    if source == "-":
        return sys.stdin.buffer
    return opened(source)


def count_lines(source: str) -> int | None:
    """How many lines of a file hold something, without reading their JSON; None where only reading it would tell.

    Args:
        source: As `RowReader` takes it; standard input and pipes can be read only once.
    """
    names = [] if source == "-" else files(source)
    if not names or not all(map(os.path.isfile, names)):
        return None
    try:
        return sum(map(_filled_lines, names))
    except InputError:
        return None
    except unpacking_errors():
        return None  # The reader says where it is broken.


def _filled_lines(name: str) -> int:
    if is_table(name):
        return count_rows(name)
    with _open_input(name) as stream:
        return sum(not line.isspace() for line in stream)


def groups(rows: Iterable[Row], key: str = "prompt_id") -> Iterator[list[Row]]:
    """Runs of rows with one `prompt_id`, one run in memory at a time.

    Raises:
        InputError: A `prompt_id` comes back after another one. Eight bytes a group are kept to see that.
    """
    seen = _Seen()
    for name, run in groupby(rows, key=lambda row: row.data[key]):
        group = list(run)
        if seen.before(short_hash(name)):
            raise group[0].fault(f"{key} '{name}' comes back after other prompts", "sort the input, or use --regroup")
        yield group


class _Seen:
    """Which 64-bit hashes have come by, in eight bytes each: a set of Python's numbers takes ten times as much."""

    def __init__(self) -> None:
        self._recent: set[int] = set()
        self._sorted: Any = None

    def before(self, digest: int) -> bool:
        """Whether this hash was here before; it is from now on."""
        if digest in self._recent or self._is_sorted_in(digest):
            return True
        self._recent.add(digest)
        if len(self._recent) >= _RECENT_HASHES:
            self._sort_in()
        return False

    def _is_sorted_in(self, digest: int) -> bool:
        if self._sorted is None:
            return False
        place = self._sorted.searchsorted(self._sorted.dtype.type(digest))
        return bool(place < len(self._sorted) and self._sorted[place] == digest)

    def _sort_in(self) -> None:
        import numpy as np

        recent = np.fromiter(self._recent, dtype=np.uint64, count=len(self._recent))
        self._sorted = np.sort(recent if self._sorted is None else np.concatenate([self._sorted, recent]))
        self._recent.clear()


def short_hash(value: Any) -> int:
    """A 64-bit hash of a JSON value that is the same on every machine."""
    canonical = _encoded(value, orjson.OPT_SORT_KEYS)
    return int.from_bytes(hashlib.blake2b(canonical, digest_size=8).digest(), "big")


def regrouped(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows with each prompt's brought together, in the order of first appearance, sorted on disk."""
    with tempfile.TemporaryDirectory(prefix="divtool-") as folder:
        base = sqlite3.connect(os.path.join(folder, "rows.db"))
        base.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
            "CREATE TABLE prompts (id TEXT PRIMARY KEY, first INTEGER) WITHOUT ROWID;"
            "CREATE TABLE rows (id TEXT, place TEXT, data BLOB);"
        )
        for number, row in enumerate(rows):
            prompt_id = row.data["prompt_id"]
            base.execute("INSERT OR IGNORE INTO prompts VALUES (?, ?)", (prompt_id, number))
            base.execute("INSERT INTO rows VALUES (?, ?, ?)", (prompt_id, row.where, orjson.dumps(row.data)))
        ordered = "SELECT place, data FROM rows JOIN prompts USING (id) ORDER BY first, rows.rowid"
        for place, data in base.execute(ordered):
            yield Row(orjson.loads(data), place)
        base.close()
