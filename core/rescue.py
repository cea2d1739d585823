"""Files that are removed while they are written: found out, and what they held is saved."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

_BLOCK = 1 << 20


def is_removed(file: int, path: Path) -> bool:
    """Whether an open file has lost its last name: the system takes more data in silence, and nobody can read it.

    A file that was moved is none: it has a name still. Pipes and devices are never removed.

    Args:
        file: The descriptor.
        path: Where it was opened.
    """
    found = os.fstat(file)
    if found.st_nlink or not stat.S_ISREG(found.st_mode):
        return False
    try:
        # Some file systems of networks and of user space count no names at all.
        return not os.path.samestat(found, os.stat(path))
    except OSError:
        return True


def rescued(file: int, path: Path) -> Path:
    """Write what a removed file holds to a new file, and nothing that exists over.

    Args:
        file: Its descriptor, open for reading too.
        path: Where it was. The new file is there again, its folder made anew if need be; where that cannot be, it is
            in a new folder for temporary files.

    Returns:
        The new file.

    Raises:
        OSError: It can be written in neither place.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _copied(file, path)
    except OSError:
        return _copied(file, Path(tempfile.mkdtemp(prefix="divtool-"), path.name))


def _copied(file: int, path: Path) -> Path:
    os.lseek(file, 0, os.SEEK_SET)
    with path.open("xb") as copy:
        try:
            while block := os.read(file, _BLOCK):
                copy.write(block)
            copy.flush()
        except OSError:
            path.unlink()
            raise
    return path
