"""Which pairs of a prompt's clean responses are candidates at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

from ..draws import generator
from .clean import Response
from .needs import Needs
from .recipe import SelectOptions, diversity_sign, quality_sign


@dataclass(slots=True)
class Proposed:
    """A candidate pair on its way through the rules.

    Attributes:
        chosen: The response to prefer.
        rejected: The other one.
        dlen: Length of the chosen minus that of the rejected.
        gaps: Rise of each diversity score, oriented.
        gate: What the run's quality quantile is held against, oriented.
    """

    chosen: Response
    rejected: Response
    dlen: float = 0.0
    gaps: tuple[float, ...] = ()
    gate: float = 0.0


def rise(name: str, sign: int, chosen: Response, rejected: Response) -> float | None:
    """By how much a score rises from rejected to chosen, after orientation; None where one is null."""
    values = (chosen.score(name), rejected.score(name))
    return None if values[0] is None or values[1] is None else sign * (values[0] - values[1])


def no_partner(clean: Sequence[Response], options: SelectOptions, by_turns: bool) -> str | None:
    """Why a prompt cannot give a pair, or None."""
    needs_turns = by_turns and options.orientation != "any"
    if len(clean) < 2 or (needs_turns and len({min(response.turn, 2) for response in clean}) < 2):
        return "no partner"
    return "identical" if len({tuple(response.words) for response in clean}) == 1 else None


def by_turns(clean: Sequence[Response], options: SelectOptions, needs: Needs) -> list[Proposed]:
    """Pairs of a later turn with a first one, or of any two responses, as the orientation says."""
    if options.orientation == "any":
        return [_oriented(a, b, needs) for a, b in combinations(_in_order(clean), 2)]
    own = options.pairing == "own"
    firsts = [response for response in clean if response.turn == 1]
    laters = [response for response in clean if response.turn > 1]
    pairs = [(b, a) for a in firsts for b in laters if not own or a.index == b.index]
    if options.orientation == "second":
        return [Proposed(later, first) for later, first in pairs]
    return [_oriented(later, first, needs) for later, first in pairs]


def _oriented(one: Response, other: Response, needs: Needs) -> Proposed:
    """The more diverse by the first metric is the chosen one."""
    name = needs.diversity[0]
    gap = rise(name, diversity_sign(name), one, other)
    return Proposed(one, other) if gap is None or gap >= 0 else Proposed(other, one)


def best_and_worst(clean: Sequence[Response], options: SelectOptions, needs: Needs) -> list[Proposed]:
    """The best and the worst by quality, ties by the lower sample_index; nothing where all are tied."""
    name = needs.quality
    assert name is not None, "the recipe demands a quality score"
    sign = quality_sign(name)
    rated = [(sign * value, response) for response in _in_order(clean) if (value := response.score(name)) is not None]
    if not rated:
        return []
    # max and min both take the first of equals.
    best, worst = max(rated, key=lambda item: item[0]), min(rated, key=lambda item: item[0])
    return [Proposed(best[1], worst[1], gaps=(best[0] - worst[0],))] if best[0] > worst[0] else []


def at_random(clean: Sequence[Response], options: SelectOptions, needs: Needs) -> list[Proposed]:
    """Two distinct responses in random order, drawn by (seed, prompt_id)."""
    ordered = _in_order(clean)
    numbers = generator(options.seed, "random", ordered[0].record["prompt_id"])
    one, other = numbers.choice(len(ordered), size=2, replace=False)
    return [Proposed(ordered[one], ordered[other])]


def _in_order(clean: Sequence[Response]) -> list[Response]:
    """By sample index and turn, so that the order of the input's lines plays no part."""
    return sorted(clean, key=lambda response: (response.index, response.turn))


PROPOSALS: dict[str, Callable[[Sequence[Response], SelectOptions, Needs], list[Proposed]]] = {
    "turns": by_turns,
    "best-worst": best_and_worst,
    "random": at_random,
}
