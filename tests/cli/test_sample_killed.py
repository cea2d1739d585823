"""`sample` with a model in its process, killed at random moments; over an endpoint: test_sample_endpoint.py."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from .kills import killed_often

pytest.importorskip("torch")

_LOGPROB = re.compile(rb'"logprob":(-?[\d.e-]+)')


@pytest.mark.skipif(sys.platform != "linux", reason="a fork of loaded libraries is not safe")
def test_thirty_kills_leave_what_an_uninterrupted_run_writes(
    divtool: Any, forked_divtool: Any, tiny_model: str, tmp_path: Path
) -> None:
    """The bytes are the same, but for the last digits of a log-probability: other batches round in another way."""
    names = [f"p{number}" for number in range(200)]
    lines = (json.dumps({"prompt_id": name, "prompt": f"the river {name}", "mine": name}) + "\n" for name in names)
    (tmp_path / "prompts.jsonl").write_text("".join(lines))
    command = (
        "sample", "prompts.jsonl", "--model", tiny_model, "--strategy", "sequential", "-n", "2", "--batch-size", "4",
        "--max-new-tokens", "4",
    )  # fmt: skip
    done = divtool(*command, "-o", "whole.jsonl")
    assert done.returncode == 0, done.stderr
    whole, path = (tmp_path / "whole.jsonl").read_bytes(), tmp_path / "r.jsonl"
    again = (*command, "-o", "r.jsonl", "--resume")
    killed_often(lambda: forked_divtool(*again), path, len(whole), seed=20)
    done = divtool(*again)
    assert done.returncode == 0, done.stderr
    written = path.read_bytes()
    rows = [orjson.loads(line) for line in written.splitlines()]
    keys = [(row["prompt_id"], row["sample_index"], row["turn"]) for row in rows]
    assert keys == [(name, index, turn) for name in names for index in range(2) for turn in (1, 2)]
    assert _LOGPROB.sub(b"", written) == _LOGPROB.sub(b"", whole)
    wanted = [float(found) for found in _LOGPROB.findall(whole)]
    assert [row["logprob"] for row in rows] == pytest.approx(wanted, abs=1e-4)
