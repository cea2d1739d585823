"""Killing a run of the program at random moments, and going on with it, time after time."""

from __future__ import annotations

import logging
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from .conftest import Fork

_log = logging.getLogger(__name__)
KILLS = 30
_EARLY = 5  # kills at any time from the start on, most of them before anything is written
_START = 0.4  # about the seconds until something is written
_MOMENT = 0.03  # seconds: some batches
_TAIL = 3000  # bytes: some records
_LEFT = 6  # shares of the work that are for after the last kill, so that a run ends by itself on no machine


def killed_often(start: Callable[[], Fork], path: Path, whole: int, seed: int) -> None:
    """Start a run that resumes, and kill it, 30 times, without ever letting it end.

    A kill comes as soon as the file has grown by a random number of bytes, and a random moment after that; five come at
    any time from the start, the first of all among them. After some the file loses its last bytes, as where a machine
    has crashed.

    Args:
        start: Starts the run, with `--resume`.
        path: What it writes.
        whole: Bytes of the output when nothing interrupts it; each kill leaves a share of what remains.
        seed: Of the moments; logged with them, which pytest shows where the test fails.
    """
    moments, grown = random.Random(seed), 0
    early = {0, *moments.sample(range(1, KILLS), _EARLY - 1)}
    _log.warning("seed %d", seed)
    for number in range(KILLS):
        before, begun = _size(path), time.monotonic()
        enough = before + moments.uniform(0, 2) * (whole - before) / (KILLS + _LEFT - number)
        until = moments.uniform(0, _START) if number in early else 120.0
        running = start()
        while _size(path) <= enough and time.monotonic() < begun + until and not running.ended(0.001):
            pass
        running.ended(moments.uniform(0, _MOMENT))
        done, seconds, after = running.kill(), time.monotonic() - begun, _size(path)
        _log.warning("kill %d after %.3f s: %d bytes before, %d after", number, seconds, before, after)
        assert done.returncode == -signal.SIGKILL, done.stderr
        grown += after > before
        if after and moments.random() < 0.5:
            _cut(path, moments)
    assert grown >= KILLS - _EARLY


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _cut(path: Path, moments: random.Random) -> None:
    """Take off the last newline, or any number of bytes up to some records."""
    size = _size(path)
    end = size - 1 if moments.random() < 0.2 else moments.randrange(max(0, size - _TAIL), size)
    os.truncate(path, end)
    _log.warning("cut to %d bytes", end)
