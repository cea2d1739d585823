"""An audit beside that of a baseline: another model, read in the same way, or the records of an earlier run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import DivtoolError
from ..jsonl import Record
from .earlier import EarlierRun, Key, key_of
from .reading import Mode
from .record import compare_keys


class Baseline:
    """What records are compared with.

    Args:
        name: Of the baseline: its model, or the file.
        find: The baseline's record of the same prompt, or None.

    Attributes:
        missing: The prompts, by task and wording, that the baseline does not have.
    """

    def __init__(self, name: str, find: Callable[[Mapping[str, Any]], Mapping[str, Any] | None]) -> None:
        self.name = name
        self.missing: list[str] = []
        self._find = find

    @classmethod
    def of_file(cls, source: str) -> Baseline:
        """The records of an earlier run.

        Raises:
            InputError: The file holds something else.
        """
        run = EarlierRun(source)
        return cls(run.model, run.find)

    @classmethod
    def of_records(cls, records: Mapping[Key, Record], name: str) -> Baseline:
        """The records that another model has given in this run."""
        return cls(name, lambda record: records.get(key_of(record)))

    def mode(self, key: Key) -> Mode | None:
        """How the baseline was read; None where it has no such prompt."""
        found = self._at(key)
        return None if found is None else found["mode"]

    def compared_at(self, key: Key) -> str | None:
        """The baseline's model; None where it has no such prompt."""
        found = self._at(key)
        return None if found is None else found["model"]

    def _at(self, key: Key) -> Mapping[str, Any] | None:
        return self._find(dict(zip(("task", "wording", "arm", "format"), key, strict=True)))

    def compare(self, record: Record) -> None:
        """Write `compare` into a record: the baseline's law and statistics, and the deltas, model less baseline.

        Raises:
            DivtoolError: The two were read in another mode, number format or answer format, or over other options.
        """
        found = self._find(record)
        if found is None:
            self.missing.append(_name(record))
            return
        _check_alike(record, found)
        record["compare"] = compare_keys(record, found)


def _name(record: Mapping[str, Any]) -> str:
    return " ".join(filter(None, (record["task"], record["wording"], record.get("arm", ""))))


def _check_alike(record: Mapping[str, Any], baseline: Mapping[str, Any]) -> None:
    sides = [(side.get("mode"), _dtype(side), side.get("format", "bare")) for side in (record, baseline)]
    for what, own, other in zip(("mode", "dtype", "format"), *sides, strict=True):
        if own != other and None not in (own, other):
            raise DivtoolError(
                f"{_name(record)}: {what} {own} of {record['model']} and {what} {other} of {baseline['model']} cannot "
                f"be compared; audit both with the same --{what}"
            )
    texts = [[option.get("text") for option in side["options"]] for side in (record, baseline)]
    if texts[0] != texts[1]:
        raise DivtoolError(
            f"{_name(record)}: {record['model']} and {baseline['model']} were audited over different options; "
            "audit the baseline again"
        )


def _dtype(record: Mapping[str, Any]) -> str | None:
    checks = record.get("checks")
    dtype = checks.get("dtype") if isinstance(checks, Mapping) else None
    return dtype if isinstance(dtype, str) else None
