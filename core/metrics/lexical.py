"""Word-level diversity of one text: type-token measures, MTLD, HD-D, entropy, n-gram repetition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import comb, log, log2, sqrt


def word_count(words: Sequence[str]) -> int:
    """Number of words N. Range: >= 0. Not a diversity metric. Never null."""
    return len(words)


def char_count(text: str) -> int:
    """Number of code points after stripping white space. Range: >= 0. Not a diversity metric. Never null."""
    return len(text.strip())


def sentence_count(sentences: Sequence[str]) -> int:
    """Number of sentences. Range: >= 0. Not a diversity metric. Never null."""
    return len(sentences)


def words_per_sentence(words_and_sentences: tuple[Sequence[str], Sequence[str]]) -> float | None:
    """Words / sentences. Range: >= 1 with the word tokenizer. Not a diversity metric. Null without a sentence."""
    words, sentences = words_and_sentences
    return len(words) / len(sentences) if sentences else None


def ttr(counts: Mapping[str, int]) -> float | None:
    """Type-token ratio V/N. Range (0, 1], higher is more diverse; falls with length. Null for no word."""
    return len(counts) / sum(counts.values()) if counts else None


def root_ttr(counts: Mapping[str, int]) -> float | None:
    """Guiraud's index V/sqrt(N). Range > 0, higher is more diverse; rises with length. Null for no word."""
    return len(counts) / sqrt(sum(counts.values())) if counts else None


def herdan_c(counts: Mapping[str, int]) -> float | None:
    """Herdan's C, ln V / ln N. Range [0, 1], higher is more diverse. Null under 2 words."""
    n = sum(counts.values())
    return log(len(counts)) / log(n) if n >= 2 else None


def maas(counts: Mapping[str, int]) -> float | None:
    """Maas' index (ln N - ln V) / (ln N)^2, natural logs. Range >= 0, lower is more diverse. Null under 2 words."""
    n = sum(counts.values())
    return (log(n) - log(len(counts))) / log(n) ** 2 if n >= 2 else None


def mattr(words: Sequence[str], window: int = 50) -> float | None:
    """Moving-average type-token ratio: mean TTR of all windows of ``window`` words.

    Range (0, 1], higher is more diverse. Null for texts shorter than the window: falling back to
    the TTR would make short texts look diverse. Source: Covington and McFall 2010.
    """
    if len(words) < window:
        return None
    first = Counter(words[:window])
    counts = dict.fromkeys(words, 0)
    counts.update(first)
    total = types = len(first)
    for old, new in zip(words, words[window:], strict=False):
        counts[old] -= 1
        if not counts[old]:
            types -= 1
        if not counts[new]:
            types += 1
        counts[new] += 1
        total += types
    return total / (window * (len(words) - window + 1))


def mtld(words: Sequence[str], threshold: float = 0.72) -> float | None:
    """Measure of textual lexical diversity: N / factors, mean of the forward and the backward walk.

    A factor is a stretch over which the running TTR falls to the threshold; a rest with TTR r
    counts (1 - r) / (1 - threshold). Range > 0, higher is more diverse. Null under 50 words, and
    where no word is repeated, since N / 0 has no value. Source: McCarthy and Jarvis 2010.
    """
    if len(words) < 50:
        return None
    forward, backward = _factors(words, threshold), _factors(words[::-1], threshold)
    if forward == 0 or backward == 0:
        return None
    return (len(words) / forward + len(words) / backward) / 2


def _factors(words: Sequence[str], threshold: float) -> float:
    """The number of factors in one direction, the rest included."""
    factors, length, seen = 0.0, 0, set[str]()
    for word in words:
        seen.add(word)
        length += 1
        if len(seen) / length <= threshold:
            factors += 1
            length = 0
            seen.clear()
    if length:
        factors += (1 - len(seen) / length) / (1 - threshold)
    return factors


def hdd(counts: Mapping[str, int], draws: int = 42) -> float | None:
    """HD-D: sum over types of P(type among ``draws`` words drawn without replacement) / draws.

    P = 1 - C(N - f, draws) / C(N, draws), exact in integers. Range (0, 1], higher is more diverse.
    Null for texts shorter than the draws. Source: McCarthy and Jarvis 2007.
    """
    n = sum(counts.values())
    if n < draws:
        return None
    every = comb(n, draws)
    present = sum(types * (every - comb(n - f, draws)) for f, types in Counter(counts.values()).items())
    return present / (every * draws)


def word_entropy(counts: Mapping[str, int]) -> float | None:
    """Shannon entropy of the text's own words, -sum p log2 p with p = count / N.

    Range [0, log2 N] bits, higher is more diverse; rises with length. Null for no word.
    """
    n = sum(counts.values())
    if n == 0:
        return None
    shares = ((f / n, types) for f, types in Counter(counts.values()).items())
    return max(0.0, -sum(types * p * log2(p) for p, types in shares))


def word_entropy_norm(counts: Mapping[str, int]) -> float | None:
    """Word entropy / log2 N. Range [0, 1], higher is more diverse. Null under 2 words."""
    n, entropy = sum(counts.values()), word_entropy(counts)
    return min(1.0, entropy / log2(n)) if entropy is not None and n >= 2 else None


def within_distinct(words: Sequence[str], k: int) -> float | None:
    """Distinct k-grams / k-grams of one text. Range (0, 1], higher is more diverse. Null under k words."""
    total = len(words) - k + 1
    if total <= 0:
        return None
    grams = words if k == 1 else zip(*(words[i:] for i in range(k)), strict=False)
    return len(set(grams)) / total


def repetition(words: Sequence[str], k: int = 4) -> float | None:
    """Share of repeated k-grams, 1 - distinct / all, k = 4.

    Range [0, 1), lower is more diverse. Null under k words. Source: rep-n of arXiv 1908.04319.
    """
    distinct = within_distinct(words, k)
    return None if distinct is None else 1 - distinct
