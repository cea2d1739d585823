"""Rule 1: which responses are fit at all."""

from __future__ import annotations

from typing import Any

import pytest

from divtool.core.metrics.text import tokenizer
from divtool.core.selection.clean import TRUNCATED, Cleaner, Response


def fault(record: dict[str, Any], *, min_words: int = 5, words: str = "word") -> str | None:
    return Cleaner(min_words).fault(Response(record, tokenizer(words)))


@pytest.fixture
def fit(respond: Any) -> Any:
    def made(**changes: Any) -> dict[str, Any]:
        record: dict[str, Any] = respond("p", 0, changes.pop("turn", 1)) | changes
        return record

    return made


def test_a_plain_text_is_fit(fit: Any) -> None:
    assert fault(fit()) is None


@pytest.mark.parametrize("text", ["", "  \n", "?! ...", "—"])
def test_no_word(fit: Any, text: str) -> None:
    assert fault(fit(response=text), min_words=0) == "no word"


def test_truncated(fit: Any) -> None:
    assert fault(fit(finish_reason="length")) == TRUNCATED
    assert fault(fit(finish_reason=None)) is None
    record = fit()
    del record["finish_reason"]
    assert fault(record) is None


@pytest.mark.parametrize(
    "opening",
    [
        "As an AI, I have no river.",
        "I'm sorry, but that is not possible.",
        "I\N{RIGHT SINGLE QUOTATION MARK}m sorry, but that is not possible.",
        "Here is a story.",
        "Here\N{RIGHT SINGLE QUOTATION MARK}s a story.",
        "**Here are** three sentences.",
        "Sure, gladly!",
        '"Certainly! A story.',
        "SURE: a story.",
        "Title: The river",
    ],
)
def test_refusals_and_preambles(fit: Any, text: Any, opening: str) -> None:
    assert fault(fit(response=f"{opening} {text(60)}")) == "refusal or preamble"


@pytest.mark.parametrize("opening", ["She was sure, and", "The story here is old, and", "Surely", "He said okay, and"])
def test_the_same_words_inside_a_sentence_are_fine(fit: Any, text: Any, opening: str) -> None:
    assert fault(fit(response=f"{opening} {text(60)}")) is None


@pytest.mark.parametrize(
    "phrase", ["in this version", "this time", "unlike the first", "another version", "Compared to my previous"]
)
def test_a_second_turn_that_speaks_of_the_first(fit: Any, text: Any, phrase: str) -> None:
    told = f"{text(30, 1)} {phrase} {text(30, 2)}"
    assert fault(fit(response=told, turn=2)) == "speaks of the answer before"
    assert fault(fit(response=told, turn=1)) is None


@pytest.mark.parametrize("form", ["lantern", "Lanterns", "LANTERN,", "lantern's", "old-lantern"])
def test_given_words_in_any_case_with_an_ending(fit: Any, text: Any, form: str) -> None:
    record = fit(response=f"{text(30, 1)} {form} {text(30, 2)}", words=["lantern"])
    for name in ("word", "whitespace", "char"):
        # Characters would repeat themselves in the made text; what matters is that the word is found.
        assert fault(record, words=name) != "a given word is missing", name


@pytest.mark.parametrize(
    ("given", "form", "holds"),
    [
        ("walk", "walking", True),
        ("walk", "walked", True),
        ("box", "boxes", True),
        ("bake", "baked", True),
        ("bake", "baking", True),
        ("walk", "walker", False),
        ("walk", "sidewalk", False),
        ("lantern", "lanternfish", False),
        ("ice cream", "ice creams", True),
        ("ice cream", "ice and cream", False),
        ("c++", "c++", True),
        ("café", "CAFÉS", True),
    ],
)
def test_endings_that_count(fit: Any, text: Any, given: str, form: str, holds: bool) -> None:
    record = fit(response=f"{text(30, 1)} {form} {text(30, 2)}", words=[given])
    assert (fault(record) is None) is holds


def test_every_given_word_is_needed(fit: Any, text: Any) -> None:
    told = f"{text(60)} walk stone"
    assert fault(fit(response=told, words=["walk", "stone"])) is None
    assert fault(fit(response=told, words=["walk", "stone", "river"])) == "a given word is missing"


@pytest.mark.parametrize("words", [[], "river", 3, None])
def test_an_empty_list_or_something_else_asks_for_no_word(fit: Any, words: Any) -> None:
    assert fault(fit(words=words)) is None


def test_given_words_in_a_script_without_spaces(fit: Any) -> None:
    record = fit(response="那只猫在河边看着月亮慢慢升起来。", words=["猫", "月亮"])
    assert fault(record, min_words=0) is None
    assert fault(record | {"words": ["狗"]}, min_words=0) == "a given word is missing"


def test_too_few_words(fit: Any, text: Any) -> None:
    assert fault(fit(response=text(49)), min_words=50) == "under 50 words"
    assert fault(fit(response=text(50)), min_words=50) is None


def test_a_text_that_repeats_itself(fit: Any) -> None:
    # 40 words twice: 80 words, 77 4-grams, 40 of them distinct.
    half = " ".join(f"w{i}" for i in range(40))
    assert fault(fit(response=f"{half} {half}")) == "repeats itself"
    # 60 words: 57 4-grams; a repeat of 6 words makes 3 of them double, .9474; of 5 words 2, .9649.
    words = [f"w{i}" for i in range(60)]
    assert fault(fit(response=" ".join(words[:54] + words[:6]))) == "repeats itself"
    assert fault(fit(response=" ".join(words[:55] + words[:5]))) is None


def test_under_four_words_nothing_can_be_repeated(fit: Any) -> None:
    assert fault(fit(response="river river river"), min_words=0) is None


def test_the_first_rule_that_holds_is_the_reason(fit: Any) -> None:
    assert fault(fit(response="Here is one", finish_reason="length"), min_words=50) == TRUNCATED
    assert fault(fit(response="Here is one"), min_words=50) == "refusal or preamble"


@pytest.mark.parametrize(
    ("text", "unspaced"),
    [
        ("那只猫在河边看着月亮。", True),
        ("แมวนั่งมองดวงจันทร์", True),
        ("A 猫 sat by the river.", False),
        ("Ein Äffchen", False),
    ],
)
def test_scripts_without_spaces(fit: Any, text: str, unspaced: bool) -> None:
    assert Response(fit(response=text), tokenizer("word")).unspaced is unspaced
