"""Every check of an instruction on answers that pass and answers that fail, worked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from divtool.core.errors import UsageError
from divtool.core.evaluation.guard.checks import CHECKS, passes
from divtool.core.evaluation.guard.items import guard_items

_HAND: list[tuple[str, dict[str, Any], list[str], list[str]]] = [
    ("one_word", {}, ["White", "white.", "**White**"], ["", "It is white.", "snow white"]),
    ("one_of", {"answers": ["yes", "no"]}, ["Yes.", "no", " NO! "], ["", "Yes, it is.", "maybe", "yes no"]),
    ("lines", {"count": 2}, ["a\nb", "\na\n\nb\n"], ["", "a", "a\nb\nc"]),
    ("json_keys", {"keys": ["a", "b"]}, ['{"a": 1, "b": null}', ' {"b": "x",\n"a": []} '],
     ["", "[]", '{"a": 1}', '{"a": 1, "b": 2, "c": 3}', 'Here: {"a": 1, "b": 2}', '{"a": 1, "b": 2']),
    ("upper", {}, ["IT IS COLD!", "WINTER 7"], ["", "123", "IT IS cOLD"]),
    ("lower", {}, ["music is quiet.", "ok 7"], ["", "123", "Music"]),
    ("starts_with", {"word": "Yesterday"}, ["Yesterday, I left.", '"yesterday" was'], ["", "On Yesterday", "Days"]),
    ("ends_with", {"word": "home"}, ["We went home.", "HOME!"], ["", "home we went", "homes", "We went home today"]),
    ("comma_items", {"count": 3}, ["saw, hammer, pliers", "Saw, big hammer, and pliers."],
     ["", "saw, hammer", "a, b, c, d", "Tools: saw, hammer, pliers", "saw,\nhammer, pliers", "saw, , pliers",
      "I like the old saw, hammer, pliers"]),
    ("numbered", {"count": 2}, ["1. egg\n2. toast", "1) egg\n2) toast"],
     ["", "1. egg", "1. egg\n2. toast\n3. tea", "Sure:\n1. egg\n2. toast", "1. egg\n3. toast", "- egg\n- toast"]),
    ("hyphens", {"count": 2}, ["- chess\n- golf"], ["", "- chess", "* chess\n* golf", "-chess\n- golf", "Two:\n- chess",
                                                    "- chess\n- "]),
    ("without", {"letter": "e"}, ["A dog ran.", "Dog"], ["", "...", "The dog", "ELK"]),
    ("sentence_count", {"count": 2}, ["One is here. Two is there!", 'It is. "Is it?"'],
     ["", "One is here.", "One. Two. Three.", "One is here. Two is"]),
    ("sentence_with", {"required": ["lamp", "window"]}, ["The lamp is by the Window."],
     ["", "The lamp is on.", "The lamp is on. The window is shut.", "lamps and windows.", "The lamp by the window"]),
    ("word_count", {"least": 2, "most": 3}, ["wide and blue", "blue sea."], ["", "sea", "it is very blue"]),
    ("number", {"value": 42}, ["42", " 42. "], ["", "forty-two", "12 + 30 = 42", "420", "42.0"]),
    ("question", {}, ["Where do you go?"], ["", "I go.", "Hello! Where do you go?", "Where? Then I go."]),
]  # fmt: skip


@pytest.mark.parametrize(("check", "arguments", "good", "bad"), _HAND, ids=[case[0] for case in _HAND])
def test_answers_pass_and_fail(check: str, arguments: dict[str, Any], good: list[str], bad: list[str]) -> None:
    assert {text: passes(text, check, arguments) for text in good} == dict.fromkeys(good, True)
    assert {text: passes(text, check, arguments) for text in bad} == dict.fromkeys(bad, False)


def test_every_check_is_used_and_every_instruction_can_fail() -> None:
    items = [item for item in guard_items().values() if item["part"] == "format"]
    assert {item["check"] for item in items} == CHECKS.keys() == {case[0] for case in _HAND}
    for item in items:
        assert not passes("", item["check"], item["arguments"]), item["prompt"]
    with pytest.raises(UsageError, match="did you mean 'one_word'"):
        passes("x", "one_words", {})
