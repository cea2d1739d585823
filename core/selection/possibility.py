"""The steps of `select --method possibility` on one prompt: drop repeats, bad and odd lengths; then pick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..draws import generator
from ..jsonl import Record
from ..possibility.groups import text_key
from .k_center import farthest_first

Vectors = NDArray[Any]
Pick = Literal["spread", "first", "random"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A response that may be picked.

    Attributes:
        text: The response.
        place: Its (sample_index, turn), or its place in a list of candidates and 1.
        quality: Higher is better; None where it was not judged.
        truncated: Whether it was cut at the token limit.
        record: What it was read from.
    """

    text: str
    place: tuple[int, int]
    quality: float | None
    truncated: bool
    record: Record

    @property
    def words(self) -> int:
        """Pieces between white space."""
        return len(self.text.split())


def without_repeats(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The first of each text."""
    first: dict[str, Candidate] = {}
    for candidate in candidates:
        first.setdefault(text_key(candidate.text), candidate)
    return list(first.values())


def above_floor(candidates: Sequence[Candidate], quantile: float) -> list[Candidate]:
    """Those at or above this quantile of the prompt's own qualities; what was not judged stays."""
    known = [candidate.quality for candidate in candidates if candidate.quality is not None]
    if not known:
        return list(candidates)
    least = float(np.quantile(known, quantile))
    return [candidate for candidate in candidates if candidate.quality is None or candidate.quality >= least]


def near_median(candidates: Sequence[Candidate], tolerance: float) -> list[Candidate]:
    """Those within so many words of the prompt's median length."""
    if not candidates:
        return []
    median = float(np.median([candidate.words for candidate in candidates]))
    return [candidate for candidate in candidates if abs(candidate.words - median) <= tolerance]


def drawn(n: int, k: int, seed: int, prompt_id: str, use: str) -> list[int]:
    """`k` of `n` places at random, in order; a draw of its own for each seed, prompt and use."""
    places: list[int] = generator(seed, "possibility", use, prompt_id).permutation(n)[:k].tolist()
    return sorted(places)


def spread(candidates: Sequence[Candidate], vectors: Vectors, k: int) -> list[int]:
    """Up to `k` places, each farthest from those before, the best first; without qualities the earliest first.

    Fewer where the rest have the same vector as one that is picked.

    Args:
        candidates: In order of their place.
        vectors: Their unit vectors, [n, d]. Between unit vectors the Euclidean order is that of cosine distance.
        k: How many.
    """
    known = [place for place, candidate in enumerate(candidates) if candidate.quality is not None]
    best = max(known, key=lambda place: (candidates[place].quality, -place), default=0)
    return sorted(place for place, _ in farthest_first(vectors, k, [best]))


def mean_distance(vectors: Vectors) -> float | None:
    """Mean cosine distance over the pairs of unit vectors, in [0, 2], higher is more diverse; None under two."""
    n = len(vectors)
    if n < 2:
        return None
    total = np.asarray(vectors, dtype=np.float64).sum(axis=0)
    return float(1 - (total @ total - n) / (n * (n - 1)))
