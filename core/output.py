"""Names of outputs: checked before a run, and files that take their place whole."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import DivtoolError, UsageError
from .places import files


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
    temporary = scratch(path)
    try:
        yield temporary
        put_in_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def scratch(path: Path) -> Path:
    """A new empty file beside `path`.

    Raises:
        DivtoolError: The folder cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
    except OSError as error:
        raise DivtoolError(f"{path}: cannot be written ({error.strerror}); name another file") from None
    return Path(name)


def put_in_place(temporary: Path, path: Path) -> None:
    """Give a file that `scratch` has made the name and the rights of a usual one."""
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(temporary, 0o666 & ~umask)
    os.replace(temporary, path)
