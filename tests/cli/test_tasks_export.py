"""`divtool tasks --export`: built-in targets as records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def test_export_is_records_only_and_reads_back(divtool: Any, tmp_path: Path) -> None:
    from divtool.core.targets.builtin import builtin_targets
    from divtool.core.targets.read import read_targets

    done = divtool("tasks", "--export", "diffuse-quick,biographies")
    assert (done.returncode, done.stderr) == (0, b"")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["prompt_id"] for record in records][-2:] == ["diffuse-quick/month", "biographies/person"]
    assert [record.get("exhaustive") for record in records] == [None] * 5 + [False]
    assert all(record["family"] and record["task"] for record in records)
    (tmp_path / "targets.jsonl").write_bytes(done.stdout)
    read = read_targets(str(tmp_path / "targets.jsonl"), warn=pytest.fail)
    assert read == builtin_targets("diffuse-quick,biographies")


def test_an_unknown_name_is_wrong_usage(divtool: Any) -> None:
    done = divtool("tasks", "--export", "difuse")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"unknown built-in targets 'difuse': did you mean 'diffuse'?" in b" ".join(done.stderr.split())
