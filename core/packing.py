"""Files of records as streams of lines, by the ends of their names: plain, .gz, .zst and .parquet."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from . import places
from .errors import require_extra

_PACKED = (".gz", ".zst")
_BLOCK = 1 << 16
NO_RESUME = "a Parquet file has no end to go on from; write .jsonl, and make a .parquet of it when the run is done"


def is_packed(name: str | Path) -> bool:
    """Whether a file of this name holds packed lines."""
    return _ends(name, *_PACKED)


def is_table(name: str | Path) -> bool:
    """Whether a file of this name is a Parquet file."""
    return _ends(name, ".parquet")


def _ends(name: str | Path, *endings: str) -> bool:
    return str(name).lower().endswith(endings)


def opened(name: str) -> IO[bytes]:
    """The lines of a file, wherever it is and whatever it is packed in.

    Raises:
        DivtoolError: It cannot be opened, an extra is missing, or it is no Parquet file.
    """
    return unpacked(name, places.opened(name))


def unpacked(name: str, stream: IO[bytes]) -> IO[bytes]:
    """The lines of an open file of this name; of a Parquet file, its rows as `columnar.rows` gives them.

    Raises:
        DivtoolError: An extra is missing, or it is no Parquet file.
    """
    if is_table(name):
        from .columnar import rows

        with ExitStack() as faulty:
            faulty.callback(stream.close)
            lines = io.BufferedReader(Lines(rows(stream), stream), _BLOCK)
            faulty.pop_all()
        return lines
    if _ends(name, ".gz"):
        return io.BufferedReader(gzip.GzipFile(fileobj=stream))
    if _ends(name, ".zst"):
        return io.BufferedReader(Zstandard(stream))
    return stream


def count_rows(name: str) -> int:
    """How many rows a Parquet file has.

    Raises:
        DivtoolError: pyarrow is missing, or it is no Parquet file.
    """
    from .columnar import row_groups

    return sum(row_groups(name))


class Lines(io.RawIOBase):
    """Lines that are made one after the other, as a file.

    Args:
        lines: The lines.
        below: What they are made from.
    """

    def __init__(self, lines: Iterator[bytes], below: IO[bytes]) -> None:
        self._lines, self._below = lines, below
        self._left = b""

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with one line or a part of it; 0 behind the last."""
        self._left = self._left or next(self._lines, b"")
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count

    def close(self) -> None:
        """Close what the lines are made from."""
        close = getattr(self._lines, "close", None)
        if close is not None and not self.closed:
            close()
        self._below.close()
        super().close()


class Zstandard(io.RawIOBase):
    """The frames of a .zst file, one a block that was written; a file that ends inside a frame is an error."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = packed
        self._new = _zstandard().ZstdDecompressor().decompressobj
        self._frame: Any = None
        self._input = self._output = b""

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer; 0 at the end of the last frame."""
        while not self._output:
            self._input = self._input or self._packed.read(_BLOCK)
            if not self._input:
                if self._frame is not None:
                    raise EOFError("the packed data ends too early")
                return 0
            self._frame = self._frame or self._new()
            self._output = self._frame.decompress(self._input)
            self._input = self._frame.unused_data
            if self._frame.eof:
                self._frame = None
        count = min(len(buffer), len(self._output))
        buffer[:count], self._output = self._output[:count], self._output[count:]
        return count

    def close(self) -> None:
        """Close the file below."""
        self._packed.close()
        super().close()


def unpacking_errors() -> tuple[type[Exception], ...]:
    """What broken packed data raises; errors of zstandard and pyarrow are known only once these are in use."""
    zstandard, pyarrow = sys.modules.get("zstandard"), sys.modules.get("pyarrow")
    own = ((zstandard.ZstdError,) if zstandard else ()) + ((pyarrow.ArrowException,) if pyarrow else ())
    return (OSError, EOFError, zlib.error, *own)


def _zstandard() -> Any:
    require_extra("zstandard", "zstd")
    import zstandard

    return zstandard


def packer(target: str) -> Callable[[bytes], bytes]:
    """What packs a block of bytes for a file of this name; blocks behind each other are one packed file."""
    if _ends(target, ".gz"):
        return gzip.compress
    if _ends(target, ".zst"):
        return _zstandard().compress  # type: ignore[no-any-return]
    return lambda block: block
