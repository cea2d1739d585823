"""The guard's items: prompt records from the files in `prompts/guard/`, in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources

import orjson

from ...jsonl import Record, short_hash

# In the order in which they are drawn, with the file of each.
PARTS: Mapping[str, str] = {
    "plain": "plain.jsonl",
    "chat": "chats.jsonl",
    "mc": "questions.jsonl",
    "format": "instructions.jsonl",
    "length": "everyday.jsonl",
}


@cache
def guard_items() -> Mapping[str, Record]:
    """All items by prompt_id.

    An id holds a hash of its item: responses to another version of the texts are of other items. A plain text is given
    as its first word, which no model can foresee, and the rest of it as the response.
    """
    items = [
        _item(part, number, orjson.loads(line))
        for part, name in PARTS.items()
        for number, line in enumerate(_text(name).splitlines())
    ]
    return {item["prompt_id"]: item for item in items}


def of_part(*parts: str) -> Callable[[Record], bool]:
    """Whether a response is to an item of one of the parts."""
    return lambda record: (item := guard_items().get(record["prompt_id"])) is not None and item["part"] in parts


def _item(part: str, number: int, content: Record) -> Record:
    """A prompt record, with all that the file says of it."""
    item = {"prompt_id": f"guard-{part}-{number:02d}-{short_hash(content) & 0xFFFFFFFF:08x}", "part": part}
    if "prompt" not in content:
        first, _, rest = content["text"].partition(" ")
        return {**item, "prompt": first, "text": rest}
    return {**item, **content}


def _text(name: str) -> str:
    package = __package__.partition(".core.")[0]
    return resources.files(f"{package}.prompts").joinpath("guard", name).read_text(encoding="utf-8")
