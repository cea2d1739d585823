"""Running the program as a user does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def divtool(tmp_path: Path) -> Run:
    """Run `divtool ARGUMENTS` in an empty folder; `stdin` is what is piped in."""

    def run(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "divtool", *arguments], input=stdin, capture_output=True, cwd=tmp_path, timeout=300
        )

    return run


@pytest.fixture
def shell(tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[bytes]]:
    """Run a shell line with `pipefail`, where `divtool` is the program."""

    def run(line: str) -> subprocess.CompletedProcess[bytes]:
        script = f'set -o pipefail; divtool() {{ "{sys.executable}" -m divtool "$@"; }}; {line}'
        return subprocess.run(["bash", "-c", script], capture_output=True, cwd=tmp_path, timeout=300)

    return run
