"""An audit beside that of a baseline: another model, read in the same way, or the records of an earlier run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
    """

    def __init__(self, name: str, find: Callable[[Mapping[str, Any]], Mapping[str, Any] | None]) -> None:
        self.name = name
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

    def refuse_other_modes(self, keys: Iterable[Key], mode: Mode) -> None:
        """Raise `DivtoolError` where the baseline was read in another mode, before anything is drawn."""
        for key in keys:
            other = self.mode(key)
            if other not in (None, mode):
                raise DivtoolError(
                    f"{self.name}: mode {other} of the baseline and mode {mode} of this run cannot be compared; "
                    f"audit the baseline with --mode {mode}"
                )

    def compare(self, record: Record) -> None:
        """Write `compare` into a record that the baseline has too.

        It holds the baseline's law and statistics, and the deltas, model less baseline.

        Raises:
            DivtoolError: The two were read in another mode, number format or answer format, or are answers to other
                questions.
        """
        found = self._find(record)
        if found is None:
            return
        _check_alike(record, found)
        record["compare"] = compare_keys(record, found)


def prompt_name(record: Mapping[str, Any]) -> str:
    """Task, wording and arm of a record, for people."""
    return " ".join(filter(None, (record["task"], record["wording"], record.get("arm", ""))))


def _check_alike(record: Mapping[str, Any], baseline: Mapping[str, Any]) -> None:
    sides = [(side.get("mode"), _dtype(side), side.get("format", "bare")) for side in (record, baseline)]
    for what, own, other in zip(("mode", "dtype", "format"), *sides, strict=True):
        if own != other and None not in (own, other):
            raise DivtoolError(
                f"{prompt_name(record)}: {what} {own} of {record['model']} and {what} {other} of {baseline['model']} "
                f"cannot be compared; audit both with the same --{what}"
            )
    for what, differs in _DIFFERENT.items():
        if differs(record, baseline):
            raise DivtoolError(
                f"{prompt_name(record)}: {record['model']} and {baseline['model']} were audited with different {what}; "
                "audit the baseline again"
            )


def _other_options(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    sides = [[(option.get("text"), option.get("target")) for option in side["options"]] for side in (one, other)]
    return sides[0] != sides[1]


def _other_prompt(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return (one.get("prompt"), one.get("prefill", "")) != (other.get("prompt"), other.get("prefill", ""))


def _other_spellings(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Responses that were handed over have the parameters of their draws instead."""
    sides = [side.get("params") or {} for side in (one, other)]
    known = [name for name in ("variants", "end_token") if all(name in side for side in sides)]
    return any(sides[0][name] != sides[1][name] for name in known)


# What makes two records answers to different questions, by its name in messages.
_DIFFERENT: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any]], bool]] = {
    "options or targets": _other_options,
    "prompts": _other_prompt,
    "--variants or --end-token": _other_spellings,
}


def _dtype(record: Mapping[str, Any]) -> str | None:
    checks = record.get("checks")
    dtype = checks.get("dtype") if isinstance(checks, Mapping) else None
    return dtype if isinstance(dtype, str) else None
