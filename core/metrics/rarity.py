"""How rare a text's content words are in the language at large."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Sequence
from math import log10
from pathlib import Path

from ..errors import InputError, require_extra
from .text import function_words, words

Frequency = Callable[[str], float]

_FORMAT = "give a word and its count a line, such as: whale 1734"
_FLOOR = 1e-9  # the frequency that a word unknown to the list counts with


def word_rarity(content_frequencies: Sequence[float]) -> float | None:
    """Mean over content words of -log10 p(w), p = share of the word in a large corpus, at least 1e-9.

    Range (0, 9], higher is more diverse: rarer words. Null without a content word.
    """
    if not content_frequencies:
        return None
    return sum(-log10(max(p, _FLOOR)) for p in content_frequencies) / len(content_frequencies)


def content_frequencies(text: str, frequency: Frequency) -> list[float]:
    """The frequency of each word of a text that is no function word, in order."""
    common = function_words()
    return [frequency(word) for word in words(text) if word not in common]


def wordfreq_frequency() -> Frequency:
    """English frequencies of the `wordfreq` package.

    Raises:
        DivtoolError: The package is not installed.
    """
    require_extra("wordfreq", "rarity")
    from wordfreq import word_frequency

    return lambda word: float(word_frequency(word, "en"))


def unigram_frequency(path: Path) -> Frequency:
    """Frequencies from a file of counts: a word and its count a line, with white space between; `.gz` too.

    Words are compared as the word tokenizer writes them: lower case, NFC. Entries that are not one word to it, such as
    punctuation, are left out of the total.

    Raises:
        InputError: The file cannot be read, or a line has no count.
    """
    counts: dict[str, float] = {}
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                entry, count = _entry(line, f"{path}:{number}") if line.strip() else ("", 0.0)
                found = words(entry)
                if len(found) == 1:
                    counts[found[0]] = counts.get(found[0], 0.0) + count
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise InputError(str(path), f"cannot be read ({error})") from None
    total = sum(counts.values())
    if not total:
        raise InputError(str(path), "no word has a count", _FORMAT)
    return lambda word: counts.get(word, 0.0) / total


def _entry(line: str, where: str) -> tuple[str, float]:
    entry, _, count = line.strip().rpartition("\t" if "\t" in line else " ")
    try:
        value = float(count)
    except ValueError:
        value = -1.0
    if not entry or not 0 <= value < float("inf"):
        raise InputError(where, "no word with a count", _FORMAT)
    return entry, value
