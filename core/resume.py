"""Going on from what an interrupted run has left."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice, zip_longest
from pathlib import Path

import orjson

from .errors import DivtoolError, InputError
from .jsonl import Row, RowReader
from .records import check_response, response_key

SAME_COMMAND = "--resume goes on with the same command only"


def finished_rows(path: Path | None) -> Iterator[Row]:
    """The response records that a file holds, a broken last line taken off the file first.

    Args:
        path: The output of the interrupted run, or None for no rows.

    Raises:
        DivtoolError: The file holds something else than response records.
    """
    if path is None:
        return
    if path.suffix in (".gz", ".zst"):
        raise DivtoolError(f"{path}: a packed file cannot be resumed; sample into a plain one and pack it at the end")
    _cut_broken_tail(path)
    if not path.stat().st_size:
        return
    try:
        yield from RowReader(str(path), check_response)
    except InputError as error:
        raise DivtoolError(f"{error}; --resume needs a file that this command wrote") from error


def unfinished_groups(groups: Iterable[list[Row]], path: Path | None) -> Iterator[list[Row]]:
    """The groups that an interrupted run has not written yet.

    Its last group may be cut in the middle and its scores may depend on all of it: that one is taken off the file and
    done again.

    Raises:
        DivtoolError: The finished records are not the first of these groups.
    """
    old = finished_rows(path)
    if path is not None:
        _cut_broken_tail(path)
        _cut_last_group(path)
    for group in groups:
        records = list(islice(old, len(group)))
        if not records:
            yield group
        for row, record in zip_longest(group, records) if records else ():
            if record is None or response_key(record.data) != response_key(row.data):
                raise row.fault("the output to resume holds another response in this place", SAME_COMMAND)


def _cut_last_group(path: Path) -> None:
    """Take off the last run of records with one `prompt_id`."""
    start = end = 0
    last = None
    with path.open("rb+") as stream:
        for line in stream:
            prompt_id = orjson.loads(line).get("prompt_id")
            if prompt_id != last:
                start, last = end, prompt_id
            end += len(line)
        stream.truncate(start)


def _cut_broken_tail(path: Path) -> None:
    """Take off what stands behind the last newline."""
    with path.open("rb+") as stream:
        end = stream.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - 65536)
            stream.seek(start)
            newline = stream.read(end - start).rfind(b"\n")
            if newline >= 0:
                stream.truncate(start + newline + 1)
                return
            end = start
        stream.truncate(0)
