"""The guard's texts: how many, how even, and nowhere else in the package."""

from __future__ import annotations

from collections import Counter

from divtool.core.catalog import PROMPT_SETS
from divtool.core.evaluation.guard.checks import CHECKS
from divtool.core.evaluation.guard.items import PARTS, guard_items, of_part
from divtool.core.metrics.text import words
from divtool.core.sampling.prompt_sets import builtin_rows


def test_there_are_as_many_as_the_definitions_say() -> None:
    items = list(guard_items().values())
    assert Counter(item["part"] for item in items) == {"plain": 20, "chat": 20, "mc": 60, "format": 30, "length": 16}
    assert [item["part"] for item in items] == sorted((item["part"] for item in items), key=list(PARTS).index)
    covered = of_part("plain", "chat")
    assert sum(covered(item) for item in items) == 40
    assert not covered({"prompt_id": "story-eval-00"})


def test_no_text_stands_there_twice() -> None:
    items = list(guard_items().values())
    texts = [f"{item['prompt']} {item['text']}" for item in items if item["part"] == "plain"]
    texts += [item["prompt"] for item in items if item["part"] != "plain"]
    texts += [item["text"] for item in items if item["part"] == "chat"]
    assert len({" ".join(words(text)) for text in texts}) == len(texts) == 166
    assert all(len(words(item["text"])) >= 25 for item in items if "text" in item)


def test_questions_have_one_right_option_in_every_place_equally_often() -> None:
    questions = [item for item in guard_items().values() if item["part"] == "mc"]
    assert Counter(question["right"] for question in questions) == {0: 15, 1: 15, 2: 15, 3: 15}
    assert len({question["field"] for question in questions}) >= 6
    for question in questions:
        options = question["options"]
        assert len({option.casefold() for option in options}) == len(options) == 4
        assert max(map(len, options)) <= 2 * min(map(len, options)) + 4, options
    longest = sum(len(q["options"][q["right"]]) > max(len(o) for o in _wrong(q)) for q in questions)
    assert longest <= 20  # by chance a quarter


def _wrong(question: dict[str, object]) -> list[str]:
    options, right = list(question["options"]), question["right"]  # type: ignore[call-overload]
    return [option for place, option in enumerate(options) if place != right]


def test_instructions_name_their_checks() -> None:
    for item in guard_items().values():
        if item["part"] == "format":
            CHECKS[item["check"]]("some text", **item["arguments"])


def test_no_text_is_asked_anywhere_else() -> None:
    """What is trained on comes from the other sets of the package: none of them holds a text of the guard."""
    own = {" ".join(words(item[key])) for item in guard_items().values() for key in ("prompt", "text") if key in item}
    for name in PROMPT_SETS:
        for row in builtin_rows(name, None, 0):
            assert " ".join(words(row.data["prompt"])) not in own
            assert row.data["prompt_id"] not in guard_items()


def test_an_id_changes_with_its_text() -> None:
    ids = list(guard_items())
    assert len(ids) == len(set(ids)) == 146
    assert len({prompt_id.rpartition("-")[2] for prompt_id in ids}) == 146
