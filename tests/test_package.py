"""What a user gets from the wheel and the source archive, and docs that stay true."""

from __future__ import annotations

import email
import importlib.util
import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path
from typing import Literal

import pytest
from packaging.version import Version

from divtool import __version__

ROOT = Path(__file__).parents[1]
BUILD = "import sys, setuptools.build_meta as b; print(getattr(b, 'build_' + sys.argv[1])(sys.argv[2]))"


def _files() -> list[Path]:
    """What belongs to the project: what git tracks, or everything in an unpacked source archive."""
    if (ROOT / ".git").exists():
        tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        names = filter(None, tracked.decode().split("\0"))
    else:
        names = (str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if "__pycache__" not in path.parts)
    return [Path(name) for name in names if (ROOT / name).is_file()]


def _built(kind: Literal["sdist", "wheel"], source: Path) -> Path:
    """The file that the build of a source tree gives."""
    out = source.parent / kind
    done = subprocess.run([sys.executable, "-c", BUILD, kind, str(out)], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "****" not in done.stdout + done.stderr, "setuptools frames what it will refuse one day" + done.stderr
    return out / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive, made from a copy of the project's files."""
    source = tmp_path_factory.mktemp("tree") / "source"
    for name in _files():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    return _built("sdist", source)


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made from the source archive."""
    folder = tmp_path_factory.mktemp("archive")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return _built("wheel", next(folder.iterdir()))


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages folder of a new environment that has the wheel and nothing else."""
    folder = tmp_path_factory.mktemp("site") / "env"
    venv.create(folder)
    site = next(folder.glob("lib/python*/site-packages"))
    with zipfile.ZipFile(wheel) as file:
        file.extractall(site)
    return site


def _members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def test_source_archive_holds_the_whole_project(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        held = {member.name.partition("/")[2] for member in archive if member.isfile()}
    assert {str(name) for name in _files()} - held <= {".gitignore"}
    assert not [name for name in held if "__pycache__" in name or name.endswith((".pyc", ".DS_Store"))]


def test_wheel_of_the_archive_is_that_of_the_tree(sdist: Path, wheel: Path) -> None:
    assert _members(_built("wheel", sdist.parents[1] / "source")) == _members(wheel)


def test_wheel_holds_every_module_prompt_and_template_and_no_more(wheel: Path) -> None:
    found = {name for name in _members(wheel) if not name.startswith(f"divtool-{__version__}.dist-info/")}
    inside = {str(name) for name in _files() if name.parts[0] in ("cli", "core", "prompts")}
    assert found == {f"divtool/{name}" for name in (*inside, "__init__.py", "__main__.py", "py.typed")}


def test_metadata_can_be_read_on_an_index_page(wheel: Path) -> None:
    described = email.message_from_bytes(_members(wheel)[f"divtool-{__version__}.dist-info/METADATA"])
    page = str(described.get_payload())
    assert described["Description-Content-Type"] == "text/markdown"
    assert described["Author"] == "divtool developers"
    assert "Natural Language :: English" in described.get_all("Classifier", [])
    assert page.startswith("# divtool\n")
    # Links and pictures of the repository lead nowhere there.
    assert re.findall(r"\]\((?!https?:)[^)]*\)", page) == []
    assert "divtool sample" in page
    assert len(page) > 0.8 * len((ROOT / "README.md").read_text())


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


TYPED = """
from divtool.core.errors import DivtoolError
from divtool.core.metrics.text import words

status: int = DivtoolError.exit_code
first: str = words("one two")[0]
wrong: int = words("one two")[0]
"""


def test_installed_wheel_shows_its_types(unpacked: Path, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(TYPED)
    # mypy looks for py.typed in the packages of an environment, not in folders that it is pointed at.
    python = unpacked.parents[2] / "bin" / "python"
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(python), "own.py"]
    plain = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MYPYPATH")}
    done = subprocess.run(command, cwd=tmp_path, env=plain, capture_output=True, text=True)
    found = re.findall(r"^own\.py:(\d+): error: (.*)$", done.stdout, re.MULTILINE)
    assert [int(line) for line, _ in found] == [TYPED.splitlines().index('wrong: int = words("one two")[0]') + 1], (
        done.stdout + done.stderr
    )
    assert 'expression has type "str", variable has type "int"' in found[0][1]


def test_reference_is_what_the_code_says() -> None:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / "reference.md").read_text() == module.reference(), "run python docs/reference.py"


def test_changelog_agrees_with_the_version() -> None:
    """Unreleased is on top; the version is the newest one below it, or is being developed towards the next."""
    first, *released = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first == "Unreleased"
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ \(\d{4}-\d{2}-\d{2}\)", heading) for heading in released)
    versions = [Version(heading.split()[0]) for heading in released]
    assert versions == sorted(versions, reverse=True)
    own = Version(__version__)
    if own.is_devrelease:
        assert all(own > version for version in versions)
    else:
        assert [own] == versions[:1]


def test_every_method_and_task_is_in_the_readme_or_the_docs() -> None:
    from divtool.core.catalog import METHODS, PROMPT_SETS, TASKS

    pages = "\n".join(path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    for name in (*METHODS, *TASKS, *PROMPT_SETS):
        assert f"`{name}`" in pages
