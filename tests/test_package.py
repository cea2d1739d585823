"""What a user gets from the wheel, and docs that stay true."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the tracked files and unpacked outside the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, tracked.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "source" / name).write_bytes((ROOT / name).read_bytes())
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "-w", str(folder), "./source"], cwd=folder, check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def test_wheel_holds_every_module_prompt_and_template(unpacked: Path) -> None:
    for top in ("cli", "core", "prompts"):
        for path in (ROOT / top).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert (unpacked / "divtool" / path.relative_to(ROOT)).is_file(), path
    assert (unpacked / "divtool" / "py.typed").is_file()
    assert not any((unpacked / "divtool" / name).exists() for name in ("tests", "benchmarks", "docs", "demo"))


def test_unpacked_wheel_samples_and_scores(unpacked: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    where = "import divtool; print(divtool.__file__)"
    found = subprocess.run([sys.executable, "-c", where], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert found.stdout.strip() == str(unpacked / "divtool" / "__init__.py")
    run = f"{sys.executable} -m divtool"
    line = f"{run} sample --builtin story-triplets --count 2 --backend echo | {run} score"
    done = subprocess.run(line, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 8


_LIGHT = """
import sys
for name in ("torch", "transformers", "peft", "trl", "datasets", "sentence_transformers", "altair", "jinja2"):
    sys.modules[name] = None  # An import of it fails.
from divtool.cli.main import app
for line in (
    "sample --builtin scenes --count 3 --backend echo -o r.jsonl",
    "score r.jsonl -o s.jsonl",
    "select s.jsonl --orientation any --audit warn -o p.jsonl",
):
    app(line.split(), standalone_mode=False)
"""


def test_base_install_needs_nothing_heavy(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _LIGHT], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "p.jsonl").stat().st_size


def test_reference_is_what_the_code_says() -> None:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / "reference.md").read_text() == module.reference(), "run python docs/reference.py"


def test_changelog_has_unreleased_on_top() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"


def _commands(text: str) -> list[str]:
    """The lines of shell blocks that run divtool on the fake model."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.startswith("divtool") and "--backend echo" in line]


@pytest.mark.parametrize("line", _commands((ROOT / "README.md").read_text()))
def test_readme_examples_run(line: str, tmp_path: Path) -> None:
    script = f'set -o pipefail; divtool() {{ "{sys.executable}" -m divtool "$@"; }}; {line}'
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout or (tmp_path / "pairs.jsonl").exists()


def test_every_method_and_task_is_in_the_readme_or_the_docs() -> None:
    from divtool.core.catalog import METHODS, PROMPT_SETS, TASKS

    pages = "\n".join(path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    for name in (*METHODS, *TASKS, *PROMPT_SETS):
        assert f"`{name}`" in pages
