"""Group records: a prompt with several responses, checked where they are read."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..jsonl import Record, Row
from ..records import Message, check_prompt, kind_of, messages, require

_REMEDY = "expects groups; run select --method possibility first"
# Words of a dialogue beyond which its oldest turns are dropped, as in the published code.
_CONTEXT_WORDS = 300


@dataclass(frozen=True, slots=True)
class Group:
    """A prompt and its different responses.

    Attributes:
        prompt_id: Of the prompt.
        chat: The prompt as messages.
        responses: The responses in order, without outer blanks; none is empty, no two are equal.
        numbers: A possibility number each, where the record has them; no two are equal.
        record: The record as it stood in the file.
        empty: How many responses were left out because they were empty.
        collapsed: How many because they were equal to one before.
        where: ``file:line`` of the record.
    """

    prompt_id: str
    chat: list[Message]
    responses: list[str]
    numbers: list[int] | None
    record: Record
    empty: int = 0
    collapsed: int = 0
    where: str = ""


def text_key(text: str) -> str:
    """What two responses share that count as equal: NFC, case folded, runs of blanks as one blank."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def group_of(row: Row) -> Group:
    """The group of a record.

    Raises:
        InputError: The record is no group, or a response or a number cannot be used; the line is named.
    """
    check_prompt(row)
    responses = require(row, "responses", list, remedy=_REMEDY)
    for place, text in enumerate(responses):
        if not isinstance(text, str):
            raise row.fault(f"response {place + 1} of 'responses' is {kind_of(text)}, not a string")
    chat = messages(row.data["prompt"])
    if not any(message["role"] == "user" for message in chat):
        raise row.fault("'prompt' has no user message")
    numbers = _numbers(row, len(responses))
    kept = _different(responses)
    empty = sum(not text.strip() for text in responses)
    return Group(
        prompt_id=row.data["prompt_id"],
        chat=chat,
        responses=[responses[place].strip() for place in kept],
        numbers=None if numbers is None else [numbers[place] for place in kept],
        record=row.data,
        empty=empty,
        collapsed=len(responses) - empty - len(kept),
        where=row.where,
    )


def dialogue_group(row: Row) -> Group:
    r"""The group of a record in the published form, `{"context": "turn\nturn", "candidates": [...]}`.

    The turns become one user message, in which person A speaks last; B answers.

    Raises:
        InputError: As for `group_of`.
    """
    turns = [turn.strip() for turn in require(row, "context", str).splitlines() if turn.strip()]
    candidates = require(row, "candidates", list)
    while len(turns) > 1 and sum(len(turn.split()) for turn in turns) > _CONTEXT_WORDS:
        del turns[0]
    rest = {key: value for key, value in row.data.items() if key not in ("context", "candidates")}
    return group_of(Row({**rest, "prompt": labelled(turns), "responses": candidates}, row.where))


def labelled(turns: Sequence[str]) -> str:
    """The turns of a dialogue as lines, labelled backwards from the end, so that person A speaks last."""
    speakers = ("Person A", "Person B")
    return "\n".join(f"{speakers[(len(turns) - 1 - place) % 2]}: {turn}" for place, turn in enumerate(turns))


def _numbers(row: Row, count: int) -> list[int] | None:
    """The record's own numbers, one a response, or None."""
    numbers: list[Any] | None = require(row, "numbers", list, optional=True)
    if numbers is None:
        return None
    if len(numbers) != count:
        raise row.fault(f"'numbers' has {len(numbers)} entries for {count} responses")
    if not all(isinstance(number, int) and not isinstance(number, bool) and number >= 1 for number in numbers):
        raise row.fault("'numbers' holds something else than whole numbers from 1")
    if len(set(numbers)) < count:
        raise row.fault("'numbers' holds one number twice")
    return numbers


def _different(responses: list[str]) -> list[int]:
    """Places of the responses that say something, the first of those that are equal."""
    first: dict[str, int] = {}
    for place, text in enumerate(responses):
        key = text_key(text)
        if key:
            first.setdefault(key, place)
    return list(first.values())
