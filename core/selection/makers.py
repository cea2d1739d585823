"""Which pairs a method makes of one prompt's responses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from ..draws import generator
from .criteria import Criterion
from .divpo import good_and_bad, matched, ranked
from .divpo_options import DivpoOptions
from .encoders import Encoders
from .funnel import Stage
from .marginal import marginal_values, near_equal_pairs
from .options import DeviationOptions, MarginalOptions, PoolOptions
from .pairing import best_winners, disjoint, every, unequal
from .pools import Floats, Pool
from .weighing import Weights

_WIDE_GAP = {"upvotes": 5.0}
_WIDE_SHARE = 0.25
_MOST_INVERTED = 256
_NO_GAP = "no gap"
_NO_RISE = "no rise at near-equal reward"


class Made(NamedTuple):
    """A pair: places of its sides in the pool, and the rise in what they were picked by."""

    chosen: int
    rejected: int
    gap: float


# A pool, the places that may be paired, its weights if there are any, the candidates' counts -> pairs, or why none.
Maker = Callable[[Pool, Sequence[int], Weights | None, Stage], "list[Made] | str"]


def pair_fault(pool: Pool, options: PoolOptions, one: int, other: int) -> str | None:
    """Why two responses make no pair, whatever the method; None where they do."""
    if pool.texts[one] == pool.texts[other]:
        return "equal texts"
    if options.length_tolerance is None:
        return None
    apart = abs(_length(pool, one, options) - _length(pool, other, options))
    return (
        f"over {options.length_tolerance:g} {options.length_unit} apart" if apart > options.length_tolerance else None
    )


def _length(pool: Pool, place: int, options: PoolOptions) -> float:
    response = pool.responses[place]
    if options.length_unit == "tokens":
        return float(response.record["n_tokens"])
    return len(response.words) if options.length_unit == "words" else len(response.text.strip())


def _passing(pool: Pool, options: PoolOptions, pairs: Sequence[tuple[int, int]], stage: Stage) -> list[tuple[int, int]]:
    stage.enter(len(pairs))
    kept = []
    for pair in pairs:
        fault = pair_fault(pool, options, *pair)
        if fault:
            stage.drop(fault)
        else:
            kept.append(pair)
    return kept


class ByReward:
    """Pairs of unequal reward, drawn at random."""

    def __init__(self, options: DeviationOptions, reward: Callable[[], str | None]) -> None:
        self._options, self._reward = options, reward

    def __call__(self, pool: Pool, places: Sequence[int], weights: Weights | None, stage: Stage) -> list[Made] | str:
        """The pairs of a prompt."""
        options, rewards = self._options, pool.rewards.tolist()
        known = [rewards[place] for place in places]
        if max(known) == min(known):
            return _NO_GAP
        pairs = [(places[i], places[j]) for i, j in unequal(known)]
        pairs = _passing(pool, options, pairs, stage)
        draw = generator(options.seed, "pairing", pool.prompt_id)
        taken = every(pairs, draw) if options.pairing == "all" else disjoint(pairs, rewards, self._wide(known), draw)
        best = best_winners(taken, rewards, options.pairs)
        stage.drop("not drawn, or beyond --pairs", len(pairs) - len(best))
        return [Made(i, j, rewards[i] - rewards[j]) for i, j in best] or "every candidate dropped"

    def _wide(self, rewards: Sequence[float]) -> float:
        if self._options.min_gap is not None:
            return self._options.min_gap
        return _WIDE_GAP.get(self._reward() or "", _WIDE_SHARE * (max(rewards) - min(rewards)))


class Extremes:
    """DivPO: the most diverse of the good against the least diverse of the bad."""

    def __init__(self, options: DivpoOptions, criterion: Criterion) -> None:
        self._options, self._criterion = options, criterion

    def __call__(self, pool: Pool, places: Sequence[int], weights: Weights | None, stage: Stage) -> list[Made] | str:
        """The pairs of a prompt."""
        options, rewards = self._options, pool.rewards
        tied = float(np.ptp(rewards[list(places)])) == 0
        if tied and not options.allow_ties:
            return _NO_GAP
        good, bad = self._sets(rewards[list(places)])
        best, worst = [places[i] for i in good], [places[i] for i in bad]
        winners, losers, values = self._ordered(pool, best, worst, weights)
        if not winners or not losers:
            return "a set is empty"
        made: list[Made] = []
        for i, j in self._matched(pool, winners, losers):
            stage.enter()
            fault = pair_fault(pool, options, i, j)
            if not fault and rewards[i] <= rewards[j] and not tied:
                fault = "the reward does not rise"
            if fault:
                stage.drop(fault)
            else:
                made.append(Made(i, j, float(values[i] - values[j])))
        return made or "no pair of the two sets passes"

    def _matched(self, pool: Pool, winners: list[int], losers: list[int]) -> list[tuple[int, int]]:
        most = self._options.most_pairs
        if self._options.preset:
            losers = generator(self._options.seed, "matching", pool.prompt_id).permutation(losers[:most]).tolist()
        return list(islice(matched(winners, losers), most))

    def _sets(self, rewards: Floats) -> tuple[list[int], list[int]]:
        if self._options.preset:
            return good_and_bad(rewards, 0.25, "rank", least=2)
        return good_and_bad(rewards, self._options.rho, self._options.rho_mode)

    def _ordered(
        self, pool: Pool, best: list[int], worst: list[int], weights: Weights | None
    ) -> tuple[list[int], list[int], Floats]:
        ties = generator(self._options.seed, "ties", pool.prompt_id).random(len(pool))
        if self._options.recomputes:
            of_best, of_worst = (self._criterion.of(pool, places, None) for places in (best, worst))
            values = np.where(np.isnan(of_worst), of_best, of_worst)
            return ranked(best, of_best, ties, most=True), ranked(worst, of_worst, ties, most=False), values
        if self._options.diversity == "judge":
            return self._criterion.judged(pool, best, worst, ties)
        values = self._criterion.of(pool, range(len(pool)), weights)
        return ranked(best, values, ties, most=True), ranked(worst, values, ties, most=False), values


class NearEqual:
    """Near-equal reward, and the chosen says more that the others do not."""

    def __init__(self, options: MarginalOptions, encoders: Encoders) -> None:
        self._options, self._encoders = options, encoders

    def __call__(self, pool: Pool, places: Sequence[int], weights: Weights | None, stage: Stage) -> list[Made] | str:
        """The pairs of a prompt."""
        options = self._options
        value = self._values(pool)
        places = [place for place in places if place in value]
        if not places:
            return _NO_RISE
        values = np.array([value[place] for place in places])
        near = near_equal_pairs(pool.rewards[places], values, options.quality_gap, options.min_margin)
        pairs = _passing(pool, options, [(places[i], places[j]) for i, j in near], stage)
        used: set[int] = set()
        made: list[Made] = []
        for i, j in pairs:
            if len(made) < (options.pairs or 1) and i not in used and j not in used:
                used |= {i, j}
                made.append(Made(i, j, value[i] - value[j]))
        stage.drop("a better one of its prompt", len(pairs) - len(made))
        return made or _NO_RISE

    def _values(self, pool: Pool) -> dict[int, float]:
        """The marginal value by place, over the whole pool: a response without a reward says what it says too."""
        places = list(range(len(pool)))
        if len(places) > _MOST_INVERTED:
            draw = generator(self._options.seed, "sample", pool.prompt_id)
            places = sorted(draw.choice(places, size=_MOST_INVERTED, replace=False).tolist())
        values = marginal_values(self._encoders.vectors([pool.responses[place].text for place in places]))
        return dict(zip(places, values.tolist(), strict=True))
