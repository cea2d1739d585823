"""What a terminal, and a log file, see of `sample`."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from divtool.cli.sampling_bar import SamplingBar

LINES = "".join(json.dumps({"prompt": f"Number {n}"}) + "\n\n" for n in range(7)).encode()


def _on_terminal(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    """What the program shows on a terminal of its own."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "120", "TERM": "xterm"}
    command = [sys.executable, "-m", "divtool", "sample", "--backend", "echo", "-n", "3", *arguments]
    out = subprocess.DEVNULL
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=out, stderr=theirs, cwd=folder, env=environment
    ) as process:
        os.close(theirs)
        assert process.stdin is not None
        process.stdin.write(stdin)
        process.stdin.close()
        shown = b"".join(iter(lambda: _read(ours), b""))
    os.close(ours)
    assert process.returncode == 0, shown
    return re.sub(r"\x1b\[[0-9;?]*\w", "", shown.decode())


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # The end, on Linux.
        return b""


def _seen(bar: SamplingBar) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(bar.frame())
    return console.file.getvalue().strip().lstrip("━╸╺ ")  # type: ignore[attr-defined,no-any-return]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that the bar sees."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_time_left_comes_from_this_run_alone(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    there, wrong = [0], [""]
    bar = SamplingBar(400, each=4, troubles=lambda: wrong[0])
    with bar.shown(lambda: there[0]):
        assert _seen(bar) == "0/100 prompts  0/400 chats  0 tokens/s  0:00:00"
        there[0] = 200
        clock[0] += 5
        assert _seen(bar) == "50/100 prompts  200/400 chats  0 tokens/s  0:00:05"
        bar.tokens(1000)
        clock[0] += 5
        bar.done(10)
        assert _seen(bar) == "52/100 prompts  210/400 chats  100 tokens/s  0:03:10 left"
        clock[0] += 10
        wrong[0] = "3 retries"
        assert _seen(bar) == "52/100 prompts  210/400 chats  50 tokens/s  0:03:00 left  3 retries"
        bar.done(190)
        assert _seen(bar).startswith("100/100 prompts  400/400 chats  50 tokens/s  0:00:00 left")
    said = "100 prompts, 200 new chats (200 were there), 1,000 tokens in 20.0 s (50 tokens/s), 3 retries\n"
    assert capsys.readouterr().err == said


def test_a_bar_without_an_end_or_without_chats(clock: list[float]) -> None:
    bar = SamplingBar(None, each=1)
    bar.done(3)
    clock[0] += 61
    assert _seen(bar) == "3 prompts  0 tokens/s  0:01:01"
    assert _seen(SamplingBar(8, "responses")) == "0/8 responses  0 tokens/s  0:00:00"
    assert _seen(SamplingBar(0, each=2)).startswith("0/0 prompts  0/0 chats")


def test_the_number_of_prompts_is_known_beforehand(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_bytes(LINES)
    (tmp_path / "p.jsonl.gz").write_bytes(gzip.compress(LINES))
    shown = _on_terminal(tmp_path, "p.jsonl", "-o", "r.jsonl")
    assert "7/7 prompts  21/21 chats" in shown
    assert re.search(r"\r7 prompts, 21 chats, [\d,]+ tokens in [\d.]+ s \([\d,]+ tokens/s\)\r?\n$", shown)
    drawn = (tmp_path / "r.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "r.jsonl").write_bytes(b"".join(drawn[:10]))
    shown = _on_terminal(tmp_path, "p.jsonl.gz", "-o", "r.jsonl", "--resume")
    assert "7/7 prompts  21/21 chats" in shown
    assert "\r7 prompts, 11 new chats (10 were there), " in shown
    assert "4/4 prompts  24/24 chats" in _on_terminal(tmp_path, "p.jsonl", "--shard", "1/2", "--temperature", "0.7,1")
    assert "20/20 prompts  60/60 chats" in _on_terminal(tmp_path, "--builtin", "story-eval")
    assert "7 prompts  21 chats" in _on_terminal(tmp_path, stdin=LINES)


def test_a_log_file_gets_the_last_line_alone(divtool: Any, tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_bytes(LINES)
    done = divtool("sample", "p.jsonl", "--backend", "echo", "-n", "1")
    assert re.fullmatch(rb"7 prompts, 7 chats, \d+ tokens in [\d.]+ s \([\d,]+ tokens/s\)\n", done.stderr)


def test_a_set_without_so_many_prompts_ends_before_a_model_loads(divtool: Any) -> None:
    done = divtool("sample", "--builtin", "dat", "--count", "5", "--model", "no-such-folder/")
    assert (done.returncode, done.stderr) == (2, b"error: --builtin dat has 1 prompt, not 5\n")
