"""Bad input: one line with place, fault and remedy; the exit status of the contract; nothing lost."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson
import pytest

GOOD = (
    b'{"prompt_id":"p%d","prompt":"Say something","response":"A word or two","sample_index":0,"turn":1,"scores":{}}\n'
)
ONE, TWO = GOOD % 1, GOOD % 2


def _only_line(said: bytes) -> str:
    """The one error line; notes before it are allowed, a traceback is not."""
    lines = [line for line in said.decode().splitlines() if line.strip()]
    assert sum(line.startswith("error: ") for line in lines) == 1, said.decode()
    assert "Traceback" not in said.decode()
    return lines[-1]


@pytest.mark.parametrize("command", [("score", "--metrics", "ttr"), ("select", "--method", "random")])
@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b'{"broken": \n', "not valid JSON"),
        (b"[]\n", "not a JSON object"),
        (b'{"prompt":"x","prompt_id":"q","response":"y"}\n', "the key 'sample_index' is missing"),
        (
            b'{"prompt":"x","prompt_id":"q","response":7,"sample_index":0}\n',
            "'response' is a whole number, not a string",
        ),
        (b"\x80\x81\x82\n", "not UTF-8 text"),
    ],
)
def test_bad_third_line(divtool: Any, tmp_path: Path, command: tuple[str, ...], line: bytes, fault: str) -> None:
    (tmp_path / "in.jsonl").write_bytes(ONE + TWO + line + GOOD % 3)
    done = divtool(*command, "in.jsonl")
    assert done.returncode == 1
    said = _only_line(done.stderr)
    assert said.startswith("error: in.jsonl:3: ")
    assert fault in said


def test_bad_line_keeps_what_was_scored(divtool: Any) -> None:
    big = b"".join(GOOD % n for n in range(600))
    done = divtool("score", "--metrics", "ttr", stdin=big + b"{broken\n")
    assert done.returncode == 1
    assert _only_line(done.stderr).startswith("error: standard input:601: ")
    written = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert written
    assert all("ttr" in record["scores"] for record in written)


def test_bad_lines_can_be_skipped_and_are_counted(divtool: Any) -> None:
    done = divtool("score", "--metrics", "ttr", "--on-error", "skip", stdin=ONE + b"{broken\n" + TWO + b"7\n")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 2
    assert b"2 bad lines left out, 2 read" in done.stderr


def test_byte_order_mark_and_line_separator_are_no_faults(divtool: Any) -> None:
    record = orjson.loads(ONE) | {"response": "one\u2028two"}
    done = divtool("score", "--metrics", "words", stdin=b"\xef\xbb\xbf" + orjson.dumps(record) + b"\n" + TWO)
    assert done.returncode == 0, done.stderr
    assert [orjson.loads(line)["scores"]["words"] for line in done.stdout.splitlines()] == [2, 4]


@pytest.mark.parametrize(
    ("arguments", "status", "fault"),
    [
        (("score", "nowhere.jsonl"), 1, "nowhere.jsonl: no such file"),
        (("select", "nowhere.jsonl"), 1, "nowhere.jsonl: no such file"),
        (("train", "nowhere.jsonl", "--method", "dpo", "-o", "out"), 1, "nowhere.jsonl: no such file"),
        (("report", "nowhere.jsonl", "-o", "r.html"), 1, "nowhere.jsonl"),
        (("score", "empty.jsonl"), 1, "empty.jsonl: no records"),
        (("sample", "empty.jsonl", "--backend", "echo"), 1, "empty.jsonl: no records"),
        (("select", "empty.jsonl"), 1, "empty.jsonl: no records"),
        (("score", "binary.jsonl"), 1, "binary.jsonl:1: not UTF-8 text"),
        (("score", "one.jsonl", "--metrics", "ttrr"), 2, "did you mean 'ttr'?"),
        (("score", "one.jsonl", "--tokenizer", "words"), 2, "did you mean 'word'?"),
        (("select", "one.jsonl", "--method", "diverse"), 2, "did you mean 'diverse-ns'?"),
        (("select", "one.jsonl", "--pairs", "0"), 2, "--pairs must be at least 1"),
        (("select", "one.jsonl", "--quality-floor", "1"), 2, "--quality-floor must be in [0, 1)"),
        (("train", "one.jsonl", "--method", "dpoo", "-o", "out"), 2, "did you mean 'dpo'?"),
        (("eval", "one.jsonl", "--task", "storys"), 2, "did you mean 'story'?"),
        (("eval", "one.jsonl", "--model", "smollm2-135m"), 2, "a FILE of responses or a --model, not both"),
        (("eval", "nowhere.jsonl"), 1, "nowhere.jsonl: no such file"),
        (("score", "one.jsonl", "-o", "one.jsonl"), 2, "one.jsonl is the input as well"),
        (("score", "one.jsonl", "-o", "one.jsonl", "--resume"), 2, "one.jsonl is the input as well"),
        (("select", "one.jsonl", "--report", "one.jsonl"), 2, "one.jsonl is the input as well"),
        (("report", "one.jsonl", "-o", "one.jsonl"), 2, "one.jsonl is the input as well"),
        (("score", "one.jsonl", "--metrics", ","), 2, "no metric named"),
        (("score", "broken.zst"), 1, "broken.zst:1: cannot be read"),
        (("sample", "one.jsonl", "--backend", "echo", "--temperature", "inf"), 2, "decoding needs"),
        (("sample", "--builtin", "scene", "--backend", "echo"), 2, "did you mean 'scenes'?"),
        (("sample", "--builtin", "scenes", "--backend", "echo", "--strategy", "directly"), 2, "did you mean 'direct'?"),
        (("sample", "one.jsonl", "--builtin", "scenes"), 2, "exclude each other"),
        (("sample", "one.jsonl", "--backend", "echo", "--resume"), 2, "--resume needs -o FILE"),
        (("sample", "one.jsonl", "--model", "./nowhere"), 1, "model './nowhere': no such folder"),
        (("sample", "one.jsonl", "--model", "nowhere.gguf"), 1, "model 'nowhere.gguf': no such file"),
        (("sample", "one.jsonl", "--device", "cuba"), 2, "unknown device 'cuba'"),
        (("sample", "one.jsonl", "--adapter", "./nowhere"), 1, "adapter './nowhere'"),
        (("score", "one.jsonl", "--metrics", "dsi_lite", "--embedder", "./nowhere"), 1, "embedder './nowhere'"),
        (("score", "one.jsonl", "-o", "no/such/folder.jsonl"), 1, "the folder no/such does not exist"),
        (("select", "one.jsonl"), 1, "no score 'ttr' in the record"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_one_clear_line(divtool: Any, tmp_path: Path, arguments: tuple[str, ...], status: int, fault: str) -> None:
    (tmp_path / "empty.jsonl").write_bytes(b"")
    (tmp_path / "one.jsonl").write_bytes(ONE)
    (tmp_path / "binary.jsonl").write_bytes(bytes(range(128, 256)) * 40)
    (tmp_path / "broken.zst").write_bytes(b"x")
    done = divtool(*arguments)
    assert fault in _only_line(done.stderr)
    assert done.returncode == status
    assert (tmp_path / "one.jsonl").read_bytes() == ONE
    assert done.stdout == b""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_write_permission(divtool: Any, tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir(mode=0o500)
    done = divtool("sample", "--builtin", "scenes", "--backend", "echo", "-o", "shut/r.jsonl")
    assert done.returncode == 1
    assert "cannot be written" in _only_line(done.stderr)


@pytest.mark.parametrize("command", [("score",), ("select",), ("sample", "--backend", "echo")])
def test_output_in_place_of_a_folder(divtool: Any, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "folder").mkdir()
    done = divtool(*command, "-o", "folder", stdin=ONE)
    assert done.returncode == 1
    assert "folder: cannot be written" in _only_line(done.stderr)


def test_failed_run_leaves_the_old_output_alone(divtool: Any, tmp_path: Path) -> None:
    (tmp_path / "s.jsonl").write_bytes(b"old\n")
    assert divtool("score", "--metrics", "ttr", "-o", "s.jsonl", stdin=b"{broken\n").returncode == 1
    assert (tmp_path / "s.jsonl").read_bytes() == b"old\n"


def test_debug_shows_the_traceback(divtool: Any) -> None:
    for arguments in (("--debug", "score", "nowhere.jsonl"), ("score", "nowhere.jsonl", "--debug")):
        assert b"Traceback" in divtool(*arguments).stderr


def test_control_characters_of_a_file_do_not_reach_the_terminal(divtool: Any) -> None:
    record = orjson.loads(ONE) | {"prompt_id": "a\u001b[2Jb"}
    other = record | {"prompt_id": "x", "sample_index": 0}
    lines = b"".join(orjson.dumps(r) + b"\n" for r in (record, other, record))
    done = divtool("score", "--metrics", "ttr", stdin=lines)
    assert b"\x1b" not in done.stderr
    assert "comes back" in _only_line(done.stderr)
