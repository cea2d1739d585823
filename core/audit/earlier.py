"""Audit records of an earlier run: to go on from, and to compare with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..jsonl import Record, Row, RowReader
from ..records import require
from ..resume import finished_rows

_REMEDY = "audit records come from divtool random-audit"
Key = tuple[str, str, str, str]


def check_audit(row: Row) -> None:
    """Check that a record is one of an audit.

    Raises:
        InputError: A missing or wrongly typed key.
    """
    for key in ("task", "wording", "mode", "model", "verdict"):
        require(row, key, str, remedy=_REMEDY)
    for key in ("tv", "valid_mass"):
        require(row, key, float, remedy=_REMEDY)
    options = require(row, "options", list, remedy=_REMEDY)
    if not all(isinstance(option, dict) and isinstance(option.get("p"), (int, float)) for option in options):
        raise row.fault("'options' is no list of options with a 'p'", _REMEDY)


def key_of(record: Mapping[str, Any]) -> Key:
    """What tells a record from the others of a run: task, wording, arm, format."""
    return record["task"], record["wording"], record.get("arm", ""), record.get("format", "bare")


def finished(path: Path | None) -> list[Record]:
    """The records that an interrupted run has left; one that was cut in its middle is taken off the file.

    Raises:
        DivtoolError: The file holds something else.
    """
    return [row.data for row in finished_rows(path, check_audit)]


def same_run(record: Mapping[str, Any], made: Mapping[str, Any], baseline: str | None) -> bool:
    """Whether a record was made so (model, seed, parameters), and compared with this baseline."""
    compared = (record.get("compare") or {}).get("model")
    return all(record.get(key) == value for key, value in made.items()) and compared == baseline


class EarlierRun:
    """The records of a file by task, wording, arm and format.

    Args:
        source: A file of audit records.

    Attributes:
        model: The model that was audited.

    Raises:
        InputError: It holds something else, or two records of one prompt.
    """

    def __init__(self, source: str) -> None:
        self.model = source
        self._records: dict[Key, Record] = {}
        places: dict[Key, str] = {}
        for row in RowReader(source, check_audit):
            key = key_of(row.data)
            if key in places:
                what = f"task '{key[0]}', wording '{key[1]}' stands at {places[key]} already"
                raise row.fault(what, "compare with the records of one run")
            places[key] = row.where
            self.model = row.data["model"]
            self._records[key] = row.data

    def find(self, record: Mapping[str, Any]) -> Record | None:
        """The record of the same prompt, or of the same task, wording and arm in another format; None without one."""
        key = key_of(record)
        found = self._records.get(key)
        return found or next((other for known, other in self._records.items() if known[:3] == key[:3]), None)
