"""Going on from what an interrupted run has left.

Nothing is taken off a file before all that stays has been checked.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, zip_longest
from pathlib import Path

import orjson

from .errors import DivtoolError
from .jsonl import Record, Row
from .records import check_response

SAME_COMMAND = "--resume goes on with the same command only"
_FOREIGN = "--resume needs a file that this command wrote"


def finished_rows(path: Path | None) -> Iterator[Row]:
    """The response records that a file holds; once all are read, a record that was cut in its middle is taken off.

    Args:
        path: The output of the interrupted run, or None for no rows.

    Raises:
        DivtoolError: The file holds something else than response records.
    """
    if path is None:
        return
    end = 0
    for row, start, size in _lines(path):
        yield row
        end = start + size
    os.truncate(path, end)


def unfinished_groups(groups: Iterable[list[Row]], path: Path | None, scores: Sequence[str]) -> Iterator[list[Row]]:
    """The groups that an interrupted run has not written yet.

    Its last group may be cut in the middle and its scores may depend on all of it: that one is taken off the file and
    done again.

    Args:
        groups: The input.
        path: The output of the interrupted run, or None.
        scores: Names that every finished record must hold.

    Raises:
        DivtoolError: The finished records are not the first of these groups, or were scored otherwise.
    """
    finished = _finished_groups(path) if path is not None else iter(())
    for group in groups:
        done = next(finished, None)
        if done is None:
            yield group
            continue
        for row, old in zip_longest(group, done):
            if row is None or old is None or _unscored(row.data) != _unscored(old.data):
                where = row or old
                assert where is not None
                raise where.fault("the output to resume holds another response in this place", SAME_COMMAND)
            if any(name not in old.data.get("scores", {}) for name in scores):
                raise old.fault("was scored with other metrics", SAME_COMMAND)
    extra = next(finished, None)
    if extra is not None:
        raise extra[0].fault("the input has no such prompt", SAME_COMMAND)


def _unscored(record: Record) -> Record:
    return {key: value for key, value in record.items() if key != "scores"}


def _finished_groups(path: Path) -> Iterator[list[Row]]:
    """Every group but the last; once all are read, the last one is taken off the file."""
    last: list[tuple[Row, int]] = []
    lines = ((row, start) for row, start, _ in _lines(path))
    for _, run in groupby(lines, key=lambda line: line[0].data["prompt_id"]):
        if last:
            yield [row for row, _ in last]
        last = list(run)
    os.truncate(path, last[0][1] if last else 0)


def _lines(path: Path) -> Iterator[tuple[Row, int, int]]:
    """(record, start, size in bytes) of every whole line; a last line that was cut in its middle is left out."""
    if path.suffix in (".gz", ".zst"):
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
                yield _row(line, where), start, len(line)
            start += len(line)


def _row(line: bytes, where: str) -> Row:
    try:
        data = orjson.loads(line)
    except orjson.JSONDecodeError:
        data = None
    if not isinstance(data, dict):
        raise DivtoolError(f"{where}: no record; {_FOREIGN}")
    row = Row(data, where)
    check_response(row)
    return row
