"""Runs that something ends from outside: Ctrl-C, a full disk, a removed folder; and models that do not fit."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

SAMPLE = ["sample", "-", "-n", "5", "--batch-size", "5", "--backend", "echo"]
PROMPTS = [orjson.dumps({"prompt": f"Say number {n}"}) + b"\n" for n in range(4)]


def _default_handling() -> None:
    # A background job of a shell inherits that Ctrl-C is ignored.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _started(*command: str, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=_default_handling,
    )


def _until(condition: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.fixture
def half_way(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run that has written ten responses to out/r.jsonl and waits for the next prompt."""
    (tmp_path / "out").mkdir()
    with _started("-m", "divtool", *SAMPLE, "-o", "out/r.jsonl", folder=tmp_path) as running:
        assert running.stdin is not None
        running.stdin.write(b"".join(PROMPTS[:2]))
        running.stdin.flush()
        _until(lambda: _lines(tmp_path / "out" / "r.jsonl") == 10, running)
        yield running
        running.kill()


def _goes_on(divtool: Any, path: Path) -> None:
    """`--resume` gives what an uninterrupted run would have given."""
    prompts = b"".join(PROMPTS)
    done = divtool(*SAMPLE, "-o", str(path), "--resume", stdin=prompts)
    assert done.returncode == 0, done.stderr
    assert path.read_bytes() == divtool(*SAMPLE, stdin=prompts).stdout


def test_ctrl_c_is_one_line_and_resumes(half_way: Any, divtool: Any, tmp_path: Path) -> None:
    half_way.send_signal(signal.SIGINT)
    said = half_way.communicate(timeout=60)[1]
    assert half_way.returncode == 130
    assert said == b"interrupted; 10 responses were written, --resume goes on\n"
    _goes_on(divtool, tmp_path / "out" / "r.jsonl")


@pytest.mark.parametrize("gap", [0.0, 0.003, 0.03])
def test_ctrl_c_thrice_quickly(half_way: Any, divtool: Any, tmp_path: Path, gap: float) -> None:
    for _ in range(3):
        half_way.send_signal(signal.SIGINT)
        time.sleep(gap)
    said = half_way.communicate(timeout=60)[1]
    assert half_way.returncode == 130, said
    assert said in (b"", b"interrupted; 10 responses were written, --resume goes on\n")
    _goes_on(divtool, tmp_path / "out" / "r.jsonl")


def test_ctrl_c_while_python_ends(tmp_path: Path) -> None:
    """The first or a second one, while a thread that a library has left keeps the process from ending."""
    code = (
        "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "from divtool.cli.main import main; main()"
    )
    with _started("-c", code, "metrics", folder=tmp_path) as running:
        assert running.stdout is not None
        _until(lambda: running.stdout is not None and running.stdout.readline().startswith(b"ttr"), running)
        time.sleep(0.5)
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=30)[1]
    assert (running.returncode, said) == (130, b"")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("count", [1, 2])
def test_ctrl_c_while_a_model_is_loaded(tiny_model: str, tmp_path: Path, count: int) -> None:
    command = ["-m", "divtool", "sample", "--builtin", "scenes", "--count", "1", "--model", tiny_model, "-o", "r.jsonl"]
    (tmp_path / "r.jsonl").write_text("old\n")
    with _started(*command, folder=tmp_path) as running:
        maps = Path(f"/proc/{running.pid}/maps")
        _until(lambda: "libtorch_python" in maps.read_text(), running)
        for _ in range(count):
            running.send_signal(signal.SIGINT)
            time.sleep(0.02)
        said = running.communicate(timeout=60)[1]
    assert running.returncode == 130, said
    assert said in (b"interrupted\n",) if count == 1 else (b"", b"interrupted\n")
    assert (tmp_path / "r.jsonl").read_text() == "old\n"


@pytest.mark.parametrize(
    ("made", "status", "said"),
    [
        ("raise SystemError('error return without exception set')", 130, b"interrupted\n"),
        ("raise SystemExit(0)", 0, b""),
        ("raise main.DivtoolError('x: was removed')", 130, b"error: x: was removed\n"),
    ],
)
def test_what_a_library_makes_of_ctrl_c(tmp_path: Path, made: str, status: int, said: bytes) -> None:
    """An import in C code may turn `KeyboardInterrupt` into an error of its own; a callback may swallow it."""
    code = (
        "import os, signal\nfrom divtool.cli import main\n"
        "def command(**_):\n"
        "    try:\n        os.kill(os.getpid(), signal.SIGINT)\n"
        f"    except KeyboardInterrupt:\n        {made}\n"
        "main.app = command\nmain.main()"
    )
    with _started("-c", code, folder=tmp_path) as running:
        assert running.communicate(timeout=60)[1] == said
    assert running.returncode == status


