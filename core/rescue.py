"""Files that are removed while they are written: found out, and what they held is saved."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from .errors import DivtoolError

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


def removed(file: int, path: Path, *, resumes: bool = False) -> DivtoolError:
    """Save what a removed file holds; the answer is the error to raise, which says where it is.

    The new file is where the old one was, its folder made anew if need be; where that cannot be, it is in a new folder
    for temporary files. Nothing that exists is written over.

    Args:
        file: Its descriptor, open for reading too.
        path: Where it was.
        resumes: Whether `--resume` goes on from it.
    """
    gone = f"{path}: was removed during the run"
    try:
        place = _rescued(file, path)
    except OSError as error:
        return DivtoolError(f"{gone}, and what it held is lost ({error.strerror}); begin again")
    if place == path:
        return DivtoolError(f"{gone}; what it held is there again{'; --resume goes on' if resumes else ''}")
    goes_on = "; put that back, and --resume goes on" if resumes else ""
    return DivtoolError(f"{gone}; what it held is in {place} now{goes_on}")


def _rescued(file: int, path: Path) -> Path:
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
