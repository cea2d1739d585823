"""`sample` and `select` for possibility fine-tuning, as a user runs them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
ECHO = ("sample", "--backend", "echo", "--builtin", "dialogues", "--count", "2")


def _records(out: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_numbers_are_drawn_and_the_same_bytes_come_again(divtool: Run) -> None:
    line = (*ECHO, "--strategy", "possibility", "-n", "3")
    done = divtool(*line)
    assert done.returncode == 0
    assert done.stderr.count(b"warning") == 1
    assert [record["possibility"] for record in _records(done.stdout)] == [1, 2, 3, 1, 2, 3]
    assert _records(done.stdout)[0]["params"]["max_new_tokens"] == 64
    assert divtool(*line).stdout == done.stdout


def test_run_that_was_cut_is_completed(divtool: Run, tmp_path: Path) -> None:
    for more in (("--strategy", "possibility", "--numbers", "random", "--clean", "chat"), ("--strategy", "list")):
        line = (*ECHO, *more, "-n", "3", "-o", "r.jsonl")
        assert divtool(*line).returncode == 0
        path = tmp_path / "r.jsonl"
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * 0.6)])
        assert divtool(*line, "--resume").returncode == 0
        assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--strategy", "possibility", "-n", "10"), 2, "1 to 9; --cycle-numbers begins again"),
        (("--strategy", "possibility", "--number-prompt", "Answer."), 2, "--number-prompt holds {n} 0 times"),
        (("--numbers", "same"), 2, "--numbers is no option of --strategy direct; it belongs to possibility"),
        (("--strategy", "possibility", "-n", "10", "--cycle-numbers"), 0, ""),
    ],
)
def test_exit_statuses(divtool: Run, arguments: tuple[str, ...], status: int, message: str) -> None:
    done = divtool(*ECHO, *arguments)
    assert done.returncode == status
    assert message in done.stderr.decode()


def test_select_refuses_what_is_not_its_own(divtool: Run) -> None:
    for arguments, message in (
        (("--pairs", "2"), "--pairs is no option of --method possibility"),
        (("--k", "1"), "--min-k must be from 1 to --k"),
    ):
        done = divtool("select", "--method", "possibility", *arguments, stdin=b"{}")
        assert done.returncode == 2
        assert message in done.stderr.decode()


@pytest.mark.model
def test_lists_become_groups(divtool: Run, tmp_path: Path) -> None:
    listed = divtool(*ECHO, "--strategy", "list", "-n", "5")
    assert b"parse rate 100%" in listed.stderr
    done = divtool(
        "select", "--method", "possibility", "--k", "3", "--report", "s.json", "-o", "g.jsonl", stdin=listed.stdout
    )
    assert done.returncode == 0, done.stderr
    groups = _records((tmp_path / "g.jsonl").read_bytes())
    assert [len(group["responses"]) for group in groups] == [3, 3]
    assert all(group["n_candidates"] == 5 and "listed" not in group for group in groups)
    assert json.loads((tmp_path / "s.json").read_bytes())["pick_audit"]["pool"]["responses"] == 10
    assert "random pick of the same size" in done.stderr.decode()
