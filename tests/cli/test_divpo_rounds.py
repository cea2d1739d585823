"""`examples/divpo-rounds.sh` with a made program in the place of divtool: what it calls, and how it goes on."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "divpo-rounds.sh"
PROGRAM = """#!/bin/sh
echo "$@" >> calls
case "$*" in *"$FAIL"*) [ -n "$FAIL" ] && exit 1;; esac
while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; shift; done
case "$out" in
    *.part) printf '1\\n2\\n3\\n4\\n5\\n' > "$out";;
    *.*) : > "$out";;
    *) mkdir -p "$out" && : > "$out/divtool_train.json";;
esac
"""


@pytest.fixture
def rounds(tmp_path: Path) -> object:
    program = tmp_path / "program"
    program.write_text(PROGRAM)
    program.chmod(0o755)

    def run(n: int, fail: str = "") -> tuple[int, list[str]]:
        calls = tmp_path / "calls"
        calls.unlink(missing_ok=True)
        environment = {**os.environ, "DIVTOOL": str(program), "FAIL": fail, "RUN": "run"}
        done = subprocess.run(["sh", str(SCRIPT), str(n)], cwd=tmp_path, env=environment, capture_output=True)
        return done.returncode, calls.read_text().splitlines() if calls.exists() else []

    return run


def test_rounds_build_on_each_other_and_finished_ones_are_skipped(rounds: object, tmp_path: Path) -> None:
    status, calls = rounds(2, fail="select run/2")  # type: ignore[operator]
    assert status != 0
    assert [call.split()[0] for call in calls] == [
        "prompts",
        "sample",
        "score",
        "select",
        "train",
        "sample",
        "score",
        "select",
    ]
    assert "--adapter" not in calls[1]
    assert "--adapter run/1 " in calls[5]
    assert [(tmp_path / f"run/{r}.prompts").read_text().split() for r in (1, 2)] == [["1", "3", "5"], ["2", "4"]]

    status, calls = rounds(2)  # type: ignore[operator]
    assert status == 0
    assert [call.split()[0] for call in calls] == ["sample", "score", "select", "train"]
    assert "--method divpo --adapter run/1 -o run/2" in calls[3]
    assert rounds(2) == (0, [])  # type: ignore[operator]
