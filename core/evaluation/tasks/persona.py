"""Random people: a first name, a city and an occupation (task after arXiv 2501.18101)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

import orjson

from ...draws import generator
from ...jsonl import Record
from ..fields import field_metrics
from ..parsing import fields_of, json_object, normal_form
from ..task import CIRCLES_RULE, Preset, Reading, Task, each, goes_in_circles
from ..tools import Tools

FIELDS = ("first_name", "city", "occupation")


def strict(text: str) -> bool:
    """Whether a text is one JSON object with the three keys, each with a string that is not empty."""
    found = json_object(text.strip())
    if found is None or set(found) != set(FIELDS):
        return False
    return all(isinstance(value, str) and value.strip() for value in found.values())


def person(text: str) -> dict[str, str] | None:
    """The three values in their normal form, or None where one is missing.

    The first balanced `{...}` counts, whatever stands around it, with keys in any case; else a key with its value
    beside it for each of the three.
    """
    found = fields_of(text, FIELDS)
    return None if found is None else {field: normal_form(value) for field, value in found.items()}


def parse(record: Record) -> Reading:
    """What a response says."""
    text = record["response"]
    value = person(text)
    return Reading(strict(text), value, value is not None and not goes_in_circles(text))


@cache
def people() -> Mapping[str, list[str]]:
    """The shipped lists of values, for the row of unrelated responses."""
    content = resources.files("divtool.prompts").joinpath("eval", "people.json").read_bytes()
    lists: dict[str, list[str]] = orjson.loads(content)
    return lists


def _unrelated(tools: Tools, count: int, seed: int) -> list[Record]:
    """People whose values are drawn uniformly from the shipped lists."""
    numbers = generator(seed, "persona unrelated")
    return [
        {"response": orjson.dumps({f: people()[f][int(numbers.integers(len(people()[f])))] for f in FIELDS}).decode()}
        for _ in range(count)
    ]


PERSONA = Task(
    name="persona",
    prompt_set="persona",
    unit="block",
    prefill='{"first_name": "',
    presets={
        "quick": Preset(1, 50, 64, 0.9, prefill=True),
        "standard": Preset(1, 100, 64),
        "paper": Preset(1, 100, 64),
    },
    headline="field_distinct",
    metrics=(),
    own=field_metrics(FIELDS, FIELDS),
    read=each(parse),
    unrelated=_unrelated,
    parsing="first balanced {...}, else a value beside each key; case and outer punctuation off",
    usable_rule=f"the three values are there, and {CIRCLES_RULE}",
)
