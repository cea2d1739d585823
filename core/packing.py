"""Packed files, by the ends of their names: .gz and .zst."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Callable
from typing import IO, Any

from .errors import require_extra

_BLOCK = 1 << 16


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


def unpacked(name: str, stream: IO[bytes]) -> IO[bytes]:
    """What a file of this name holds, once it is unpacked."""
    if name.endswith(".gz"):
        return io.BufferedReader(gzip.GzipFile(fileobj=stream))
    if name.endswith(".zst"):
        return io.BufferedReader(Zstandard(stream))
    return stream


def unpacking_errors() -> tuple[type[Exception], ...]:
    """What broken packed data raises; zstandard's own is known only once that package is in use."""
    zstandard = sys.modules.get("zstandard")
    return (OSError, EOFError, zlib.error, *((zstandard.ZstdError,) if zstandard else ()))


def _zstandard() -> Any:
    require_extra("zstandard", "zstd")
    import zstandard

    return zstandard


def packer(target: str) -> Callable[[bytes], bytes]:
    """What packs a block of bytes for a file of this name; blocks behind each other are one packed file."""
    if target.endswith(".gz"):
        return gzip.compress
    if target.endswith(".zst"):
        return _zstandard().compress  # type: ignore[no-any-return]
    return lambda block: block
