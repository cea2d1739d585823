"""Work on an input whose parts are read apart: what a part comes to is kept, and the parts are brought together.

One pass that reads a whole input, and one that absorbs in their order what passes over its parts have kept, come to the
same. A part is a run of whole prompts; it may be empty.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, Literal, Protocol

from .jsonl import Row


class Store(Protocol):
    """A place for the files of one part. What is open for reading can seek, and is a stream of lines."""

    def open(self, name: str, mode: Literal["rb", "wb"]) -> IO[bytes]:
        """Open one file."""
        ...


class Pass(Protocol):
    """What is found in (a part of) an input, one prompt after the other."""

    def read(self, group: list[Row]) -> None:
        """Take in the responses of one prompt, checked."""
        ...

    def keep(self, store: Store) -> None:
        """Write what was found: numbers as .npz, the rest as JSON; no pickle."""
        ...

    def absorb(self, store: Store) -> None:
        """Add what another part has kept, behind what is here already.

        Numbers alone are loaded; the store is remembered, and records are read from it where they are wanted.

        Raises:
            InputError: The parts cannot be one input.
        """
        ...


class Folder:
    """A store in a local folder, a file a name.

    Args:
        path: The folder; made at the first file that is written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, name: str, mode: Literal["rb", "wb"]) -> IO[bytes]:
        """Open one file."""
        if mode == "wb":
            self._path.mkdir(parents=True, exist_ok=True)
        return (self._path / name).open(mode)
