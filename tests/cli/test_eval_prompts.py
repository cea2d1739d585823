"""`divtool eval` on its prompts: what was trained on, what humans answered, and a published protocol."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest


def _write(path: Path, records: list[dict[str, Any]]) -> str:
    path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
    return path.name


def _responses(path: Path, *, seed: int = 0, samples: int = 4, prompts: int = 7) -> str:
    return _write(
        path,
        [
            {
                "prompt": f"Tell me of {p}.", "prompt_id": f"q{p}", "sample_index": i,
                "response": " ".join(f"w{(p * 31 + i * 17 + seed * 7 + n * n) % 50}" for n in range(12)),
            }
            for p in range(prompts)
            for i in range(samples)
        ],
    )  # fmt: skip


_POOL = ("--task", "pool", "--metrics", "distinct_1", "--truncate-words", "none")


def test_training_prompts_that_are_asked_end_the_run(divtool: Any, tmp_path: Path) -> None:
    run = _responses(tmp_path / "run.jsonl")
    train = _write(
        tmp_path / "train.jsonl",
        [{"prompt": "Something else"}, {"prompt": [{"role": "user", "content": "tell me  OF 3."}], "chosen": []}],
    )
    (tmp_path / "m.jsonl").write_bytes(b"old\n")
    done = divtool("eval", run, *_POOL, "--train-data", train, "-o", "m.jsonl")
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1] == (
        "error: train.jsonl: 1 of 2 training prompts are asked in the evaluation, or hold its words: line 2 (q3); "
        "take them out and train again, or go on with --allow-overlap"
    )
    assert (tmp_path / "m.jsonl").read_bytes() == b"old\n"
    done = divtool("eval", run, *_POOL, "--train-data", train, "--allow-overlap")
    assert done.returncode == 0, done.stderr
    assert b"warning: train.jsonl: 1 of 2 training prompts" in done.stderr
    for arguments, status, message in (
        (("--allow-overlap",), 2, b"--allow-overlap needs --train-data"),
        (("--train-data", train, "-o", train), 2, b"train.jsonl is the input as well"),
    ):
        done = divtool("eval", run, *_POOL, *arguments)
        assert (done.returncode, message in done.stderr) == (status, True), done.stderr


def test_responses_by_humans_stand_beside(divtool: Any, tmp_path: Path) -> None:
    run, human = _responses(tmp_path / "run.jsonl"), _responses(tmp_path / "human.jsonl", seed=3, samples=2)
    done = divtool("eval", run, *_POOL, "--human", human)
    assert done.returncode == 0, done.stderr
    rows = {(r["run"], r["metric"]): r for r in map(orjson.loads, done.stdout.splitlines())}
    row = rows["[human]", "distinct_1"]
    assert (row["role"], row["n_prompts"], row["n_responses"]) == ("reference", 7, 14)
    assert row["matched_value"] > rows["run.jsonl", "distinct_1"]["value"]  # two texts repeat less than four
    assert "2 responses of each of 7 prompts" in row["note"]
    assert f"of human responses {row['value']:.3g} ({row['matched_value']:.3g} on as many)".encode() in done.stderr
    done = divtool("eval", run, *_POOL)
    assert done.stderr.count(b"of humans: nothing given (--human FILE)") == 1
    other = _write(
        tmp_path / "other.jsonl",
        [{"prompt": "x", "prompt_id": "x", "sample_index": i, "response": "y"} for i in (0, 1)],
    )
    done = divtool("eval", run, *_POOL, "--human", other)
    assert done.returncode == 1
    assert (
        b"error: other.jsonl: no prompt with 2 responses or more by humans is asked: x against q0, q1, q2"
        in done.stderr
    )


def _protocol(model: str, *more: str) -> tuple[str, ...]:
    given = ("--task", "pool", "--protocol", "2503.17126", "--metrics", "distinct_1,unique_share")
    return ("eval", "--model", model, *given, "--count", "6", "--device", "cpu", *more)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_protocol_is_drawn_by_its_own_decoding_and_a_killed_run_goes_on(
    divtool: Any, tiny_model: str, tmp_path: Path
) -> None:
    done = divtool(*_protocol(tiny_model, "-o", "whole.jsonl", "--work", "w"))
    assert done.returncode == 0, done.stderr
    whole = tmp_path / "w" / "pool.run.jsonl"
    records = [orjson.loads(line) for line in whole.read_bytes().splitlines()]
    assert len(records) == 24
    assert records[0]["params"] == {
        "temperature": 1.0, "top_p": 0.95, "top_k": 50, "min_p": 0.0, "max_new_tokens": 128,
        "repetition_penalty": 1.1, "strategy": "direct",
    }  # fmt: skip
    rows = [orjson.loads(line) for line in (tmp_path / "whole.jsonl").read_bytes().splitlines()]
    assert all("not comparable with its figures" in row["note"] and not row["comparable"] for row in rows)
    assert rows[0]["n_prompts"] == 6

    # One response at a time, so that there is something to kill.
    command = [sys.executable, "-m", "divtool", *_protocol(tiny_model, "-o", "m.jsonl", "--batch-size", "1")]
    running = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
    drawn, deadline = tmp_path / "m.jsonl.work" / "pool.run.jsonl", time.monotonic() + 120
    while time.monotonic() < deadline and not (drawn.is_file() and drawn.read_bytes().count(b"\n") >= 8):
        time.sleep(0.002)
    os.kill(running.pid, signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    kept = drawn.read_bytes()
    kept = kept[: kept.rfind(b"\n") + 1]
    assert 8 <= kept.count(b"\n") < 24
    done = divtool(*_protocol(tiny_model, "-o", "m.jsonl", "--resume"))
    assert done.returncode == 0, done.stderr
    assert drawn.read_bytes().startswith(kept)
    texts = [[orjson.loads(line)["response"] for line in path.read_bytes().splitlines()] for path in (whole, drawn)]
    assert texts[0] == texts[1]
    assert (tmp_path / "m.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
