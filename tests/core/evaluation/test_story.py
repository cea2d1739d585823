from __future__ import annotations

from typing import Any

import pytest

from divtool.core.evaluation.tasks.story import STORY, holds_word, usable
from divtool.core.metrics.catalog import METRICS
from divtool.core.sampling.prompt_sets import builtin_rows

GOOD = (
    "On a cold morning Mira found a stamp under the stairs. She had been writing letters to nobody for years. "
    "That day she finally sent one of them to the old lighthouse. Weeks later a box of shells arrived at her door."
)


def _record(text: str, *words: str) -> dict[str, Any]:
    return {"response": text, "words": list(words)}


def test_good_story_is_usable() -> None:
    assert usable(_record(GOOD, "stamp", "letter", "send"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOOD.replace("stamp", "coin"),
        GOOD.split(". ")[0] + ".",
        " ".join([GOOD] * 2),
        GOOD.replace(". ", ", ").replace(".", ""),
        " ".join([GOOD.replace(".", ""), *["And then it rained all day."] * 2]),
    ],
)
def test_other_texts_are_not(text: str) -> None:
    assert not usable(_record(text, "stamp", "letter", "send"))


@pytest.mark.parametrize("given", [None, 5, [], [""], "abc", [7]])
def test_words_key_of_another_kind_asks_for_nothing(given: Any) -> None:
    assert usable({"response": GOOD, "words": given})


@pytest.mark.parametrize(
    ("word", "form"),
    [
        ("stamp", "stamps"), ("send", "sent"), ("pump", "pumping"), ("detect", "detected"), ("belief", "beliefs"),
        ("comply", "complied"), ("embark", "embarked"), ("argue", "arguing"), ("tune", "tuned"), ("press", "presses"),
        ("drift", "drifting"), ("steal", "stolen"), ("snow", "snow's"), ("return", "Returns".lower()),
    ],
)  # fmt: skip
def test_inflections_count(word: str, form: str) -> None:
    assert holds_word(word, frozenset({form}))


def test_longer_words_that_merely_begin_alike_do_not_count() -> None:
    for word, other in (("year", "yearning"), ("faith", "faithful"), ("sing", "single"), ("court", "courtesy")):
        assert not holds_word(word, frozenset({other}))


def test_task_is_of_known_parts() -> None:
    assert STORY.headline in STORY.metrics
    assert all(METRICS[name].level == "set" and METRICS[name].direction in "+-" for name in STORY.metrics)
    for preset in STORY.presets.values():
        assert len(list(builtin_rows(STORY.prompt_set, preset.prompts, 0))) == preset.prompts
