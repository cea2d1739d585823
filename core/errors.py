"""The errors that a user can cause. Each knows its exit status; the command line prints it as one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib.util import find_spec


class DivtoolError(Exception):
    """The run cannot go on, for a reason that the user can act on."""

    exit_code = 1


class InputError(DivtoolError):
    """A record or file is not what the stage needs.

    Args:
        where: The place, as ``file:line`` or a file name.
        fault: What is wrong there.
        remedy: How to go on; empty where the fault says it.
    """

    def __init__(self, where: str, fault: str, remedy: str = "") -> None:
        super().__init__(f"{where}: {fault}" + (f"; {remedy}" if remedy else ""))


class UsageError(DivtoolError):
    """The command line asks for something that does not exist or does not fit together."""

    exit_code = 2


class ThresholdMissed(DivtoolError):
    """Everything was measured and written, and a bound that the user set was not met."""

    exit_code = 3


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """An error that lists the known names and the nearest one.

    Args:
        kind: What the name names: "method", "metric", "task".
        name: What the user wrote.
        known: The names that exist.
    """
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return UsageError(f"unknown {kind} '{name}': {hint}known: {', '.join(names)}")


class Interrupted(DivtoolError):
    """Ctrl-C, where there is something to say of what was written."""

    exit_code = 130


class ClosedPipe(DivtoolError):
    """The reader of standard output has gone (`| head -1`): nothing is wrong, and nothing is left to do."""

    exit_code = 0


# The extra that brings a module. Where a part of an extra is there already, as torch often is, the rest is missed late.
EXTRA_OF = {
    "accelerate": "models", "bitsandbytes": "models", "gguf": "models", "huggingface_hub": "models", "peft": "models",
    "psutil": "models", "safetensors": "models", "sentence_transformers": "models", "tokenizers": "models",
    "torch": "models", "transformers": "models", "datasets": "train", "trl": "train", "altair": "report",
    "jinja2": "report", "vl_convert": "report", "zstandard": "zstd", "pyarrow": "parquet", "wordfreq": "rarity",
    "openai": "endpoint", "ray": "ray", "fsspec": "ray",
}  # fmt: skip


def extra_missing(module: str, extra: str | None = None) -> DivtoolError:
    """An error with the line that installs a module of an optional extra.

    Args:
        module: As it is imported.
        extra: The extra that the user wants, where it is a larger one than `EXTRA_OF` says.
    """
    return DivtoolError(f"this needs the package {module}: pip install 'divtool[{extra or EXTRA_OF[module]}]'")


def require_extra(module: str, extra: str) -> None:
    """Raise `DivtoolError` with the install line unless a module of an optional extra is there."""
    if find_spec(module) is None:
        raise extra_missing(module, extra)


def reason(error: Exception) -> str:
    """What a library says, for a message of one line: its first line, or the next where that one only announces it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[1 if lines[0].endswith(":") and len(lines) > 1 else 0][:300]
