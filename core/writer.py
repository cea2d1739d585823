"""Writing records: to a file or to standard output, so that a reader never sees half of one."""

from __future__ import annotations

import io
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from .errors import ClosedPipe, DivtoolError, UsageError
from .jsonl import Record, dumps
from .packing import is_packed, is_table, packer
from .rescue import is_removed, removed

STDOUT_NAME = "standard output"
_BLOCK = 1 << 16
_PACKED_TABLE = (".parquet.gz", ".parquet.zst")


class _Sink(Protocol):
    """Where blocks of whole lines go."""

    @property
    def resumes(self) -> bool:
        """Whether a later run could go on behind them."""

    def put(self, lines: bytes) -> None:
        """Take a block."""

    def close(self, *, keep: bool) -> None:
        """End; without `keep`, as if nothing had been opened."""


class RecordWriter:
    """Records to a file or to standard output, in blocks that end at a record.

    An existing file is emptied at the first block, not before: a run that fails at once leaves it alone, and no empty
    file where there was none. A Parquet file takes the place of an existing one at the end, not before.

    Args:
        target: A path, or ``-`` for standard output; ``.gz`` and ``.zst`` are packed, one member a block, and
            ``.parquet`` is a table.
        append: Go on behind what the file holds.
        resumes: Whether the command has a `--resume`, for what is said of a fault.

    Attributes:
        written: Records so far.
        resumes: Whether `--resume` can go on from this output.

    Raises:
        DivtoolError: The file cannot be written; raised at once.
        UsageError: A packed Parquet file.
    """

    def __init__(self, target: str, *, append: bool = False, resumes: bool = False) -> None:
        self.written = 0
        self._buffer = io.BytesIO()
        self._sink = _sink(target, append, resumes)
        self.resumes = resumes and self._sink.resumes

    def write(self, record: Record) -> None:
        """Add one record; it reaches the file with its block."""
        self._buffer.write(dumps(record))
        self.written += 1
        if self._buffer.tell() >= _BLOCK:
            self.flush()

    def flush(self) -> None:
        """Write out every record so far; a Parquet file gets them with its row group.

        Raises:
            DivtoolError: They cannot be written, or the file was removed.
        """
        lines = self._buffer.getvalue()
        self._buffer = io.BytesIO()
        self._sink.put(lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Write out what is left, also when the stage failed: finished records stay valid."""
        keep = bool(self.written) or kind is None
        try:
            if keep:
                self.flush()
        finally:
            self._sink.close(keep=keep)


def _sink(target: str, append: bool, resumes: bool) -> _Sink:
    if target.lower().endswith(_PACKED_TABLE):
        raise UsageError(f"{target}: a Parquet file is packed inside; name it .parquet")
    if is_table(target):
        from .table_writer import TableFile

        return TableFile(target, append=append)
    return _Lines(target, append=append, resumes=resumes)


class _Lines:
    """Lines as they are, or packed.

    A block that cannot be written whole is cut to its whole records. What is in a file that somebody removes is saved.
    """

    def __init__(self, target: str, *, append: bool, resumes: bool) -> None:
        self._name = STDOUT_NAME if target == "-" else target
        self._pack = packer(target)
        self._packed = is_packed(target)
        self._owned = target != "-"
        self._made = self._owned and not os.path.lexists(target)
        self._fd = _open_output(Path(target)) if self._owned else _standard_output()
        self._file = self._owned and stat.S_ISREG(os.fstat(self._fd).st_mode)
        self._fresh = self._file and not append
        self._command_resumes = resumes
        self.resumes = self._file and not self._packed
        self._goes_on = resumes and self.resumes

    def put(self, lines: bytes) -> None:
        """Write lines out.

        Raises:
            DivtoolError: They cannot be written, or the file was removed.
        """
        block = self._pack(lines) if lines else b""
        try:
            if self._fresh:
                os.ftruncate(self._fd, 0)
                self._fresh = False
            self._put(block)
        except BrokenPipeError:
            raise ClosedPipe from None
        except OSError as error:
            raise self._fault(error) from None
        if self._file and is_removed(self._fd, Path(self._name)):
            self._file = False  # What follows is nothing to save once more.
            raise removed(self._fd, Path(self._name), resumes=self._goes_on)

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
            remedy = ", and --resume goes on" if self._goes_on else ", or name another file"
        return DivtoolError(f"{self._name}: cannot be written ({error.strerror}); make room{remedy}")

    def close(self, *, keep: bool) -> None:
        """Close the file; without `keep`, take it away where this run made it.

        Raises:
            DivtoolError: Not all of it could be written.
        """
        if not keep and self._made:
            self._unmake()
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
