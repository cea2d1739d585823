"""Running the program as a user does."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from .answering import Server

Done = subprocess.CompletedProcess[bytes]
Run = Callable[..., Done]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server to draw from, without a key."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    made = Server()
    yield made
    made.close()


@pytest.fixture(scope="session")
def _forks() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-P", str(Path(__file__).with_name("forks.py"))]
    # Without a buffer here, `select` sees every line that has come.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        yield process


@pytest.fixture
def new_divtool(tmp_path: Path) -> Run:
    """Run `divtool ARGUMENTS` in an empty folder, as a new process; `stdin` is what is piped in."""

    def run(*arguments: str, stdin: bytes = b"") -> Done:
        command = [sys.executable, "-m", "divtool", *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, cwd=tmp_path, timeout=300)

    return run


class Fork:
    """A run of the program that is under way in a fork: see `forks.py`.

    Args:
        forks: The process that forks; it has one fork at a time.
        asked: The request.
    """

    def __init__(self, forks: subprocess.Popen[bytes], asked: dict[str, Any]) -> None:
        assert forks.stdin is not None
        assert forks.stdout is not None
        self._asked, self._replies = asked, forks.stdout
        forks.stdin.write(json.dumps(asked).encode() + b"\n")
        self._process = self._reply()

    def ended(self, within: float) -> bool:
        """Wait so many seconds at most; whether it has ended by then."""
        return bool(select.select([self._replies], [], [], within)[0])

    def kill(self) -> Done:
        """End it with SIGKILL, unless it has ended."""
        if not self.ended(0):
            os.kill(self._process, signal.SIGKILL)
        return self.wait()

    def wait(self) -> Done:
        """Wait for its end."""
        said = (Path(path).read_bytes for path in self._asked["streams"][1:])
        return Done(["divtool", *self._asked["arguments"]], self._reply(), *(read() for read in said))

    def _reply(self) -> int:
        reply = self._replies.readline()
        assert reply, "the process that forks has ended"
        return int(reply)


@pytest.fixture
def forked_divtool(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Fork]:
    """Starts `divtool ARGUMENTS` in a fork, one at a time."""
    forks: subprocess.Popen[bytes] = request.getfixturevalue("_forks")
    own = request.getfixturevalue("tmp_path_factory").mktemp("streams")
    *streams, modules = (own / name for name in ("stdin", "stdout", "stderr", "modules"))

    def start(*arguments: str, stdin: bytes = b"") -> Fork:
        for path in (*streams, modules):
            path.write_bytes(stdin if path.name == "stdin" else b"")
        asked = {
            "arguments": arguments, "folder": str(tmp_path), "environment": dict(os.environ),
            "streams": list(map(str, streams)), "modules": str(modules),
        }  # fmt: skip
        return Fork(forks, asked)

    return start


@pytest.fixture
def divtool(request: pytest.FixtureRequest, new_divtool: Run) -> Run:
    """As `new_divtool`, in a fork of a process that has the libraries loaded: see `forks.py`."""
    if sys.platform != "linux":  # Elsewhere a fork of loaded libraries is not safe.
        return new_divtool
    start: Callable[..., Fork] = request.getfixturevalue("forked_divtool")
    return lambda *arguments, stdin=b"": start(*arguments, stdin=stdin).wait()


@pytest.fixture
def shell(tmp_path: Path) -> Callable[[str], Done]:
    """Run a shell line with `pipefail`, where `divtool` is the program."""

    def run(line: str) -> Done:
        script = f'set -o pipefail; divtool() {{ "{sys.executable}" -m divtool "$@"; }}; {line}'
        return subprocess.run(["bash", "-c", script], capture_output=True, cwd=tmp_path, timeout=300)

    return run


@pytest.fixture
def on_terminal(tmp_path: Path) -> Callable[..., str]:
    """Run `divtool ARGUMENTS` with standard error on a terminal of so many columns; what came there."""

    def run(columns: int, *arguments: str, **environment: str) -> str:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        known = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
        with subprocess.Popen(
            [sys.executable, "-m", "divtool", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            cwd=tmp_path,
            env={**known, "TERM": "xterm-256color", **environment},
        ):
            os.close(theirs)
            said = b""
            with suppress(OSError), os.fdopen(ours, "rb", buffering=0) as terminal:  # an end of its own is an error
                while block := terminal.read(1 << 16):
                    said += block
        return said.decode()

    return run
