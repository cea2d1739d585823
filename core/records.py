"""The records of the pipe: what each must hold, checked where it is read.

Unknown keys are never looked at and pass through every stage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .errors import DivtoolError
from .jsonl import Row, short_hash

Message = dict[str, str]

_KINDS: dict[type, str] = {str: "a string", int: "a whole number", float: "a number", dict: "an object", list: "a list"}
_ABSENT = object()


def kind_of(value: Any) -> str:
    """What a JSON value is, in the words of a message."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    return next((word for kind, word in _KINDS.items() if isinstance(value, kind)), type(value).__name__)


def _fits(value: Any, kind: type) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, (int, float)) if kind is float else isinstance(value, kind)


def require(row: Row, key: str, kind: type, *, remedy: str = "", optional: bool = False, nullable: bool = False) -> Any:
    """The value of a key, of the right type.

    Args:
        row: The record and its place.
        key: The key.
        kind: The type; `float` takes whole numbers too.
        remedy: How the user gets a record with that key.
        optional: The key may be absent; the answer is then None.
        nullable: null is allowed.

    Raises:
        InputError: The key is absent, or its value of another type.
    """
    value = row.data.get(key, _ABSENT)
    if value is _ABSENT:
        if optional:
            return None
        raise row.fault(f"the key '{key}' is missing", remedy)
    if (value is None and nullable) or _fits(value, kind):
        return value
    raise row.fault(f"'{key}' is {kind_of(value)}, not {_KINDS[kind]}", remedy)


def check_messages(row: Row, key: str, value: Any) -> None:
    """Raise `InputError` unless `value` is a list of chat messages."""
    good = (
        isinstance(value, list)
        and value
        and all(
            isinstance(m, dict) and isinstance(m.get("role"), str) and isinstance(m.get("content"), str) for m in value
        )
    )
    if not good:
        raise row.fault(f"'{key}' is no list of messages", 'a message is {"role": "user", "content": "..."}')


def check_prompt(row: Row) -> None:
    """Check a prompt record; a missing `prompt_id` is filled in with a hash of the prompt.

    Raises:
        InputError: No prompt, or an empty or wrongly typed one.
    """
    prompt = row.data.get("prompt", _ABSENT)
    if isinstance(prompt, list):
        check_messages(row, "prompt", prompt)
    elif not require(row, "prompt", str, remedy='a prompt record is {"prompt": "..."}').strip():
        raise row.fault("'prompt' is empty")
    require(row, "prompt_id", str, optional=True)
    row.data.setdefault("prompt_id", f"{short_hash(row.data['prompt']):016x}")


_FROM_SAMPLE = "responses come from divtool sample"


def check_response(row: Row) -> None:
    """Check a response record; a missing `turn` becomes 1.

    Raises:
        InputError: A missing or wrongly typed key.
    """
    check_prompt(row)
    require(row, "response", str, remedy=_FROM_SAMPLE)
    index = require(row, "sample_index", int, remedy=_FROM_SAMPLE)
    turn = require(row, "turn", int, optional=True)
    row.data.setdefault("turn", 1)
    if index < 0 or (turn is not None and turn < 1):
        raise row.fault("'sample_index' counts from 0 and 'turn' from 1")
    require(row, "logprob", float, optional=True, nullable=True)
    tokens = require(row, "n_tokens", int, optional=True, nullable=True)
    if tokens is not None and tokens < 0:
        raise row.fault(f"'n_tokens' is {tokens}, not a number of 0 or more")
    require(row, "finish_reason", str, optional=True, nullable=True)
    check_scores(row, optional=True)


def check_scores(row: Row, *, key: str = "scores", optional: bool = False, remedy: str = "") -> None:
    """Check that the scores are an object of numbers and nulls.

    Raises:
        InputError: They are not.
    """
    scores = require(row, key, dict, optional=optional, remedy=remedy)
    for name, value in (scores or {}).items():
        if value is not None and not _fits(value, float):
            raise row.fault(f"the score '{name}' is {kind_of(value)}, not a number or null")


def check_own_pair(row: Row) -> None:
    """Raise `InputError` for a pair that `select --format` wrote for another trainer."""
    for key, name in (("conversations", "llama-factory"), ("messages", "axolotl")):
        if {key, "chosen", "rejected"} <= row.data.keys() and "prompt" not in row.data:
            raise row.fault(
                f"a pair in the {name} format, which divtool writes and does not read",
                f"run divtool select without --format {name}",
            )


def check_pair(row: Row) -> None:
    """Check a preference pair.

    Raises:
        InputError: Another trainer's format, no message lists, an empty text, or a weight below 0.
    """
    check_own_pair(row)
    remedy = "pairs come from divtool select"
    for key in ("prompt", "chosen", "rejected"):
        check_messages(row, key, require(row, key, list, remedy=remedy))
    for key in ("chosen", "rejected"):
        if not all(message["content"].strip() for message in row.data[key]):
            raise row.fault(f"'{key}' is empty")
    check_weight(row)


def check_weight(row: Row) -> None:
    """Raise `InputError` unless the weight of a record, where it has one, is a number of 0 or more."""
    weight = require(row, "weight", float, optional=True)
    if weight is not None and not 0 <= weight < float("inf"):
        raise row.fault(f"'weight' is {weight}, not a number of 0 or more")


def messages(prompt: str | list[Message]) -> list[Message]:
    """The prompt as a list of chat messages."""
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)


def rewritten(chat: Sequence[Message], rewrite: Callable[[str], str]) -> list[Message]:
    """The chat with its last user message rewritten; the chat given is not changed.

    Raises:
        DivtoolError: The chat has no user message.
    """
    last = max((place for place, message in enumerate(chat) if message["role"] == "user"), default=None)
    if last is None:
        raise DivtoolError("the prompt has no user message that could say how it is to be answered")
    return [*chat[:last], {**chat[last], "content": rewrite(chat[last]["content"])}, *chat[last + 1 :]]


def response_key(record: Mapping[str, Any]) -> tuple[str, int, int]:
    """What makes a response unique: (prompt_id, sample_index, turn)."""
    return record["prompt_id"], record["sample_index"], record["turn"]


def check_group(group: list[Row]) -> None:
    """Check that the responses of one `prompt_id` belong together.

    Raises:
        InputError: A repeated key, or two different prompts; both lines are named.
    """
    first: dict[tuple[str, int, int], Row] = {}
    for row in group:
        if row.data["prompt"] != group[0].data["prompt"]:
            raise row.fault(f"the same prompt_id as {group[0].where} but another prompt")
        other = first.setdefault(response_key(row.data), row)
        if other is not row:
            index, turn = row.data["sample_index"], row.data["turn"]
            raise row.fault(f"sample_index {index}, turn {turn} of this prompt_id stands at {other.where} already")
