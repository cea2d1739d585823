"""`sample --shard I/N`: several runs over one file or built-in set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

ECHO = ("sample", "--backend", "echo", "-n", "2")


@pytest.fixture
def prompts(tmp_path: Path) -> str:
    lines = [json.dumps({"prompt": f"Number {n}"}) for n in range(7)]
    (tmp_path / "p.jsonl").write_text("\n\n".join(lines))
    return "p.jsonl"


def _sorted(*outputs: bytes) -> list[bytes]:
    return sorted(line for out in outputs for line in out.splitlines())


def test_shards_of_a_file_that_was_cut_are_completed(divtool: Any, prompts: str, tmp_path: Path) -> None:
    line = (*ECHO, prompts, "--strategy", "sequential")
    parts = []
    for place in (1, 2, 3):
        path = tmp_path / f"r{place}.jsonl"
        mine = (*line, "--shard", f"{place}/3", "-o", path.name)
        assert divtool(*mine).returncode == 0
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        done = divtool(*mine, "--resume")
        assert done.returncode == 0, done.stderr
        assert path.read_bytes() == whole
        parts.append(whole)
    assert _sorted(*parts) == _sorted(divtool(*line).stdout)
    assert [len(part.splitlines()) for part in parts] == [12, 8, 8]


def test_count_is_of_the_set_and_bad_lines_are_no_prompts(divtool: Any, tmp_path: Path) -> None:
    line = (*ECHO, "--builtin", "scenes", "--count", "5")
    parts = [divtool(*line, "--shard", shard).stdout for shard in ("1/2", "2/2")]
    assert _sorted(*parts) == _sorted(divtool(*line).stdout)
    assert len(parts[0].splitlines()) == 6
    line = (*ECHO, "--on-error", "skip", "-")
    given = b'{"prompt": "a"}\n{"prompt": 1}\n{"prompt": "b"}\n{"prompt": "c"}\n'
    parts = [divtool(*line, "--shard", shard, stdin=given).stdout for shard in ("1/2", "2/2")]
    assert _sorted(*parts) == _sorted(divtool(*line, stdin=given).stdout)


def test_wrong_shards_and_files_of_others(divtool: Any, prompts: str, tmp_path: Path) -> None:
    done = divtool(*ECHO, prompts, "--shard", "3/2")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"error: --shard 3/2: give I/N with I from 1 to N, such as 2/4\n"
    assert divtool(*ECHO, prompts, "--shard", "1/2", "-o", "r.jsonl").returncode == 0
    before = (tmp_path / "r.jsonl").read_bytes()
    done = divtool(*ECHO, prompts, "--shard", "2/2", "-o", "r.jsonl", "--resume")
    assert done.returncode == 1
    assert b"r.jsonl:1: holds response" in done.stderr
    assert done.stderr.endswith(b"; --resume goes on with the same command only\n")
    assert (tmp_path / "r.jsonl").read_bytes() == before
