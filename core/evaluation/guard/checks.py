"""What a program can check of an answer to an instruction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import regex

from ...errors import unknown_name
from ...metrics.text import sentences, words
from ..parsing import exact_list, json_object, normal_form

# An item of a list in one line; more words than this are a sentence.
_LONGEST_ITEM = 4
_END = regex.compile(r"[.!?…][\"'”’)\]]*\Z")


def one_word(text: str) -> bool:
    """Whether a text is a single word."""
    return len(words(text)) == 1


def one_of(text: str, answers: Sequence[str]) -> bool:
    """Whether a text is one of the answers, in any case and with or without a full stop."""
    return normal_form(text) in answers


def lines(text: str, count: int) -> bool:
    """Whether a text has so many lines that are not empty."""
    return len(_lines(text)) == count


def json_keys(text: str, keys: Sequence[str]) -> bool:
    """Whether a text is a JSON object with these keys and nothing else."""
    found = json_object(text.strip())
    return found is not None and found.keys() == set(keys)


def upper(text: str) -> bool:
    """Whether all letters of a text are capitals, and there is one."""
    return text.isupper()


def lower(text: str) -> bool:
    """Whether no letter of a text is a capital, and there is one."""
    return text.islower()


def starts_with(text: str, word: str) -> bool:
    """Whether the first word of a text is this one, in any case."""
    return words(text)[:1] == words(word)


def ends_with(text: str, word: str) -> bool:
    """Whether the last word of a text is this one, in any case."""
    return words(text)[-1:] == words(word)


def comma_items(text: str, count: int) -> bool:
    """Whether a text is one line of so many short items between commas, without an introduction."""
    items = text.strip().split(",")
    short = all(1 <= len(words(item)) <= _LONGEST_ITEM for item in items)
    return len(items) == count and short and ":" not in text and len(_lines(text)) == 1


def numbered(text: str, count: int) -> bool:
    """Whether a text is a list numbered from 1 with so many items, one a line, and nothing else."""
    return exact_list(text, count) is not None


def hyphens(text: str, count: int) -> bool:
    """Whether a text is so many lines that begin with a hyphen and a space, and nothing else."""
    found = _lines(text)
    return len(found) == count and all(line.startswith("- ") and words(line) for line in found)


def without(text: str, letter: str) -> bool:
    """Whether a text has words, and none with this letter."""
    return bool(words(text)) and letter not in text.casefold()


def sentence_count(text: str, count: int) -> bool:
    """Whether a text has so many sentences, of which the last one is finished."""
    return len(sentences(text)) == count and _END.search(text.strip()) is not None


def sentence_with(text: str, required: Sequence[str]) -> bool:
    """Whether a text is one finished sentence that has these words in it."""
    return sentence_count(text, 1) and set(required) <= set(words(text))


def word_count(text: str, least: int, most: int) -> bool:
    """Whether a text has so many words."""
    return least <= len(words(text)) <= most


def number(text: str, value: int) -> bool:
    """Whether a text is this number in digits, with or without a full stop."""
    return text.strip().removesuffix(".") == str(value)


def question(text: str) -> bool:
    """Whether a text is one sentence with a question mark at its end."""
    return len(sentences(text)) == 1 and text.strip().endswith("?")


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


CHECKS: Mapping[str, Callable[..., bool]] = {
    check.__name__: check
    for check in (
        one_word, one_of, lines, json_keys, upper, lower, starts_with, ends_with, comma_items, numbered, hyphens,
        without, sentence_count, sentence_with, word_count, number, question,
    )
}  # fmt: skip


def passes(text: str, check: str, arguments: Mapping[str, object]) -> bool:
    """Whether a text passes a check.

    Args:
        text: The answer.
        check: Name of the check.
        arguments: What it asks for.

    Raises:
        UsageError: No such check.
    """
    if check not in CHECKS:
        raise unknown_name("check of an instruction", check, CHECKS)
    return CHECKS[check](text, **arguments)
