"""Style without content: how often function words and marks are used, and how far texts differ in it."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from .semantic import semantic_deviation, semantic_distance
from .text import function_words, normalise, words

Vectors = NDArray[np.float64]

MARKS = (".", ",", ";", ":", "!", "?", "'", '"', "(", ")", "—", "…")
_QUOTES = str.maketrans({"“": '"', "”": '"'})


def style_lite(text: str) -> Vectors:
    """Style vector of one text: shares of the 150 function words and 12 marks, square rooted, [162].

    Unit length, so that the cosine of two texts is the Bhattacharyya coefficient of their shares;
    a zero vector where no item occurs.
    """
    place = _places()
    counts = np.zeros(len(place) + len(MARKS))
    for word in words(text):
        if word in place:
            counts[place[word]] += 1
    plain = normalise(text).translate(_QUOTES)
    counts[len(place) :] = [plain.count(mark) for mark in MARKS]
    return root_shares(counts)


@cache
def _places() -> dict[str, int]:
    """The place of each function word in the vector."""
    return {word: place for place, word in enumerate(sorted(function_words()))}


def root_shares(counts: Vectors) -> Vectors:
    """Square roots of the shares: a unit vector, or zeros for no count at all."""
    shares: Vectors = counts / max(float(counts.sum()), 1.0)
    return np.sqrt(shares)


def style_deviation(style_vectors: Vectors) -> list[float | None]:
    """For each text, the mean cosine distance of its style vector to those of the other texts.

    Range [0, 2], higher is more diverse. Null under 2 texts and for a zero vector. Source: the
    code of arXiv 2503.17126, with our style vectors.
    """
    return semantic_deviation(style_vectors)


def style_distance(style_vectors: Vectors) -> float | None:
    """Mean cosine distance of style vectors over unordered pairs.

    Range [0, 2], higher is more diverse. Null under 2 texts; zero vectors are left out.
    """
    return semantic_distance(style_vectors)
