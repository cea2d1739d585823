"""Training that can no longer write: every library says that in its own way, and a run says it in one line."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import DivtoolError

_NO_ROOM = [os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)]
# PyTorch says of a full disk only that it is at another place of the file than it thought.
_FULL = 1 << 12


@contextmanager
def one_line(folder: Path | None) -> Iterator[None]:
    """Turn what the block raises into a `DivtoolError`, where the folder is full or was removed.

    Args:
        folder: What the run writes, or None.

    Raises:
        DivtoolError: That is so; everything else is raised as it is.
    """
    try:
        yield
    except DivtoolError:
        raise
    except Exception as error:
        if folder is None or _elsewhere(error, folder):
            raise
        if isinstance(error, FileNotFoundError) and not folder.is_dir():
            raise DivtoolError(f"{folder}: was removed during the run, with its checkpoints; begin again") from error
        fault = _no_room(error, folder)
        if not fault:
            raise
        raise DivtoolError(f"{folder}: cannot be written ({fault}); make room, and --resume goes on") from error


def _elsewhere(error: Exception, folder: Path) -> bool:
    """Whether an error names a file that is not in the folder."""
    name = error.filename if isinstance(error, OSError) else None
    return isinstance(name, str) and folder.absolute() not in (Path(name).absolute(), *Path(name).absolute().parents)


def _no_room(error: BaseException, folder: Path) -> str:
    """How the system says that there is no room, where that is what is wrong; else empty."""
    link: BaseException | None = error
    while link is not None:
        for said in _NO_ROOM:
            if said in str(link):
                return said
        link = link.__cause__ or link.__context__
    full = folder.is_dir() and shutil.disk_usage(folder).free < _FULL
    return _NO_ROOM[0] if full else ""
