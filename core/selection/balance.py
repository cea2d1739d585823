"""Which candidate of each prompt, and which prompts, so that the chosen are not longer or shorter on average."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from .exact import ExactSum

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
    gap: Floats

    def __len__(self) -> int:
        return len(self.prompt)

    def take(self, places: Ints | NDArray[np.bool_]) -> Candidates:
        """Some of them."""
        return Candidates(*(getattr(self, column.name)[places] for column in fields(self)))

    def behind(self, others: Candidates) -> Candidates:
        """Others, and these behind them."""
        columns = (column.name for column in fields(self))
        return Candidates(*(np.concatenate([getattr(others, name), getattr(self, name)]) for name in columns))


Blocks = Callable[[], Iterable[Candidates]]


class Pool:
    """All candidates of a run, of which one block is in memory at a time.

    Args:
        blocks: Gives the candidates, those of one prompt together; called once for each choice. What their `gap` holds
            is not looked at.
    """

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._size, self._longest = 0, 0.0
        self._spread = self._measured()

    def __len__(self) -> int:
        return self._size

    def _measured(self) -> Floats:
        """What each metric's rises are divided by, [metrics]; sums are exact, so that no order of blocks is told."""
        sums: list[ExactSum] = []
        largest: Floats = np.zeros(0)
        for block in self._blocks():
            sums = sums or [ExactSum() for _ in range(block.gaps.shape[1])]
            self._size += len(block)
            self._longest = max(self._longest, float(np.abs(block.dlen).max(initial=0.0)))
            largest = np.maximum(largest if len(largest) else 0.0, np.abs(block.gaps).max(axis=0, initial=0.0))
            for total, column in zip(sums, block.gaps.T, strict=True):
                total.add(column)
        means = [total.over(self._size) for total in sums]
        squares = [ExactSum() for _ in sums]
        for block in self._blocks():
            for total, mean, column in zip(squares, means, block.gaps.T, strict=True):
                total.add((column - mean) ** 2)
        spread = np.sqrt([total.over(self._size) for total in squares])
        return np.where(spread > _NO_SPREAD * largest, spread, 1.0) if sums else np.zeros(0)

    def scaled(self) -> Iterator[Candidates]:
        """The blocks, with the gap of each candidate."""
        for block in self._blocks():
            gap = (block.gaps / self._spread).mean(axis=1) if block.gaps.size else np.zeros(len(block))
            yield replace(block, gap=gap)

    def best(self, pairs: int, per_prompt: int, multiplier: float) -> Candidates:
        """The best candidates by gap - multiplier * dlen: so many a prompt, so many in all, best first.

        Ties go to the smaller |dlen|, then to the lower sample_index; between prompts to the lower prompt_id.
        """
        found: Candidates | None = None
        for block in self.scaled():
            own = block.take(choose(block, pairs, per_prompt, multiplier))
            found = own if found is None else _ranked(own.behind(found), pairs, multiplier)
        return found if found is not None else _NONE

    def balanced(self, pairs: int, per_prompt: int, tolerance: float, limit: float) -> tuple[Candidates, float]:
        """The choice whose mean dlen is within `limit` of zero, and the multiplier that gave it.

        The mean cannot rise with the multiplier, since each choice maximises a score that is linear in it; so the
        multiplier is found by bisection. Where no multiplier reaches the limit, the one with the nearest mean is taken.

        Args:
            pairs: Most pairs.
            per_prompt: Most pairs a prompt.
            tolerance: Largest |dlen| that is allowed; sets the first step.
            limit: The mean to reach.
        """

        def at(multiplier: float) -> _Choice:
            picked = self.best(pairs, per_prompt, multiplier)
            return _Choice(multiplier, picked, float(picked.dlen.mean()) if len(picked) else 0.0)

        start = at(0.0)
        if abs(start.mean) <= limit:
            return start.picked, 0.0
        # The tolerance may be infinite, the candidates' differences are not.
        step = 1 / min(tolerance, self._longest)
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


def choose(candidates: Candidates, pairs: int, per_prompt: int, multiplier: float) -> Ints:
    """Of candidates that are all in memory, the places of those that `Pool.best` takes."""
    value = candidates.gap - multiplier * candidates.dlen
    order = np.lexsort((candidates.rejected, candidates.chosen, np.abs(candidates.dlen), -value))
    if per_prompt == 1:
        _, first = np.unique(candidates.prompt[order], return_index=True)
        best = order[first]
    else:
        best = _several(candidates, order, per_prompt)
    ranked = best[np.lexsort((candidates.rank[best], -value[best]))]
    return ranked[:pairs]


def _ranked(best: Candidates, pairs: int, multiplier: float) -> Candidates:
    """The first so many, those of a prompt being chosen already."""
    order = np.lexsort((best.rank, multiplier * best.dlen - best.gap))
    return best.take(order[:pairs])


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


@dataclass(frozen=True, slots=True)
class _Choice:
    """What one multiplier chooses."""

    multiplier: float
    picked: Candidates
    mean: float


def _off_zero(choice: _Choice) -> float:
    return abs(choice.mean)


_NO_PLACES, _NO_NUMBERS = np.empty(0, dtype=np.int64), np.empty(0)
_NONE = Candidates(_NO_PLACES, _NO_PLACES, _NO_PLACES, _NO_PLACES, _NO_NUMBERS, np.empty((0, 0)), _NO_NUMBERS)


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
