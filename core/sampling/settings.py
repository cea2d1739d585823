"""What records say they were drawn with, and those of one setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..jsonl import Record


def drawn_with(record: Record) -> dict[str, Any]:
    """The decoding that a response record states, and its seed; empty where it states none."""
    params = record.get("params")
    # A penalty of 1 is left out of the records.
    stated = {"repetition_penalty": 1.0, **params} if isinstance(params, dict) and params else {}
    return stated if record.get("seed") is None else {**stated, "seed": record["seed"]}


@dataclass(slots=True)
class Wanted:
    """Takes the records that were drawn with given settings.

    Attributes:
        settings: Such as a temperature; every record will do where there are none.
        heeded: Whose values are kept where no settings are given.
        met: By setting, the values that were met.
    """

    settings: Mapping[str, float | str] = field(default_factory=dict)
    heeded: tuple[str, ...] = ()
    met: dict[str, dict[float | str, None]] = field(default_factory=dict)

    def takes(self, record: Record) -> bool:
        """Whether a record was drawn with the settings."""
        stated = drawn_with(record)
        for key in self.settings or self.heeded:
            if isinstance(stated.get(key), (int, float, str)):
                self.met.setdefault(key, {})[stated[key]] = None
        return all(stated.get(key) == value for key, value in self.settings.items())

    @property
    def lacking(self) -> str:
        """For a message about a file that has no such record: " drawn with …"; empty where no settings are given."""
        if not self.settings:
            return ""
        asked = ", ".join(f"{key}={value}" for key, value in self.settings.items())
        only = ", ".join(f"{key} {' and '.join(map(str, values))}" for key, values in self.met.items())
        return f" drawn with {asked}" + (f", only with {only}" if only else "")
