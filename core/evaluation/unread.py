"""Responses that could not be read from the answers which were to hold them: unusable ones, not missing ones.

What is left out of a mean where a model failed would make the failing model look better.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..jsonl import Record

# Longer lists are not asked for, and a record may say anything.
_MOST = 10_000
# What a record says of its own response alone.
_OWN = ("response_raw", "stated_probability", "stated_probability_normalised")


def with_unread(records: Sequence[Record]) -> list[Record]:
    """The responses to a prompt, with an empty one for each that an answer was asked for and did not hold.

    Records say it in `listed`, where an answer held at least one; other records stay as they are.

    Args:
        records: In the order of their sample indices.
    """
    last: dict[int, Record] = {}
    for record in records:
        if (start := _start(record)) is not None:
            last[start] = record
    made = [
        _empty(record, start + place)
        for start, record in last.items()
        for place in range(record["listed"]["read"], record["listed"]["asked"])
    ]
    # Those of several answers stand in order only where none lacks any.
    return sorted([*records, *made], key=_index) if made else list(records)


def filled(records: Sequence[Record], prompt: Record, each: int) -> list[Record]:
    """The responses to a prompt, with an empty one in the place of each that is lacking.

    Args:
        records: Those that are there, one a sample index; there may be none.
        prompt: The prompt record.
        each: How many there should be.
    """
    known = {record["sample_index"] for record in records}
    usual = {"turn": 1, "model": "unknown", "params": {}, **prompt}
    made = [_empty(records[-1] if records else usual, place) for place in range(each) if place not in known]
    return sorted([*records, *made], key=_index)


def unread_note(number: int) -> Iterable[str]:
    """What a reader must know of so many of them."""
    if number:
        yield f"{number:,} responses could not be read from the answers that were to hold them, and count as unusable"


def chat_of(record: Record) -> int:
    """The sample index at which the chat, or the answer that held several responses, of a record begins."""
    start = _start(record)
    return _index(record) if start is None else start


def _start(record: Record) -> int | None:
    """The sample index of the first response of the answer that a record's response was read from."""
    listed = record.get("listed")
    asked, read = (listed.get(key) for key in ("asked", "read")) if isinstance(listed, dict) else (None, None)
    if not (isinstance(asked, int) and isinstance(read, int)) or not 0 < read <= asked <= _MOST:
        return None
    start: int = record["sample_index"] // asked * asked
    return start


def _index(record: Record) -> int:
    index: int = record["sample_index"]
    return index


def _empty(like: Record, place: int) -> Record:
    """An empty response beside another, or to a prompt."""
    shared = {key: value for key, value in like.items() if key not in _OWN}
    scores = like.get("scores")
    if isinstance(scores, dict):
        shared["scores"] = dict.fromkeys(scores)
    nothing = {"response": "", "finish_reason": None, "n_tokens": None, "logprob": None}
    return {**shared, **nothing, "sample_index": place}
