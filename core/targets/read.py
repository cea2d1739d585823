"""Target records from a file or a folder, checked as a whole before a model is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import InputError
from ..jsonl import Record, Row, RowReader
from .entries import loads
from .record import target_of
from .target import Target

_KIND = "target records"


def read_targets(source: str, *, skip_bad: bool = False, warn: Callable[[str], None]) -> list[Target]:
    """The targets of a file or folder, in its order.

    Args:
        source: JSON Lines of target records (``-``: standard input), one record as a ``.json`` file, or a folder
            of such files, read recursively: a record without names is then called after its file and folder.
        skip_bad: Leave out records that cannot be used, and warn of their number at the end.
        warn: Takes each warning.

    Raises:
        InputError: A record that cannot be used, two records of one prompt or `prompt_id`, or no records at all.
    """
    gathered = _Gathered(warn)
    if source != "-" and Path(source).is_dir():
        _read_folder(Path(source), gathered, skip_bad)
    elif source.endswith(".json"):
        _read_object(Path(source), Path(source).resolve().parent.name, Path(source).stem, gathered, skip_bad)
    else:
        reader = RowReader(source, gathered.add, skip_bad=skip_bad, kind=_KIND, loads=loads)
        for _ in reader:
            pass
        gathered.skipped = reader.skipped
    if not gathered.targets:
        what = f"no usable record, {gathered.skipped} skipped" if gathered.skipped else f"no {_KIND}"
        raise InputError(source, what)
    if gathered.skipped:
        warn(f"{source}: {gathered.skipped} bad records left out, {len(gathered.targets)} read")
    return gathered.targets


class _Gathered:
    """The targets so far, and what may not come twice."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self.targets: list[Target] = []
        self.skipped = 0
        self._warn = warn
        self._prompts: dict[object, Target] = {}
        self._names: dict[str, Target] = {}

    def add(self, row: Row, prompt_id: str = "", family: str = "") -> None:
        """Check a record and keep its target."""
        target = target_of(row, prompt_id=prompt_id, family=family)
        prompt = (target.chat, target.prefill, target.prefills)
        if (other := self._prompts.get(prompt)) is not None:
            kind = "the same" if _same(other, target) else "different"
            raise row.fault(f"the prompt of {other.where} again, with {kind} targets", "keep one of the two records")
        if (other := self._names.get(target.prompt_id)) is not None:
            raise row.fault(f"the prompt_id '{target.prompt_id}' of {other.where}, but another prompt", "rename one")
        self._prompts[prompt] = self._names[target.prompt_id] = target
        self.targets.append(target)
        if target.answers and sum(answer.weight > 0 for answer in target.answers) < 2:
            self._warn(f"{row.where}: only one answer has a weight above 0; there is nothing to spread")


def _same(one: Target, other: Target) -> bool:
    return (one.answers, one.law, one.terminal) == (other.answers, other.law, other.terminal)


def _read_folder(folder: Path, gathered: _Gathered, skip_bad: bool) -> None:
    for path in _files(folder):
        inside = path.relative_to(folder)
        family = inside.parent.as_posix() if inside.parent.parts else folder.resolve().name
        _read_object(path, family, inside.with_suffix("").as_posix(), gathered, skip_bad)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*.json")) if path.is_file())


def _read_object(path: Path, family: str, name: str, gathered: _Gathered, skip_bad: bool) -> None:
    """Add the one record of a JSON file."""
    try:
        gathered.add(Row(_object(path), str(path)), name, family)
    except InputError:
        if not skip_bad:
            raise
        gathered.skipped += 1


def _object(path: Path) -> Record:
    where = str(path)
    try:
        value = loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError(where, "no such file", "name an existing file, or - for standard input") from None
    except OSError as error:
        raise InputError(where, f"cannot be read ({error.strerror or error})") from None
    except json.JSONDecodeError as error:
        fault = f"not valid JSON ({error.msg}, line {error.lineno}, column {error.colno})"
        raise InputError(where, fault, "one record a line goes into a .jsonl file") from None
    except UnicodeDecodeError as error:
        raise InputError(where, f"not UTF-8 text (byte {error.start + 1})") from None
    if not isinstance(value, dict):
        raise InputError(where, "not a JSON object", "one record a line goes into a .jsonl file")
    return value
