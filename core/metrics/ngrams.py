"""Words shared between the texts of one prompt: distinct-n, openings, self-repetition, dullness."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from math import log

from .text import function_words, normalise

WordLists = Sequence[Sequence[str]]


def _grams(words: Sequence[str], k: int) -> Iterable[tuple[str, ...]]:
    """The k-grams of one text in order."""
    return zip(*(words[i:] for i in range(k)), strict=False)


def _filled(word_lists: WordLists) -> list[Sequence[str]]:
    """The texts that hold a word."""
    return [words for words in word_lists if words]


def distinct(word_lists: WordLists, k: int) -> float | None:
    """Distinct-k: distinct k-grams / all k-grams, pooled over the texts, none crossing a text border.

    Range (0, 1], higher is more diverse; falls with the number of texts. Null without a k-gram.
    Source: arXiv 1510.03055.
    """
    total = sum(max(0, len(words) - k + 1) for words in word_lists)
    pool = set(chain.from_iterable(_grams(words, k) for words in word_lists))
    return len(pool) / total if total else None


class CorpusDistinct:
    """Distinct-k pooled over all prompts of a run, fed text by text.

    It holds a 64-bit hash of each distinct k-gram: the one thing that grows with the input.
    Range (0, 1], higher is more diverse; falls with the size of the run.

    Args:
        k: Words a k-gram.
    """

    def __init__(self, k: int) -> None:
        self.k = k
        self._seen: set[int] = set()
        self._total = 0

    def add(self, words: Sequence[str]) -> None:
        """Take in one text."""
        self._total += max(0, len(words) - self.k + 1)
        self._seen.update(map(hash, _grams(words, self.k)))

    def value(self) -> float | None:
        """Distinct k-grams / k-grams so far; null without a k-gram."""
        return len(self._seen) / self._total if self._total else None


def ngram_diversity(word_lists: WordLists) -> float | None:
    """Sum of distinct-k over k = 1..4.

    Range (0, 4], higher is more diverse. Null where one of the four is. Source: arXiv 2202.00666.
    """
    parts = [distinct(word_lists, k) for k in (1, 2, 3, 4)]
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def unique_share(texts: Sequence[str]) -> float | None:
    """Distinct normalised texts, white space around them stripped, / n.

    Range (0, 1], higher is more diverse. Null for no text; empty texts are left out.
    """
    kept = [normalise(text).strip() for text in texts if text]
    return len(set(kept)) / len(kept) if kept else None


def unique_first(word_lists: WordLists, k: int) -> float | None:
    """Distinct prefixes of k words / n; a shorter text is its own prefix.

    Range (0, 1], higher is more diverse. Null under 2 texts with a word.
    """
    kept = _filled(word_lists)
    return len({tuple(words[:k]) for words in kept}) / len(kept) if len(kept) >= 2 else None


def opening_share(word_lists: WordLists, k: int = 2) -> float | None:
    """Share of the texts that begin with the most frequent opening of k words; a shorter text is its own opening.

    Range (0, 1], lower is more diverse. Null for no text with a word.
    """
    kept = _filled(word_lists)
    openings = Counter(tuple(words[:k]) for words in kept)
    return max(openings.values()) / len(kept) if kept else None


def self_repetition(word_lists: WordLists, k: int = 4) -> float | None:
    """Mean over texts of ln(1 + sum over its distinct 4-grams of the number of other texts holding it).

    Texts under 4 words have no 4-gram and are left out: counted as 0, equal short answers would
    look diverse. Range >= 0, lower is more diverse. Null for fewer than 2 texts of 4 words.
    Source: the ``diversity`` package, without its rounding.
    """
    grams = [set(_grams(words, k)) for words in word_lists if len(words) >= k]
    if len(grams) < 2:
        return None
    holders = Counter(chain.from_iterable(grams))
    return sum(log(1 + sum(holders[gram] - 1 for gram in own)) for own in grams) / len(grams)


def dullness(word_lists: WordLists) -> float | None:
    """Sum over content words of (count / total)^2, pooled over the texts: the chance that two draws agree.

    Content words are those that are no function word. Range (0, 1], lower is more diverse. Null
    without a content word. The text form of the dullness of arXiv 2001.05467.
    """
    common = function_words()
    counts = Counter(word for words in word_lists for word in words if word not in common)
    total = counts.total()
    return sum(count * count for count in counts.values()) / total**2 if total else None


def pool_word_rarity(word_lists: WordLists) -> list[float | None]:
    """For each text, minus the mean over its words of count(word) / total in the pool of all texts.

    Range [-1, 0), higher is more diverse. Null for a text without a word. The frequency criterion
    of DivPO (arXiv 2501.18101), in our exact form.
    """
    pool = Counter(chain.from_iterable(word_lists))
    total = pool.total()
    return [-sum(pool[word] for word in words) / (total * len(words)) if words else None for words in word_lists]
