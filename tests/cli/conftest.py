"""Running the program as a user does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Done = subprocess.CompletedProcess[bytes]
Run = Callable[..., Done]


@pytest.fixture(scope="session")
def _forks() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-P", str(Path(__file__).with_name("forks.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


@pytest.fixture
def new_divtool(tmp_path: Path) -> Run:
    """Run `divtool ARGUMENTS` in an empty folder, as a new process; `stdin` is what is piped in."""

    def run(*arguments: str, stdin: bytes = b"") -> Done:
        command = [sys.executable, "-m", "divtool", *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, cwd=tmp_path, timeout=300)

    return run


@pytest.fixture
def divtool(request: pytest.FixtureRequest, new_divtool: Run, tmp_path: Path) -> Run:
    """As `new_divtool`, in a fork of a process that has the libraries loaded: see `forks.py`."""
    if sys.platform != "linux":  # Elsewhere a fork of loaded libraries is not safe.
        return new_divtool
    forks: subprocess.Popen[str] = request.getfixturevalue("_forks")
    own = request.getfixturevalue("tmp_path_factory").mktemp("streams")
    *streams, modules = (own / name for name in ("stdin", "stdout", "stderr", "modules"))

    def run(*arguments: str, stdin: bytes = b"") -> Done:
        for path in (*streams, modules):
            path.write_bytes(stdin if path.name == "stdin" else b"")
        asked = {
            "arguments": arguments, "folder": str(tmp_path), "environment": dict(os.environ),
            "streams": list(map(str, streams)), "modules": str(modules),
        }  # fmt: skip
        assert forks.stdin is not None
        assert forks.stdout is not None
        forks.stdin.write(json.dumps(asked) + "\n")
        forks.stdin.flush()
        status = forks.stdout.readline()
        assert status, "the process that forks has ended"
        return Done(["divtool", *arguments], int(status), *(path.read_bytes() for path in streams[1:]))

    return run


@pytest.fixture
def shell(tmp_path: Path) -> Callable[[str], Done]:
    """Run a shell line with `pipefail`, where `divtool` is the program."""

    def run(line: str) -> Done:
        script = f'set -o pipefail; divtool() {{ "{sys.executable}" -m divtool "$@"; }}; {line}'
        return subprocess.run(["bash", "-c", script], capture_output=True, cwd=tmp_path, timeout=300)

    return run
