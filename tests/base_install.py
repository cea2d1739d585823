"""Runs commands as `pip install divtool` would: modules of other installed packages cannot be found.

Standard input names the dependencies and the command lines, each a list of arguments, in JSON; standard output gets a
list with each one's exit status, what it said on standard error, and whether it changed any file of the folder.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from typing import Any, NoReturn

_NAME = re.compile(r"[\w.-]+")


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _base(named: Sequence[str]) -> set[str]:
    """Packages with those that they need, extras left out."""
    found: set[str] = set()
    waiting = list(named)
    while waiting:
        line = waiting.pop()
        match = _NAME.match(line)
        if match is None or "extra ==" in line or _plain(match[0]) in found:
            continue
        with contextlib.suppress(PackageNotFoundError):  # For another system or Python.
            waiting += requires(match[0]) or ()
            found.add(_plain(match[0]))
    return found


class _But:
    """A finder that does not find modules of some names."""

    def __init__(self, finder: Any, hidden: set[str]) -> None:
        self._finder, self._hidden = finder, hidden

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name.partition(".")[0] in self._hidden:
            return None
        spec: ModuleSpec | None = self._finder.find_spec(name, path, target)
        return spec

    def __getattr__(self, name: str) -> Any:
        return getattr(self._finder, name)


def _hide(dependencies: Sequence[str]) -> None:
    base = {*_base(dependencies), "divtool"}
    hidden = {name for name, packages in packages_distributions().items() if not base & set(map(_plain, packages))}
    sys.meta_path[:] = [_But(finder, hidden) for finder in sys.meta_path]


def _files() -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in Path().rglob("*")}


def _run(arguments: list[str]) -> dict[str, Any]:
    from divtool.cli import main as program

    def leave(status: int) -> NoReturn:
        raise SystemExit(status)

    program._leave = leave  # type: ignore[assignment]
    sys.argv = ["divtool", *arguments]
    before, said, status = _files(), io.StringIO(), 0
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(said), contextlib.redirect_stdout(nowhere):
        try:
            program.main()
        except SystemExit as end:
            status = int(end.code or 0)
    return {"line": " ".join(arguments), "status": status, "said": said.getvalue(), "changed": _files() != before}


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    _hide(asked["dependencies"])
    results = [_run(line) for line in asked["lines"]]
    json.dump(results, sys.stdout)
