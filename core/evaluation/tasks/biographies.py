"""Invented notable people in six braced fields; sampled as the code of arXiv 2404.10859 does."""

from __future__ import annotations

from calendar import month_name

import regex

from ...draws import generator
from ...jsonl import Record
from ..fields import field_metrics
from ..parsing import braced, braced_lines, normal_form
from ..task import CIRCLES_RULE, Preset, Reading, Task, each, goes_in_circles
from ..tools import Tools
from .persona import people

# Name, gender, date and place; profession and what the person is known for may be missing.
_ASKED, _LEAST = 6, 4
_LABEL = regex.compile(
    r"^(?:full name|name|gender|(?:date|place|city and country) of birth|birth ?(?:date|place)|date|place|city and "
    r"country|profession|occupation|known for)\s*:\s*",
    regex.IGNORECASE,
)
FIELDS = ("first_name", "gender", "birth_date", "birthplace", "profession")


def strict(text: str) -> bool:
    """Whether a text is six braced lines, none of them empty, and nothing else."""
    lines = braced_lines(text)
    return len(lines) == _ASKED and all(lines)


def biography(text: str) -> dict[str, str] | None:
    """The fields in their normal form; None unless name, gender, date and place are there.

    Fields are told apart by their order. What the person is known for is not kept.
    """
    fields = [_LABEL.sub("", field) for field in braced(text)][:_ASKED]
    values = [normal_form(field) for field in fields]
    if len(values) < _LEAST or not all(values[:_LEAST]):
        return None
    names = values[0].split()
    found = {"first_name": names[0], "gender": values[1], "birth_date": values[2], "birthplace": values[3]}
    return found | ({"profession": values[_LEAST]} if len(values) > _LEAST and values[_LEAST] else {})


def parse(record: Record) -> Reading:
    """What a response says."""
    text = record["response"]
    value = biography(text)
    return Reading(strict(text), value, value is not None and not goes_in_circles(text))


def _unrelated(tools: Tools, count: int, seed: int) -> list[Record]:
    """People whose fields are drawn uniformly from the shipped lists."""
    numbers = generator(seed, "biographies unrelated")

    def one() -> str:
        name, city, work, gender = (
            people()[key][int(numbers.integers(len(people()[key])))]
            for key in ("first_name", "city", "occupation", "gender")
        )
        born = f"{month_name[int(numbers.integers(1, 13))]} {numbers.integers(1, 29)}, {numbers.integers(1900, 2000)}"
        return "\n".join(f"{{{field}}}" for field in (name, gender, born, city, work, "Known to friends."))

    return [{"response": one()} for _ in range(count)]


BIOGRAPHIES = Task(
    name="biographies",
    prompt_set="biographies",
    unit="block",
    lines=True,
    prefill="{",
    presets={
        "quick": Preset(1, 200, 200, 0.9, prefill=True),
        "standard": Preset(1, 1_000, 200),
        "paper": Preset(1, 1_000, 200),
    },
    headline="field_distinct",
    metrics=(),
    own=field_metrics(FIELDS, ("first_name", "birthplace", "profession")),
    read=each(parse),
    unrelated=_unrelated,
    parsing="six braced fields in order, at least name, gender, date and place; case and outer punctuation off",
    usable_rule=f"name, gender, date and place are there, and {CIRCLES_RULE}",
)
