"""Ctrl-C during a long run: heard once, acted upon where the run can stop. Free of torch."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from .job import Tell


class Interrupt:
    """Remembers the first Ctrl-C; a second one ends the run at once.

    Args:
        tell: Whom to speak to.
        says: What is said at the first one.

    Attributes:
        heard: Whether there was one.
    """

    def __init__(self, tell: Tell, says: str) -> None:
        self.heard = False
        self._tell = tell
        self._says = says

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen while the block runs; signals reach the main thread only."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._hear)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.heard:
            raise KeyboardInterrupt
        self.heard = True
        self._tell.note(self._says)
