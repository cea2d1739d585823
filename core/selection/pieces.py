"""One file in pieces: what was written here, in a temporary file, and behind it what other parts have kept."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from typing import IO, NamedTuple

from ..passes import Store

_MOST_OPEN = 16


class _Piece(NamedTuple):
    store: Store
    name: str
    start: int


class Pieces:
    """Bytes on disk, in lines; nothing may be written once another part's are there.

    The temporary file goes with the object at the latest.
    """

    def __init__(self) -> None:
        self._own: IO[bytes] | None = None
        self._pieces: list[_Piece] = []
        self._open: OrderedDict[int, IO[bytes]] = OrderedDict()
        self.size = 0

    def write(self, line: bytes) -> None:
        """Add a line."""
        assert not self._pieces, "a pass reads first and absorbs then"
        if self._own is None:
            self._own = tempfile.TemporaryFile(prefix="divtool-")  # noqa: SIM115 - closed by close()
            weakref.finalize(self, self._own.close)
        self.size += self._own.write(line)

    def read(self, start: int, length: int) -> bytes:
        """So many bytes from this place of the whole on, all of one piece."""
        number = bisect_right(self._pieces, start, key=lambda piece: piece.start) - 1
        file = self._opened(number)
        file.seek(start - (self._pieces[number].start if number >= 0 else 0))
        return file.read(length)

    def _opened(self, number: int) -> IO[bytes]:
        """The file of a piece, -1 for the own one; few are open at a time."""
        if number < 0:
            assert self._own is not None, "something was written"
            return self._own
        if number not in self._open:
            if len(self._open) >= _MOST_OPEN:
                self._open.popitem(last=False)[1].close()
            self._open[number] = self._pieces[number].store.open(self._pieces[number].name, "rb")
        self._open.move_to_end(number)
        return self._open[number]

    def __iter__(self) -> Iterator[bytes]:
        """Every line from the first on."""
        if self._own is not None:
            self._own.seek(0)
            yield from self._own
        for piece in self._pieces:
            with piece.store.open(piece.name, "rb") as file:
                yield from file

    def keep(self, store: Store, name: str) -> None:
        """Write the whole as one file."""
        with store.open(name, "wb") as target:
            if self._own is not None:
                self._own.seek(0)
                shutil.copyfileobj(self._own, target)
            for piece in self._pieces:
                with piece.store.open(piece.name, "rb") as file:
                    shutil.copyfileobj(file, target)

    def absorb(self, store: Store, name: str, size: int) -> None:
        """Add a file that another part has kept; it stays where it is.

        Args:
            store: Where it is.
            name: Its name.
            size: Its length in bytes.
        """
        if size:
            self._pieces.append(_Piece(store, name, self.size))
            self.size += size

    def close(self) -> None:
        """Give the disk space back."""
        if self._own is not None:
            self._own.close()
        while self._open:
            self._open.popitem()[1].close()
