"""Ctrl-C: the first one ends the run in order, a second one at once; the exit status is 130 either way."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from typing import Any

STATUS = 130
_SHOW_CURSOR = "\x1b[?25h"


class Interrupts:
    """Listens from `listen` on to the end of the process.

    Attributes:
        heard: Whether there was one. A library may have made something else of it than `KeyboardInterrupt`.
    """

    def __init__(self) -> None:
        self.heard = False

    def listen(self) -> None:
        """Begin, unless Ctrl-C is for somebody else: a background job of a shell ignores it."""
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return
        signal.signal(signal.SIGINT, self._first)
        # Python sets the system's own handling back while it ends, which would kill with a signal; what is ignored
        # stays ignored.
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)

    def end(self) -> None:
        """From here on nothing is to be put in order any more."""
        if signal.getsignal(signal.SIGINT) == self._first:
            signal.signal(signal.SIGINT, _at_once)

    def _first(self, *_: Any) -> None:
        self.heard = True
        signal.signal(signal.SIGINT, _at_once)
        raise KeyboardInterrupt


def _at_once(*_: Any) -> None:
    """End without what Python does at its end, which further ones would interrupt."""
    if sys.stderr.isatty():
        os.write(2, _SHOW_CURSOR.encode())  # A progress bar has hidden it.
    os._exit(STATUS)
