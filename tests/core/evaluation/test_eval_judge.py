"""`divtool eval --judge` as a user runs it, with a made server as the judge."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

pytest.importorskip("openai")

KEY = "sk-very-secret-0123456789"


def _write(path: Path, seed: int) -> None:
    draw = random.Random(seed)
    records = [
        {
            "prompt": f"question {p}", "prompt_id": f"q{p}", "sample_index": i, "model": "made",
            "response": " ".join(f"w{draw.randrange(60)}" for _ in range(30)),
        }
        for p in range(6)
        for i in range(2)
    ]  # fmt: skip
    path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))


@pytest.fixture
def evaluate(stub_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Compares two files of 6 prompts x 2 responses with the made server as judge."""
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setenv("DIVTOOL_CACHE", str(tmp_path / "cache"))
    _write(tmp_path / "run.jsonl", 0)
    _write(tmp_path / "base.jsonl", 1)

    def run(*arguments: str) -> Any:
        given = ("run.jsonl", "--baseline", "base.jsonl", "--task", "pool", "--metrics", "distinct_1", *arguments)
        judge = ("--judge", stub_server.url, "--judge-model", "judge-model", "--judge-key-env", "MY_KEY")
        command = [sys.executable, "-m", "divtool", "eval", *given, *judge]
        return subprocess.run(command, capture_output=True, cwd=tmp_path, timeout=300)

    return run


def _rows(path: Path) -> dict[str, dict[str, Any]]:
    records = list(map(orjson.loads, path.read_bytes().splitlines()))
    return {record["metric"]: record for record in records if "delta" in record}


def _says(body: dict[str, Any]) -> str:
    return "Rating: [[5]]" if "Rating: [[x]]" in body["messages"][0]["content"] else "Verdict: [[A]]"


def test_what_it_costs_is_said_before_anything_is_spent(stub_server: Any, evaluate: Any, tmp_path: Path) -> None:
    done = evaluate("--dry-run", "-o", "m.jsonl", "--judge-max-calls", "1")
    assert done.returncode == 0, done.stderr
    assert b"0 responses to draw" in done.stderr
    assert b"60 calls (24 ratings, 24 comparisons, 12 comparisons of sets), 0 answers remembered" in done.stderr
    assert not (tmp_path / "m.jsonl").exists()
    refused = evaluate("-o", "m.jsonl", "--judge-max-calls", "59")
    assert refused.returncode == 1
    assert b"the judge needs 60 more calls, and 59 of 59 are left" in refused.stderr
    assert not stub_server.requests


def test_a_judge_that_stumbles_is_asked_again_and_a_second_run_asks_nothing(
    stub_server: Any, evaluate: Any, tmp_path: Path
) -> None:
    busy = [stub_server.refusal(429, f"slow down, {KEY}", headers={"Retry-After": "0.01"})]
    stub_server.answer = lambda body: busy.pop() if busy else _says(body)
    given = ("--junit", "eval.xml", "--unit-values", "units.jsonl", "--judge-max-calls", "60")
    done = evaluate("-o", "m.jsonl", *given, "--fail-under", "pool.win_rate.delta_ci_low=-0.05")
    assert done.returncode == 0, done.stderr
    assert len(stub_server.requests) == 61
    rows = _rows(tmp_path / "m.jsonl")
    # A judge that always says A contradicts itself in the other order.
    assert [rows[name]["value"] for name in ("judge", "win_rate", "win_rate_sets")] == [5, 0.5, 0.5]
    assert [rows[name]["verdict"] for name in ("judge", "win_rate")] == ["equivalent", "equivalent"]
    again = evaluate("-o", "again.jsonl", "--judge-max-calls", "0")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "m.jsonl").read_bytes()
    assert len(stub_server.requests) == 61
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"Rating: [[5]]" in written
    assert KEY.encode() not in written + done.stdout + done.stderr + again.stderr
    assert set(stub_server.keys) == {f"Bearer {KEY}"}


def test_a_judge_that_fails_ends_with_1_after_all_other_rows(stub_server: Any, evaluate: Any, tmp_path: Path) -> None:
    stub_server.says(stub_server.refusal(403, f"wrong key {KEY}"))
    done = evaluate("-o", "m.jsonl", "--junit", "eval.xml")
    assert done.returncode == 1
    rows = _rows(tmp_path / "m.jsonl")
    assert rows["judge"]["value"] is rows["win_rate"]["value"] is None
    assert rows["judge"]["note"].startswith("no answer of the judge: ")
    assert rows["distinct_1"]["delta"] is not None
    last = done.stderr.splitlines()[-1]
    assert b"refuses the key in the environment variable MY_KEY" in last
    assert b"; all other rows of the task are written, the same command (with --resume) asks for the rest" in last
    assert b"<error" in (tmp_path / "eval.xml").read_bytes()
    assert KEY.encode() not in done.stderr + (tmp_path / "m.jsonl").read_bytes() + (tmp_path / "eval.xml").read_bytes()
    stub_server.answer = _says
    assert evaluate("-o", "m.jsonl").returncode == 0
    assert _rows(tmp_path / "m.jsonl")["judge"]["value"] == 5
