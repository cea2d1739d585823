"""Streams of records: reading with the place of every fault, writing whole records, groups of one prompt.

The format is the `jsonlines` package's; what is added here is the place of a fault, compression by file name,
and writing in blocks that end at a record, so that a reader never sees half of one.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import sqlite3
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import jsonlines
import orjson

from .errors import ClosedPipe, DivtoolError, InputError, UsageError
from .packing import packer, unpacked, unpacking_errors
from .places import files, opened
from .rescue import is_removed, removed

Record = dict[str, Any]
STDIN_NAME = "standard input"
STDOUT_NAME = "standard output"
_BLOCK = 1 << 16
_PACKED = (".gz", ".zst")
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
        where: ``file:line``.
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
    """Rows of JSON Lines, checked one at a time.

    Args:
        source: A file, a folder or pattern of files (`places.files`), or ``-`` for standard input; ``.gz`` and ``.zst``
            are unpacked.
        check: Raises `InputError` for a record that the stage cannot use.
        skip_bad: Count bad lines and go on, instead of ending the run.
        kind: What the rows are, for the message about an empty input.
        loads: Reads one line of JSON; `json.JSONDecodeError` for what is none.
        stream: What is read instead, where the source is open already.

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
        if self._line == 1 and raw[:2] == b"\x1f\x8b":
            raise DivtoolError(f"{self._file}: is gzip data; name it .gz, or unpack it first")
        try:
            return raw.decode("utf-8-sig" if self._line == 1 else "utf-8")
        except UnicodeDecodeError as error:
            # jsonlines would end at an exception from its line source, so a broken line is passed on as bad JSON.
            return f"\x00not UTF-8 text (byte {error.start + 1})"

    def _bad_line(self, error: jsonlines.InvalidLineError) -> InputError:
        if error.line.startswith("\x00not UTF-8"):
            fault = error.line[1:]
        elif isinstance(error.__cause__, json.JSONDecodeError):
            fault = f"not valid JSON ({error.__cause__.msg} at column {error.__cause__.colno})"
        else:
            fault = "not a JSON object"
        return InputError(self._place(), fault, "mend the line, or go on with --on-error skip")


def _open_input(source: str) -> IO[bytes]:
    if source == "-":
        return sys.stdin.buffer
    return unpacked(source, opened(source))


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
    except unpacking_errors():
        return None  # The reader says where it is broken.


def _filled_lines(name: str) -> int:
    with _open_input(name) as stream:
        return sum(not line.isspace() for line in stream)


