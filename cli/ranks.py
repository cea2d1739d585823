"""One of several processes of `train`: the main one speaks; another one only of a fault that the main one has not."""

from __future__ import annotations

import os
import sys
import time

from ..core.errors import DivtoolError
from ..core.training.processes import INPUT, SharedFault, here, lost

# How long a process waits for the main one to say what is wrong; the launcher ends all of them as soon as it has.
_PATIENCE = 5.0
_heard = -1


def begin() -> None:
    """Let this process be silent unless it is the main one; its standard input may be a file that the launcher made."""
    global _heard
    if len(sys.argv) < 2 or sys.argv[1] != "train":
        return
    source = os.environ.get(INPUT)
    if source is not None:
        file = os.open(source, os.O_RDONLY)
        os.dup2(file, 0)
        os.close(file)
    if not here().several:
        return
    # Nothing of the run goes to standard output, and libraries greet each other there.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    sys.stdout.flush()
    os.dup2(nowhere, 1)
    if not here().main:
        _heard = os.dup(2)
        os.dup2(nowhere, 2)
    os.close(nowhere)


def end(error: BaseException) -> BaseException:
    """Wait until the main process has had the chance to say what ended all of them; if it has, this does not return.

    Returns:
        What is to be said here: the error, or in words of ours that another process is gone.
    """
    if not here().several or (isinstance(error, SystemExit) and not error.code):
        return error
    gone = lost(error)
    if here().main and not gone:
        return error
    time.sleep(_PATIENCE)
    if not here().main and not isinstance(error, (SharedFault, KeyboardInterrupt)) and _heard >= 0:
        os.dup2(_heard, 2)
    return DivtoolError(f"another process of the run is gone ({type(error).__name__})") if gone else error
