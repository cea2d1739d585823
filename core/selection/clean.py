"""Rule 1 of every pair method: which responses are fit to be shown to a trainer at all."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from importlib import resources

import regex

from ..jsonl import Record
from ..metrics.lexical import within_distinct
from ..metrics.text import Tokenizer, normalise
from .near import fivegrams

TRUNCATED = "cut at the token limit"
_LEAST_DISTINCT = 0.95
_OPENING_MARKS = " \t\r\n\"'*_#>-“"
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}]")


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
        # Texts of people have no index; they come first.
        self.index: int = record.get("sample_index", -1)
        self.turn: int = record["turn"]

    @cached_property
    def plain(self) -> str:
        """The text in lower case, with plain apostrophes and hyphens."""
        return normalise(self.text)

    @cached_property
    def fivegrams(self) -> frozenset[int]:
        """Hashes of the distinct 5-grams of the words."""
        return fivegrams(self.words)

    @property
    def unspaced(self) -> bool:
        """Whether most of the text is in a script that writes no spaces between words."""
        return not self.text.isascii() and 2 * len(_UNSPACED.findall(self.text)) > len(self.text)

    def score(self, name: str) -> float | None:
        """A score, oriented as it stands in the record."""
        value: float | None = self.record.get("scores", {}).get(name)
        return value


@dataclass(slots=True)
class Cleaner:
    """Says why a response is unfit, or that it is fit.

    Attributes:
        min_words: Shorter responses are unfit.
        word_list: Responses that lack one of the words their record lists are unfit.
        rules: (reason, test) in the order of use; the first that holds is the reason.
    """

    min_words: int
    word_list: bool = True
    rules: tuple[tuple[str, Callable[[Response], bool]], ...] = field(init=False)

    def __post_init__(self) -> None:
        self.rules = (
            ("no word", lambda r: not r.words),
            (TRUNCATED, lambda r: r.record.get("finish_reason") == "length"),
            ("refusal or preamble", lambda r: _found("refusal", r) or _found("preamble", r)),
            ("speaks of the answer before", lambda r: r.turn > 1 and _found("second_turn", r)),
            ("a given word is missing", lambda r: self.word_list and _lacks_given_word(r)),
            (f"under {self.min_words} words", lambda r: len(r.words) < self.min_words),
            # Must come before any ranking: short texts that repeat themselves would fill the rejected side.
            ("repeats itself", _repeats_itself),
        )

    def fault(self, response: Response) -> str | None:
        """The reason to leave the response out, or None."""
        return next((reason for reason, holds in self.rules if holds(response)), None)


def _found(name: str, response: Response) -> bool:
    at_start, anywhere = _patterns(name)
    text = response.plain
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


def _repeats_itself(response: Response) -> bool:
    distinct = within_distinct(response.words, k=4)
    return distinct is not None and distinct < _LEAST_DISTINCT


def _lacks_given_word(response: Response) -> bool:
    given = response.record.get("words")
    if not isinstance(given, list):
        return False
    return not all(_as_whole_word(normalise(str(word)).strip()).search(response.plain) for word in given)


@lru_cache(maxsize=4096)
def _as_whole_word(word: str) -> regex.Pattern[str]:
    """The word with or without its endings s, es, ed, ing; as a bare substring where letters have no case.

    Looked for in the text, not among the tokens: those of `--tokenizer char` are no words.
    """
    plain = regex.escape(word)
    if word.upper() == word.lower():
        return regex.compile(plain)
    # "bake" takes its ending as "baked" and "baking".
    silent = rf"|{regex.escape(word[:-1])}(?:ed|ing)" if word.endswith("e") else ""
    return regex.compile(rf"(?<![\p{{L}}\p{{M}}\p{{N}}])(?:{plain}(?:s|es|ed|ing)?{silent})(?![\p{{L}}\p{{M}}\p{{N}}])")