class RecordWriter:
    """Records to a file or to standard output, in blocks that end at a record.

    An existing file is emptied at the first block, not before: a run that fails at once leaves it alone, and no empty
    file where there was none. A block that cannot be written whole is cut to its whole records. What is in a file that
    somebody removes is saved.

    Args:
        target: A path, or ``-`` for standard output; ``.gz`` and ``.zst`` are packed, one member a block.
        append: Go on behind what the file holds.
        resumes: Whether the command has a `--resume`, for what is said of a fault.

    Attributes:
        written: Records so far.
        resumes: Whether `--resume` can go on from this output.

    Raises:
        DivtoolError: The file cannot be written; raised at once.
    """

    def __init__(self, target: str, *, append: bool = False, resumes: bool = False) -> None:
        self.written = 0
        self._buffer = io.BytesIO()
        self._name = STDOUT_NAME if target == "-" else target
        self._pack = packer(target)
        self._packed = target.endswith(_PACKED)
        self._owned = target != "-"
        self._made = self._owned and not os.path.lexists(target)
        self._fd = _open_output(Path(target)) if self._owned else _standard_output()
        self._file = self._owned and stat.S_ISREG(os.fstat(self._fd).st_mode)
        self._fresh = self._file and not append
        self._command_resumes = resumes
        self.resumes = resumes and self._file and not self._packed

    def write(self, record: Record) -> None:
        """Add one record; it reaches the file with its block."""
        self._buffer.write(dumps(record))
        self.written += 1
        if self._buffer.tell() >= _BLOCK:
            self.flush()

    def flush(self) -> None:
        """Write out every record so far.

        Raises:
            DivtoolError: They cannot be written, or the file was removed.
        """
        block = self._pack(self._buffer.getvalue()) if self._buffer.tell() else b""
        try:
            if self._fresh:
                os.ftruncate(self._fd, 0)
                self._fresh = False
            self._put(block)
        except BrokenPipeError:
            raise ClosedPipe from None
        except OSError as error:
            raise self._fault(error) from None
        finally:
            self._buffer = io.BytesIO()
        if self._file and is_removed(self._fd, Path(self._name)):
            self._file = False  # What follows is nothing to save once more.
            raise removed(self._fd, Path(self._name), resumes=self.resumes)

    def _put(self, block: bytes) -> None:
        left = block
        try:
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError:
            done = block[: len(block) - len(left)]
            half = len(done) - (0 if self._packed else done.rfind(b"\n") + 1)
            if self._file and half:
                os.ftruncate(self._fd, os.fstat(self._fd).st_size - half)
            raise

    def _fault(self, error: OSError) -> DivtoolError:
        """What to say of a block that could not be written."""
        if not self._owned:
            remedy = ", or name a file with -o" + (", where --resume goes on" if self._command_resumes else "")
        else:
            remedy = ", and --resume goes on" if self.resumes else ", or name another file"
        return DivtoolError(f"{self._name}: cannot be written ({error.strerror}); make room{remedy}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Write out what is left, also when the stage failed: finished records stay valid."""
        try:
            if self.written or kind is None:
                self.flush()
            elif self._made:
                self._unmake()
        finally:
            if self._owned:
                self._close()

    def _unmake(self) -> None:
        """Take the file away that this run made and wrote nothing to, unless it is somebody else's by now."""
        own = os.fstat(self._fd)
        with suppress(FileNotFoundError):
            if not own.st_size and os.path.samestat(own, os.stat(self._name)):
                os.unlink(self._name)

    def _close(self) -> None:
        try:
            os.close(self._fd)
        except OSError as error:  # A file system of a network may say only now that it had no room.
            raise self._fault(error) from None


def _standard_output() -> int:
    if sys.stdout is None:
        raise DivtoolError("standard output is closed; name a file with -o")
    return sys.stdout.fileno()


def _open_output(path: Path) -> int:
    # A file that somebody removes is read back; a pipe must not be opened both ways.
    both = os.access(path, os.R_OK) if path.is_file() else not path.exists()
    way = os.O_RDWR if both else os.O_WRONLY
    try:
        return os.open(path, way | os.O_CREAT | os.O_APPEND, 0o666)
    except FileNotFoundError:
        raise DivtoolError(f"{path}: the folder {path.parent} does not exist; make it first, or name another") from None
    except OSError as error:
        raise DivtoolError(f"{path}: cannot be written ({error.strerror}); name another file with -o") from None


def check_distinct(output: str | Path, *inputs: str | Path) -> None:
    """Raise `UsageError` where the output is one of the inputs: it would be emptied while it is read.

    Two files that do not exist yet are told apart by name, so that two outputs can be checked as well.
    """
    for source in (name for given in inputs for name in _names(given)):
        try:
            read = os.fstat(sys.stdin.fileno()) if str(source) == "-" else os.stat(source)
            same = stat.S_ISREG(read.st_mode) and os.path.samestat(read, os.stat(output))
        except (OSError, ValueError, AttributeError):
            # One of the two does not exist, or is no file.
            if "-" not in (str(source), str(output)) and os.path.abspath(source) == os.path.abspath(output):
                raise UsageError(f"{output} is named twice; name another output") from None
            continue
        if same:
            raise UsageError(f"{output} is the input as well; name another output")


def _names(source: str | Path) -> list[str]:
    """The files that a name means, as far as they can be told."""
    try:
        return ["-"] if str(source) == "-" else files(str(source))
    except DivtoolError:
        return [str(source)]


def check_writable(path: Path) -> None:
    """Raise unless a file can be written there: said before a long run, not after it.

    Raises:
        UsageError: The name means standard output, which carries records.
        DivtoolError: The folder is missing or cannot be written, or the name is a folder's.
    """
    if str(path) == "-":
        raise UsageError("only -o takes - for standard output; name a file")
    if path.is_dir():
        raise DivtoolError(f"{path}: is a folder; name a file")
    if not path.parent.is_dir():
        raise DivtoolError(f"{path}: the folder {path.parent} does not exist; make it first, or name another")
    if not os.access(path.parent, os.W_OK):
        raise DivtoolError(f"{path}: the folder {path.parent} cannot be written; name another")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when the block ends without an error.

    A device or a pipe is written itself: nothing must take its place.

    Raises:
        DivtoolError: The folder cannot be written.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
    except OSError as error:
        raise DivtoolError(f"{path}: cannot be written ({error.strerror}); name another file") from None
    try:
        yield Path(name)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


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
