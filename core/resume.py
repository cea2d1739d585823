"""Going on from what an interrupted run has left.

Nothing is taken off a file before all that stays has been checked.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, zip_longest
from pathlib import Path

import orjson

from .errors import DivtoolError
from .jsonl import Record, Row
from .packing import is_packed
from .records import check_response

_TOLERANCE = 0.01  # bfloat16 keeps two digits
SAME_COMMAND = "--resume goes on with the same command only"
_FOREIGN = "--resume needs a file that this command wrote"


def finished_rows(path: Path | None, check: Callable[[Row], None] = check_response) -> Iterator[Row]:
    """The records that a file holds; once all are read, a record that was cut in its middle is taken off.

    Args:
        path: The output of the interrupted run, or None for no rows.
        check: Raises for a record of another kind; response records are expected by default.

    Raises:
        DivtoolError: The file holds something else than such records.
    """
    if path is None:
        return
    end = 0
    for row, start, size in _lines(path, check):
        yield row
        end = start + size
    os.truncate(path, end)


class Resumption:
    """What an interrupted `score` has written, and how to go on from it.

    The last prompt in the file may be cut in the middle, and its scores may depend on all of it: it is scored again.
    Only when that gives what the file says is it taken off the file, to be written anew.

    Args:
        path: The output of the interrupted run, or None.
        names: Scores that every finished record must hold.
        on_finished: Hears of the groups that are written already.
    """

    def __init__(
        self, path: Path | None, names: Sequence[str], on_finished: Callable[[list[Record]], None] = lambda _: None
    ) -> None:
        self._path, self._names, self._on_finished = path, names, on_finished
        self._again: list[Row] = []
        self._cut: int | None = None

    def unfinished(self, groups: Iterable[list[Row]]) -> Iterator[list[Row]]:
        """The groups that are to be scored.

        Args:
            groups: The input.

        Raises:
            DivtoolError: The finished records are not the first of these groups, or were scored otherwise.
        """
        finished = self._finished() if self._path is not None else iter(())
        for group in groups:
            done = next(finished, None)
            if done is None:
                yield group
                continue
            self._check(group, done)
            self._on_finished([row.data for row in done])
        extra = next(finished, None)
        if extra is not None:
            raise extra[0].fault("the input has no such prompt", SAME_COMMAND)

    def accept(self, records: Sequence[Record]) -> None:
        """Compare the first group that was scored with what the file says of it, and make room for it.

        Raises:
            DivtoolError: It was another group, or was scored with other settings.
        """
        if self._path is None or self._cut is None:
            return
        for row, new in zip_longest(self._again, records[: len(self._again)]):
            if new is None or _unscored(row.data) != _unscored(new):
                raise row.fault("the output to resume holds another response in this place", SAME_COMMAND)
            self._check_names(row, row.data)
            old, again = row.data["scores"], new["scores"]
            for name in self._names:
                if not _alike(old[name], again[name]):
                    fault = f"{name} is {old[name]} here, and {again[name]} with these settings"
                    raise row.fault(fault, SAME_COMMAND)
        os.truncate(self._path, self._cut)
        self._cut = None

    def _check(self, group: list[Row], done: list[Row]) -> None:
        for row, old in zip_longest(group, done):
            if row is None or old is None or _unscored(row.data) != _unscored(old.data):
                where = row or old
                assert where is not None
                raise where.fault("the output to resume holds another response in this place", SAME_COMMAND)
            self._check_names(old, old.data)

    def _check_names(self, row: Row, record: Record) -> None:
        if any(name not in record.get("scores", {}) for name in self._names):
            raise row.fault("was scored with other metrics", SAME_COMMAND)

    def _finished(self) -> Iterator[list[Row]]:
        """Every group but the last, which is kept for `accept`."""
        assert self._path is not None
        last: list[tuple[Row, int]] = []
        lines = ((row, start) for row, start, _ in _lines(self._path))
        for _, run in groupby(lines, key=lambda line: line[0].data["prompt_id"]):
            if last:
                yield [row for row, _ in last]
            last = list(run)
        self._again, self._cut = [row for row, _ in last], last[0][1] if last else 0


def _alike(old: float | None, new: float | None) -> bool:
    """Whether two values of one metric differ by no more than the rounding of a model in another batch."""
    if old is None or new is None:
        return old is new
    return math.isclose(old, new, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)


def _unscored(record: Record) -> Record:
    return {key: value for key, value in record.items() if key != "scores"}


def _lines(path: Path, check: Callable[[Row], None] = check_response) -> Iterator[tuple[Row, int, int]]:
    """(record, start, size in bytes) of every whole line; a last line that was cut in its middle is left out."""
    if is_packed(path):
        raise DivtoolError(f"{path}: a packed file cannot be resumed; write a plain one and pack it at the end")
    start = 0
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            where = f"{path}:{number}"
            if not line.endswith(b"\n"):
                if not line.startswith(b"{"):
                    raise DivtoolError(f"{where}: no record; {_FOREIGN}")
                return
            if line.strip():
                yield _row(line, where, check), start, len(line)
            start += len(line)


def _row(line: bytes, where: str, check: Callable[[Row], None]) -> Row:
    try:
        data = orjson.loads(line)
    except orjson.JSONDecodeError:
        data = None
    if not isinstance(data, dict):
        raise DivtoolError(f"{where}: no record; {_FOREIGN}")
    row = Row(data, where)
    check(row)
    return row
