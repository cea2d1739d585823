"""Which candidate of each prompt, and which prompts, so that the chosen are not longer or shorter on average."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# The mean difference in length that balance and trim accept, as a share of the audit's limit.
BALANCED_SHARE = 0.25
_BISECTIONS = 60
_DOUBLINGS = 30
_MOST_TRIMMED = 0.25
# A spread so small against the gaps is rounding.
_NO_SPREAD = 1e-9


@dataclass(frozen=True, slots=True)
class Candidates:
    """Candidate pairs that passed every rule, as columns.

    Attributes:
        prompt: Number of the prompt, [candidates].
        rank: Rank of each candidate's prompt_id among all, for ties.
        chosen: Place of the chosen response in its group, which is in the order of (sample_index, turn).
        rejected: Place of the rejected response.
        dlen: Length of the chosen minus that of the rejected.
        gaps: Raw rise of each diversity metric, [candidates, metrics].
        gap: Mean over the metrics of the rise in standard deviations; 0 without metrics.
    """

    prompt: Ints
    rank: Ints
    chosen: Ints
    rejected: Ints
    dlen: Floats
    gaps: Floats
    gap: Floats = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "gap", _scaled(self.gaps))

    def __len__(self) -> int:
        return len(self.prompt)


def _scaled(gaps: Floats) -> Floats:
    if not gaps.size:
        return np.zeros(len(gaps))
    spread = gaps.std(axis=0)
    told = spread > _NO_SPREAD * np.abs(gaps).max(axis=0)
    scaled: Floats = (gaps / np.where(told, spread, 1.0)).mean(axis=1)
    return scaled


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
    left, best = order, [np.empty(0, dtype=np.int64)]
    while len(left) and len(best) <= per_prompt:
        # The first that is left of each prompt; then all go that share a response with it.
        _, first, prompt = np.unique(candidates.prompt[left], return_index=True, return_inverse=True)
        best.append(left[first])
        one, other = candidates.chosen[best[-1]][prompt], candidates.rejected[best[-1]][prompt]
        chosen, rejected = candidates.chosen[left], candidates.rejected[left]
        left = left[(chosen != one) & (chosen != other) & (rejected != one) & (rejected != other)]
    return np.concatenate(best)


def balanced(candidates: Candidates, pairs: int, per_prompt: int, tolerance: float, limit: float) -> tuple[Ints, float]:
    """The choice whose mean dlen is within `limit` of zero, and the multiplier that gave it.

    The mean cannot rise with the multiplier, since each choice maximises a score that is linear in it; so the
    multiplier is found by bisection. Where no multiplier reaches the limit, the one with the nearest mean is taken.

    Args:
        candidates: What to choose from.
        pairs: Most pairs.
        per_prompt: Most pairs a prompt.
        tolerance: Largest |dlen| that is allowed; sets the first step.
        limit: The mean to reach.
    """

    def at(multiplier: float) -> _Choice:
        picked = choose(candidates, pairs, per_prompt, multiplier)
        return _Choice(multiplier, picked, float(candidates.dlen[picked].mean()) if len(picked) else 0.0)

    start = at(0.0)
    if abs(start.mean) <= limit:
        return start.picked, 0.0
    # The tolerance may be infinite, the candidates' differences are not.
    step = 1 / min(tolerance, float(np.abs(candidates.dlen).max()))
    inner, outer = start, at(float(np.copysign(step, start.mean)))
    for _ in range(_DOUBLINGS):
        if outer.mean * start.mean <= 0:
            break
        inner, outer = outer, at(2 * outer.multiplier)
    # Of equal means the first: where nothing helps, the multiplier stays 0.
    nearest = min(start, inner, outer, key=_off_zero)
    for _ in range(_BISECTIONS if outer.mean * start.mean <= 0 else 0):
        if abs(nearest.mean) <= limit:
            break
        middle = at((inner.multiplier + outer.multiplier) / 2)
        nearest = min(nearest, middle, key=_off_zero)
        inner, outer = (middle, outer) if middle.mean * start.mean > 0 else (inner, middle)
    return nearest.picked, nearest.multiplier


@dataclass(frozen=True, slots=True)
class _Choice:
    """What one multiplier chooses."""

    multiplier: float
    picked: Ints
    mean: float


def _off_zero(choice: _Choice) -> float:
    return abs(choice.mean)


def trimmed(dlen: Floats, gap: Floats, limit: float) -> NDArray[np.bool_]:
    """Which pairs stay once the worst of the offending sign are gone, at most a quarter of them, as a mask.

    Args:
        dlen: Length differences, [pairs].
        gap: Rises in diversity; of equal dlen the smallest goes first.
        limit: The |mean dlen| to reach.
    """
    keep = np.ones(len(dlen), dtype=bool)
    # Each side's worst first; the two never meet, since only differences of its own sign leave a side.
    longest, shortest = iter(np.lexsort((gap, -dlen))), iter(np.lexsort((gap, dlen)))
    total, left = float(dlen.sum()), len(dlen)
    for _ in range(int(_MOST_TRIMMED * len(dlen))):
        if abs(total) <= limit * left:
            break
        worst = next(longest if total > 0 else shortest)
        keep[worst] = False
        total, left = total - float(dlen[worst]), left - 1
    return keep
