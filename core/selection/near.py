"""Near-duplicates: texts whose 5-grams overlap so much that they are one text with changes."""

from __future__ import annotations

from collections import Counter

SAME_TEXT = 0.5


def fivegrams(words: list[str]) -> frozenset[int]:
    """Hashes of the distinct 5-grams of a text; of all its words at once where there are fewer than five."""
    if len(words) < 5:
        return frozenset([hash(tuple(words))])
    return frozenset(map(hash, zip(words, words[1:], words[2:], words[3:], words[4:], strict=False)))


def jaccard(one: frozenset[int], other: frozenset[int]) -> float:
    """Share of common members, in [0, 1]."""
    common = len(one & other)
    return common / (len(one) + len(other) - common)


class SeenTexts:
    """Texts by an inverted index of their 5-grams."""

    def __init__(self) -> None:
        self._sizes: list[int] = []
        # Most 5-grams occur in one text: its bare number, and a list of numbers only for the few others.
        self._holder: dict[int, int] = {}
        self._holders: dict[int, list[int]] = {}

    def repeats(self, grams: frozenset[int]) -> bool:
        """Whether an earlier text is nearly this one; if none is, this one joins them."""
        return self.add(grams) is not None

    def add(self, grams: frozenset[int]) -> int | None:
        """The first text, by its number among those that joined, that is nearly this one; else this one joins."""
        common: Counter[int] = Counter()
        for gram in grams & self._holder.keys():
            common.update(self._holders.get(gram) or (self._holder[gram],))
        near = [text for text, n in common.items() if n > SAME_TEXT * (len(grams) + self._sizes[text] - n)]
        if near:
            return min(near)
        self._join(grams)
        return None

    def _join(self, grams: frozenset[int]) -> None:
        number = len(self._sizes)
        self._sizes.append(len(grams))
        for gram in grams:
            first = self._holder.setdefault(gram, number)
            if first != number:
                self._holders.setdefault(gram, [first]).append(number)
