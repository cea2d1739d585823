"""What a stage says of its own making: its command line and its versions, without a path or a key of this machine."""

from __future__ import annotations

import platform
import re
import shlex
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .. import __version__

_MEASURING = ("numpy", "scipy", "torch", "transformers", "sentence-transformers")  # what numbers rest on
_USER = re.compile(r"(?<=://)[^/@\s]+@")  # of an address: a name and a password


def portable(name: str) -> str:
    """A path without the folders of this machine; any other name as it is."""
    return Path(name).name if Path(name).is_absolute() else _USER.sub("", name)


def portable_command(command: str) -> str:
    """A command line whose absolute paths are cut to their last part, and whose addresses name no user."""
    words = []
    for word in shlex.split(command):
        head, equals, tail = word.partition("=")
        words.append(f"{head}={portable(tail)}" if equals and word.startswith("-") else portable(word))
    return shlex.join(words)


def versions_of(packages: Sequence[str]) -> dict[str, str]:
    """Versions of this program, of Python, and of those packages that are installed."""
    found = {"divtool": __version__, "python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def account(command: str) -> dict[str, Any]:
    """The keys that a report of a stage holds about its making: `divtool`, `versions` and `command`.

    Keys of servers never stand in a command line: options name the environment variables that hold them.

    Args:
        command: The command line.
    """
    return {"divtool": __version__, "versions": versions_of(_MEASURING), "command": portable_command(command)}
