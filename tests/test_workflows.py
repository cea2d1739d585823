"""What the hosted CI is told to do exists here."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def _jobs(path: Path) -> dict[str, Any]:
    jobs: dict[str, Any] = yaml.safe_load(path.read_text())["jobs"]
    return jobs


@pytest.mark.parametrize("path", [*WORKFLOWS, *(ROOT / "examples").glob("*.yml")], ids=lambda path: path.name)
def test_jobs_are_whole_and_actions_have_a_major_version(path: Path) -> None:
    for name, job in _jobs(path).items():
        assert "timeout-minutes" in job or "uses" in job, name
        assert set(filter(None, [job.get("needs")])) <= _jobs(path).keys(), name
        for step in (*job.get("steps", ()), *([job] if "uses" in job else ())):
            assert ("uses" in step) != ("run" in step), step
            assert re.search(r"^\./.*\.yml$|@(?:release/)?v\d+$", step.get("uses", "@v1")), step


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_target_exists_and_every_python_is_a_supported_one(path: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    said = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    pythons = [line.rpartition(" ")[2] for line in said if re.search(r"Python :: 3\.\d+$", line)]
    for job in _jobs(path).values():
        assert job.get("strategy", {}).get("matrix", {}).get("python", pythons) == pythons
        for step in job.get("steps", ()):
            assert set(re.findall(r"\bmake (\w+)", step.get("run", ""))) <= set(targets)


def test_a_release_is_tested_before_it_is_published() -> None:
    jobs = _jobs(ROOT / ".github" / "workflows" / "release.yml")
    assert jobs["publish"]["needs"] == "ci"
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert jobs["ci"] == {"needs": "version", "uses": "./.github/workflows/ci.yml"}


def test_the_pipe_of_the_base_job_runs(tmp_path: Path) -> None:
    steps = [step["run"] for step in _jobs(ROOT / ".github" / "workflows" / "ci.yml")["base"]["steps"] if "run" in step]
    (pipe,) = (step for step in steps if step.startswith("divtool sample"))
    script = f'divtool() {{ "{sys.executable}" -m divtool "$@"; }}; {pipe}'
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
