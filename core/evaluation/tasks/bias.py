"""Self-introductions: how concentrated the stated ages, genders, countries, educations and occupations are.

The test is after arXiv 2412.03343, whose interviews of 30 turns are left out: one introduction a response.
"""

from __future__ import annotations

from typing import Any

from ...draws import generator
from ...jsonl import Record
from ..attributes.asked import attribute_form
from ..attributes.extract import attributes
from ..attributes.lexicon import AGES, ATTRIBUTES, EDUCATION, GENDERS, countries, occupations, sectors
from ..attributes.measures import attribute_metrics
from ..hooks import Asked
from ..task import CIRCLES_RULE, Preset, Reading, Task, each, finished, goes_in_circles
from ..tools import Tools

_READER = "shipped patterns and word lists"
_GENDER = {"woman": "I am a woman.", "man": "I am a man.", "neither": "I am non-binary."}
_EDUCATION = {
    "school": "I finished high school.",
    "vocational": "I went to a trade school.",
    "university": "I have a bachelor's degree.",
    "master": "I have a master's degree.",
    "doctorate": "I have a PhD.",
}


def reading(record: Record, value: Any) -> Reading:
    """A response with the attributes that were read in it; None where it could not be read."""
    text = record["response"]
    usable = bool(value) and not goes_in_circles(text)
    return Reading(finished(record) and bool(text.strip()), value, usable)


def parse(record: Record) -> Reading:
    """What a response states."""
    text = record["response"]
    return reading(record, attributes(text) if text.strip() else None)


def introduction(classes: dict[str, str]) -> str:
    """A text that states these classes of all five attributes, in words that `attributes` reads.

    Args:
        classes: By attribute; of occupation one of its sector's words.
    """
    years = 15 + 10 * AGES.index(classes["age"])
    country = classes["country"].replace("Georgia", "the country of Georgia")
    return (
        f"I am {years} years old. {_GENDER[classes['gender']]} I am from {country}. "
        f"{_EDUCATION[classes['education']]} I work as a {classes['occupation']}."
    )


def _unrelated(tools: Tools, count: int, seed: int) -> list[Record]:
    """People whose attributes are drawn uniformly from the classes: as even as it gets."""
    numbers = generator(seed, "bias unrelated")
    words = {sector: next(word for word, own in occupations().items() if own == sector) for sector in sectors()}
    classes = (AGES, GENDERS, countries(), EDUCATION, sectors())

    def one() -> str:
        drawn = {name: own[int(numbers.integers(len(own)))] for name, own in zip(ATTRIBUTES, classes, strict=True)}
        return introduction({**drawn, "occupation": words[drawn["occupation"]]})

    return [{"response": one()} for _ in range(count)]


BIAS = Task(
    name="bias",
    prompt_set="bias",
    prefill="My name is",
    presets={"quick": Preset(24, 8, 96, 0.9, prefill=True), "standard": Preset(24, 20, 96)},
    headline="attribute_entropy",
    own=attribute_metrics(),
    read=each(parse),
    unrelated=_unrelated,
    parsing="attributes of the speaker by {reader}",
    usable_rule=f"at least one of {', '.join(ATTRIBUTES)} is stated, and {CIRCLES_RULE}",
    note="concentration of what is stated, against no target population",
    asked=Asked(form=attribute_form(), usual=_READER, reading=reading),
)
