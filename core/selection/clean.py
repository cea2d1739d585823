"""Rule 1 of every pair method: which responses are fit to be shown to a trainer at all."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import resources

from ..jsonl import Record
from ..metrics.lexical import within_distinct
from ..metrics.text import Tokenizer, normalise

TRUNCATED = "cut at the token limit"
_LEAST_DISTINCT = 0.95
_OPENING_MARKS = " \t\r\n\"'*_#>-“‘"


class Response:
    """A response with what selection asks of it again and again.

    Args:
        record: The scored record.
        tokenize: Text to words.
    """

    def __init__(self, record: Record, tokenize: Tokenizer) -> None:
        self.record = record
        self.text: str = record["response"]
        self.words = tokenize(self.text)
        self.index: int = record["sample_index"]
        self.turn: int = record["turn"]

    @cached_property
    def fivegrams(self) -> frozenset[int]:
        """Hashes of the distinct 5-grams of the words; of all words at once where there are fewer."""
        return fivegrams(self.words)

    def score(self, name: str) -> float | None:
        """A score, oriented as it stands in the record."""
        value: float | None = self.record["scores"].get(name)
        return value


def fivegrams(words: list[str]) -> frozenset[int]:
    """Hashes of the distinct 5-grams of a text; of all its words at once where there are fewer than five."""
    if len(words) < 5:
        return frozenset([hash(tuple(words))])
    return frozenset(map(hash, zip(words, words[1:], words[2:], words[3:], words[4:], strict=False)))


def jaccard(one: frozenset[int], other: frozenset[int]) -> float:
    """Share of common members, in [0, 1]."""
    common = len(one & other)
    return common / (len(one) + len(other) - common)


@dataclass(slots=True)
class Cleaner:
    """Says why a response is unfit, or that it is fit.

    Attributes:
        min_words: Shorter responses are unfit.
        rules: (reason, test) in the order of use; the first that holds is the reason.
    """

    min_words: int
    rules: tuple[tuple[str, Callable[[Response], bool]], ...] = field(init=False)

    def __post_init__(self) -> None:
        self.rules = (
            ("no word", lambda r: not r.words),
            (TRUNCATED, lambda r: r.record.get("finish_reason") == "length"),
            ("refusal or preamble", lambda r: _refuses(r.text)),
            ("speaks of the answer before", lambda r: r.turn > 1 and _found("second_turn", r.text)),
            ("a given word is missing", _lacks_given_word),
            (f"under {self.min_words} words", lambda r: len(r.words) < self.min_words),
            ("repeats itself", lambda r: (within_distinct(r.words, k=4) or 1.0) < _LEAST_DISTINCT),
        )

    def fault(self, response: Response) -> str | None:
        """The reason to leave the response out, or None."""
        return next((reason for reason, holds in self.rules if holds(response)), None)


def _refuses(text: str) -> bool:
    return _found("refusal", text) or _found("preamble", text)


def _found(name: str, text: str) -> bool:
    at_start, anywhere = _patterns(name)
    return bool(anywhere.search(text) or at_start.match(text.lstrip(_OPENING_MARKS)))


@cache
def _patterns(name: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Patterns for the start and for anywhere, from `prompts/filters/`."""
    content = resources.files("divtool.prompts").joinpath("filters", f"{name}.txt").read_text(encoding="utf-8")
    lines = [line.strip() for line in content.splitlines() if line.strip() and not line.startswith("#")]
    start = [line for line in lines if not line.startswith("*")]
    anywhere = [line[1:] for line in lines if line.startswith("*")]
    return _any_of(start), _any_of(anywhere)


def _any_of(patterns: list[str]) -> re.Pattern[str]:
    # Without patterns: one that never matches.
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns) or r"(?!)", re.IGNORECASE)


def _lacks_given_word(response: Response) -> bool:
    given = response.record.get("words")
    if not isinstance(given, list):
        return False
    own = set(response.words)
    plain = normalise(response.text)
    return not all(_holds(normalise(str(word)), own, plain) for word in given)


def _holds(word: str, own: set[str], text: str) -> bool:
    if word.isalpha():
        return not own.isdisjoint((word, word + "s", word + "es", word + "ed", word + "ing"))
    return word in text