@pytest.mark.parametrize("what", ["the folder", "the file"])
def test_a_removed_output_is_saved_and_resumes(half_way: Any, divtool: Any, tmp_path: Path, what: str) -> None:
    path = tmp_path / "out" / "r.jsonl"
    if what == "the folder":
        shutil.rmtree(path.parent)
    else:
        path.unlink()
    said = half_way.communicate(PROMPTS[2], timeout=60)[1]
    assert half_way.returncode == 1
    assert said == (b"error: out/r.jsonl: was removed during the run; what it held is there again; --resume goes on\n")
    assert _lines(path) == 15
    _goes_on(divtool, path)


@pytest.mark.parametrize("small_disk", ["12k"], indirect=True)
def test_a_full_disk_is_one_line_and_resumes(divtool: Any, small_disk: Path) -> None:
    path = small_disk / "r.jsonl"
    done = divtool(*SAMPLE, "-o", str(path), stdin=b"".join(PROMPTS))
    assert done.returncode == 1
    assert done.stderr.decode() == (
        f"error: {path}: cannot be written (No space left on device); make room, and --resume goes on\n"
    )
    assert path.read_bytes().endswith(b"}\n")
    assert all("response" in orjson.loads(line) for line in path.read_bytes().splitlines())
    subprocess.run(["mount", "-o", "remount,size=1m", str(small_disk)], check=True)
    _goes_on(divtool, path)
    subprocess.run(["mount", "-o", "remount,size=28k", str(small_disk)], check=True)
    done = divtool("score", str(path), "--metrics", "ttr", "-o", str(small_disk / "s.jsonl"))
    assert done.returncode == 1
    assert done.stderr.endswith(
        b"s.jsonl: cannot be written (No space left on device); make room, and --resume goes on\n"
    )


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no /dev/full")
@pytest.mark.parametrize("arguments", [SAMPLE, ["score", "--metrics", "ttr"]])
def test_a_full_standard_output_is_one_line(divtool: Any, shell: Any, tmp_path: Path, arguments: list[str]) -> None:
    prompts = b"".join(PROMPTS)
    (tmp_path / "input").write_bytes(prompts if arguments == SAMPLE else divtool(*SAMPLE, stdin=prompts).stdout)
    done = shell(f"divtool {' '.join(arguments)} < input > /dev/full")
    assert done.returncode == 1
    assert done.stderr == (
        b"error: standard output: cannot be written (No space left on device); make room, or name a file with -o, "
        b"where --resume goes on\n"
    )


def test_no_chat_template_is_said_once(divtool: Any, tiny_model: str, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    shutil.copytree(tiny_model, plain)
    (plain / "chat_template.jinja").unlink()
    roles = [("system", "Be short"), ("user", "Hello"), ("assistant", "Yes?"), ("user", "Go on")]
    chat = {"prompt": [{"role": role, "content": content} for role, content in roles]}
    lines = b"".join([*PROMPTS, orjson.dumps(chat) + b"\n"])
    command = ["sample", "-", "-n", "1", "--batch-size", "1", "--max-new-tokens", "4", "--model"]
    done = divtool(*command, str(plain), stdin=lines)
    assert done.returncode == 0, done.stderr
    warned = [line for line in done.stderr.decode().splitlines() if line.startswith("warning")]
    assert len(warned) == 1
    assert "plain has no chat template: prompts are given as plain text, the contents of a chat joined by" in warned[0]
    assert [orjson.loads(line)["prompt"] for line in done.stdout.splitlines()][-1] == chat["prompt"]
    # The text that it says the model is given: one message with the same contents draws the same.
    joined = {"prompt": "\n\n".join(content for _, content in roles), "prompt_id": "x"}
    both = b"".join(orjson.dumps(record | {"prompt_id": "x"}) + b"\n" for record in (joined, chat))
    texts = [divtool(*command, str(plain), stdin=line).stdout for line in both.splitlines()]
    assert len({(orjson.loads(text)["response"], orjson.loads(text)["logprob"]) for text in texts}) == 1
    assert b"warning" not in divtool(*command, tiny_model, stdin=PROMPTS[0]).stderr


def test_a_prompt_beyond_the_context_is_one_line(divtool: Any, tiny_model: str, tmp_path: Path) -> None:
    long = orjson.dumps({"prompt_id": "long", "prompt": "the old river " * 400}) + b"\n"
    (tmp_path / "p.jsonl").write_bytes(PROMPTS[0] + long + PROMPTS[1])
    command = ["sample", "p.jsonl", "-n", "2", "--max-new-tokens", "4", "--model", tiny_model, "-o", "r.jsonl"]
    done = divtool(*command)
    assert done.returncode == 1
    line = done.stderr.decode().splitlines()[-1]
    assert line.startswith("error: prompt_id 'long': ")
    assert "tokens, and the context of" in line
    assert "ends at 1,024; shorten the prompt" in line
    assert [orjson.loads(record)["sample_index"] for record in (tmp_path / "r.jsonl").open()] == [0, 1]
    # With the prompt taken out, the run goes on from what is there.
    (tmp_path / "p.jsonl").write_bytes(b"".join(PROMPTS[:2]))
    assert divtool(*command, "--resume").returncode == 0
    assert len((tmp_path / "r.jsonl").read_bytes().splitlines()) == 4
