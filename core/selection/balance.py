"""Which candidate of each prompt, and which prompts, so that the chosen are not longer or shorter on average."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# The mean difference in length that balance and trim accept, as a share of the audit's limit.
BALANCED_SHARE = 0.25
_BISECTIONS = 60
_DOUBLINGS = 30
_MOST_TRIMMED = 0.25


@dataclass(frozen=True, slots=True)
class Candidates:
    """Candidate pairs that passed every rule, as columns.

    Attributes:
        prompt: Number of the prompt, [candidates].
        rank: Rank of each candidate's prompt_id among all, for ties.
        chosen: sample_index of the chosen response.
        rejected: sample_index of the rejected response.
        chosen_place: Place of the chosen response in its group.
        rejected_place: Place of the rejected response in its group.
        dlen: Length of the chosen minus that of the rejected.
        gap: Mean scaled rise in diversity.
    """

    prompt: Ints
    rank: Ints
    chosen: Ints
    rejected: Ints
    chosen_place: Ints
    rejected_place: Ints
    dlen: Floats
    gap: Floats

    def __len__(self) -> int:
        return len(self.prompt)


def choose(candidates: Candidates, pairs: int, per_prompt: int, multiplier: float) -> Ints:
    """The best candidates by gap - multiplier * dlen: so many a prompt, so many in all, best first.

    Ties go to the smaller |dlen|, then to the lower sample_index; between prompts to the lower prompt_id.
    """
    value = candidates.gap - multiplier * candidates.dlen
    order = np.lexsort((candidates.rejected, candidates.chosen, np.abs(candidates.dlen), -value))
    if per_prompt == 1:
        _, first = np.unique(candidates.prompt[order], return_index=True)
        best = order[first]
    else:
        best = _several(candidates, order, per_prompt)
    ranked = best[np.lexsort((candidates.rank[best], -value[best]))]
    return ranked[:pairs]


def _several(candidates: Candidates, order: Ints, per_prompt: int) -> Ints:
    """The first so many candidates a prompt in which no response occurs twice."""
    used: dict[int, set[int]] = {}
    taken: dict[int, int] = {}
    best = []
    for place in order.tolist():
        prompt = int(candidates.prompt[place])
        both = {int(candidates.chosen_place[place]), int(candidates.rejected_place[place])}
        if taken.get(prompt, 0) < per_prompt and both.isdisjoint(used.setdefault(prompt, set())):
            used[prompt] |= both
            taken[prompt] = taken.get(prompt, 0) + 1
            best.append(place)
    return np.array(best, dtype=np.int64)


def balanced(candidates: Candidates, pairs: int, per_prompt: int, tolerance: float, limit: float) -> tuple[Ints, float]:
    """The choice whose mean dlen is within `limit` of zero, and the multiplier that gave it.

    The mean cannot rise with the multiplier, since each choice maximises a score that is linear in it; so the
    multiplier is found by bisection. Where no multiplier reaches the limit, the nearest mean is taken.

    Args:
        candidates: What to choose from.
        pairs: Most pairs.
        per_prompt: Most pairs a prompt.
        tolerance: Largest |dlen| among the candidates; sets the first step.
        limit: The mean to reach.
    """
    start = _Choice.at(candidates, pairs, per_prompt, 0.0)
    if abs(start.mean) <= limit or tolerance <= 0:
        return start.picked, 0.0
    inner, outer = start, _Choice.at(candidates, pairs, per_prompt, float(np.sign(start.mean)) / tolerance)
    for _ in range(_DOUBLINGS):
        if outer.mean * start.mean <= 0:
            break
        inner, outer = outer, _Choice.at(candidates, pairs, per_prompt, 2 * outer.multiplier)
    nearest = min(inner, outer, key=lambda choice: abs(choice.mean))
    for _ in range(_BISECTIONS if outer.mean * start.mean <= 0 else 0):
        if abs(nearest.mean) <= limit:
            break
        middle = _Choice.at(candidates, pairs, per_prompt, (inner.multiplier + outer.multiplier) / 2)
        nearest = min(nearest, middle, key=lambda choice: abs(choice.mean))
        inner, outer = (middle, outer) if middle.mean * start.mean > 0 else (inner, middle)
    return nearest.picked, nearest.multiplier


@dataclass(frozen=True, slots=True)
class _Choice:
    """What one multiplier chooses."""

    multiplier: float
    picked: Ints
    mean: float

    @classmethod
    def at(cls, candidates: Candidates, pairs: int, per_prompt: int, multiplier: float) -> _Choice:
        picked = choose(candidates, pairs, per_prompt, multiplier)
        return cls(multiplier, picked, float(candidates.dlen[picked].mean()) if len(picked) else 0.0)


def trimmed(dlen: Floats, gap: Floats, limit: float) -> NDArray[Any]:
    """Which pairs stay once the worst of the offending sign are gone, at most a quarter of them, as a mask.

    Args:
        dlen: Length differences, [pairs].
        gap: Rises in diversity; of equal dlen the smallest goes first.
        limit: The |mean dlen| to reach.
    """
    keep = np.ones(len(dlen), dtype=bool)
    for _ in range(int(_MOST_TRIMMED * len(dlen))):
        mean = dlen[keep].mean()
        if abs(mean) <= limit:
            break
        places = np.flatnonzero(keep)
        worst = places[np.lexsort((gap[places], -np.sign(mean) * dlen[places]))[0]]
        if dlen[worst] * mean <= 0:
            break
        keep[worst] = False
    return keep
