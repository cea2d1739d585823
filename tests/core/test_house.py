"""The house: what is packaged, what imports what, what the lists say."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from divtool.core.catalog import BACKENDS, METHODS, PROMPT_SETS, STRATEGIES, TASKS, get
from divtool.core.errors import UsageError

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "trl", "peft", "datasets", "sentence_transformers", "bitsandbytes")
COMMANDS = (
    "sample",
    "score",
    "select",
    "train",
    "merge",
    "eval",
    "random-audit",
    "report",
    "methods",
    "metrics",
    "tasks",
    "prompt-sets",
    "strategies",
    "prompts",
)


def test_every_package_is_listed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = {"divtool"}
    for top in ("cli", "core", "prompts"):
        for marker in (ROOT / top).rglob("__init__.py"):
            found.add(".".join(("divtool", *marker.parent.relative_to(ROOT).parts)))
    assert set(settings["packages"]) == found
    for folder in {path.parent for top in ("cli", "core") for path in (ROOT / top).rglob("*.py")}:
        assert (folder / "__init__.py").exists(), folder


def _imports(path: Path) -> set[str]:
    """Absolute names of what a module of the package imports, lazily or not."""
    package = ("divtool", *path.relative_to(ROOT).parent.parts)
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            names.add(".".join(filter(None, (base, node.module))))
    return names


@pytest.mark.parametrize("path", sorted((ROOT / "core").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_core_never_imports_the_command_line(path: Path) -> None:
    assert not {
        name for name in _imports(path) if name.split(".")[0] in ("typer", "rich") or name.startswith("divtool.cli")
    }


# A room may import from the rooms behind it only: cli -> methods -> ... -> errors.
_ROOMS = {
    "errors": 0, "draws": 0, "cache": 0, "resampling": 0, "rescue": 0, "packing": 0, "places": 0, "provenance": 0,
    "columns": 0, "columnar": 0, "arrow_cells": 0, "output": 0, "writer": 1, "table_writer": 1, "jsonl": 1,
    "passes": 1, "records": 2, "resume": 3,
    "catalog": 3, "endpoint": 3, "targets": 3, "possibility": 3, "models": 4, "judging": 5, "metrics": 5, "sampling": 5,
    "selection": 6, "evaluation": 6, "training": 6, "audit": 6, "methods": 7, "reporting": 7, "scale": 7,
}  # fmt: skip


@pytest.mark.parametrize("path", sorted((ROOT / "core").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    parts = path.relative_to(ROOT / "core").parts
    own = parts[0].removesuffix(".py")
    for name in _imports(path):
        if name.startswith("divtool.core."):
            other = name.split(".")[2]
            assert other == own or _ROOMS[other] <= _ROOMS[own], f"{own} imports {other}"


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom divtool.cli.main import app\n"
        f"for command in ([], *([name] for name in {COMMANDS})):\n"
        "    try:\n        app([*command, '--help'])\n"
        "    except SystemExit as end:\n        assert end.code == 0, command\n"
        f"sys.stderr.write(repr([name for name in {(*HEAVY, 'numpy', 'scipy', 'altair')} if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]"
    assert all(f" {name} " in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("table", [METHODS, TASKS, PROMPT_SETS, STRATEGIES, BACKENDS])
def test_every_entry_loads(table: dict[str, object]) -> None:
    for entry in table.values():
        assert entry.load() is not None  # type: ignore[attr-defined]


def test_unknown_name_lists_the_known_and_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"did you mean 'diverse-ns'\? known: diverse-ns, .*no-length"):
        get("method", METHODS, "divers-ns", "select")
    with pytest.raises(UsageError, match="unknown method 'dpo'"):
        get("method", METHODS, "dpo", "select")
