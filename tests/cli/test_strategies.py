"""`sample --strategy` and a grid of settings, as a user runs them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
ECHO = ("sample", "--backend", "echo", "--builtin", "dialogues", "--count", "2", "-n", "3")


def _records(out: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize("strategy", ["verbalized", "string-seed", "persona", "paraphrase"])
def test_run_over_a_grid_that_was_cut_is_completed(divtool: Run, tmp_path: Path, strategy: str) -> None:
    line = (*ECHO, "--strategy", strategy, "--temperature", "0.7,1.2", "-o", "r.jsonl")
    done = divtool(*line)
    assert done.returncode == 0, done.stderr
    assert (b"parse rate 100%" in done.stderr) == (strategy in ("verbalized", "string-seed"))
    path = tmp_path / "r.jsonl"
    whole = path.read_bytes()
    assert len(_records(whole)) == 12
    path.write_bytes(whole[: int(len(whole) * 0.6)])
    assert divtool(*line, "--resume").returncode == 0
    assert path.read_bytes() == whole


def test_eval_takes_a_grid_apart(divtool: Run) -> None:
    divtool(*ECHO, "--temperature", "0.7,1.5", "-o", "r.jsonl")
    line = ("eval", "--task", "pool", "--metrics", "ttr")
    done = divtool(*line, "--run", "cool=r.jsonl@temperature=0.7", "--run", "hot=r.jsonl@temperature=1.5")
    assert done.returncode == 0, done.stderr
    rows = [row for row in _records(done.stdout) if row["metric"] == "ttr"][:2]
    assert [(row["run"], row["n_responses"]) for row in rows] == [("cool", 6), ("hot", 6)]
    assert rows[0]["value"] < rows[1]["value"]
    alone = divtool(*line, stdin=divtool(*ECHO, "--temperature", "0.7").stdout)
    assert _records(alone.stdout)[0]["value"] == rows[0]["value"]
    mixed = divtool(*line, "r.jsonl")
    assert b"2 values of temperature are measured as one run; --run NAME=FILE@temperature=0.7" in mixed.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--personas", "x"), "--personas is no option of --strategy direct; it belongs to persona"),
        (("--strategy", "verbalised"), "did you mean 'verbalized'?"),
        (("--temperature", "0.7;1"), "--temperature 0.7;1: give a number, or several by commas"),
    ],
)
def test_wrong_usage(divtool: Run, arguments: tuple[str, ...], message: str) -> None:
    done = divtool(*ECHO, *arguments)
    assert done.returncode == 2
    assert message in done.stderr.decode()


@pytest.mark.model
@pytest.mark.parametrize("strategy", ["verbalized", "string-seed"])
def test_a_small_model_is_read_and_the_counts_add_up(divtool: Run, strategy: str) -> None:
    prompts = b'{"prompt": "Name a fruit."}\n{"prompt": "Name an animal."}\n'
    done = divtool("sample", "--strategy", strategy, "-n", "3", "--max-new-tokens", "64", stdin=prompts)
    assert done.returncode == 0, done.stderr
    records, said = _records(done.stdout), done.stderr.decode()
    assert {record["n_tokens"] for record in records} <= {None}
    read = int(re.search(r"(\d+) of 6 responses read", said)[1])  # type: ignore[index]
    assert f"parse rate {read / 6:.0%}" in said
    if strategy == "verbalized":
        assert len(records) == read
        assert all(1 <= record["listed"]["tries"] <= 4 for record in records)
        valid = [record["stated_probability"] for record in records if record["stated_probability"] is not None]
        assert not read or f"{len(valid)} of {read} are numbers" in said
        assert all(0 <= value <= 1 for value in valid)
    else:
        assert len(records) == 6
        assert read == sum(bool(record["response"]) and record["seed_string"] is not None for record in records)
        assert all(record["response"] in record["response_raw"] for record in records)
        assert all(0 < record["seeded"]["n_tokens"] <= 64 for record in records)
