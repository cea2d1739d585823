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
        bar: What is held against the run's quantile of quality, oriented.
    """

    chosen: Response
    rejected: Response
    dlen: float = 0.0
    gaps: tuple[float, ...] = ()
    bar: float = 0.0


# A prompt's clean responses in the order of (sample_index, turn) -> its candidates.
Proposer = Callable[[Sequence[Response], SelectOptions, Needs], list[Proposed]]


def rise(name: str, sign: int, chosen: Response, rejected: Response) -> float | None:
    """By how much a score rises from rejected to chosen, after orientation; None where one is null."""
    high, low = chosen.score(name), rejected.score(name)
    return None if high is None or low is None else sign * high - sign * low


def no_partner(clean: Sequence[Response]) -> str | None:
    """Why a prompt cannot give a pair whatever the method, or None."""
    if len(clean) < 2:
        return "no partner"
    return "identical" if all(response.words == clean[0].words for response in clean) else None


def by_turns(clean: Sequence[Response], options: SelectOptions, needs: Needs) -> list[Proposed]:
    """Pairs of a later turn with a first one, or of any two responses, as the orientation says."""
    if options.orientation == "any":
        return [_oriented(one, other, needs) for one, other in combinations(clean, 2)]
    own = options.pairing == "own"
    firsts = [response for response in clean if response.turn == 1]
    laters = [response for response in clean if response.turn > 1]
    pairs = [(later, first) for first in firsts for later in laters if not own or first.index == later.index]
    if options.orientation == "second":
        return [Proposed(later, first) for later, first in pairs]
    return [_oriented(later, first, needs) for later, first in pairs]


def _oriented(one: Response, other: Response, needs: Needs) -> Proposed:
    """The more diverse by the first metric is the chosen one; the rules ask the other metrics."""
    name = needs.diversity[0]
    gap = rise(name, diversity_sign(name), one, other)
    return Proposed(one, other) if gap is None or gap >= 0 else Proposed(other, one)


def best_and_worst(clean: Sequence[Response], options: SelectOptions, needs: Needs) -> list[Proposed]:
    """The best and the worst by quality, ties by the lower sample_index; nothing where all are tied."""
    name = needs.quality
    assert name is not None, "the recipe demands a quality score"
    sign = quality_sign(name)
    rated = [(sign * value, response) for response in clean if (value := response.score(name)) is not None]
    if not rated:
        return []
    # max and min both take the first of equals.
    best, worst = max(rated, key=lambda item: item[0]), min(rated, key=lambda item: item[0])
    return [Proposed(best[1], worst[1], gaps=(best[0] - worst[0],))] if best[0] > worst[0] else []


def at_random(clean: Sequence[Response], options: SelectOptions, needs: Needs) -> list[Proposed]:
    """Two different texts in random order, drawn by (seed, prompt_id)."""
    texts = list({tuple(response.words): response for response in reversed(clean)}.values())[::-1]
    numbers = generator(options.seed, "random", texts[0].record["prompt_id"])
    one, other = numbers.choice(len(texts), size=2, replace=False)
    return [Proposed(texts[one], texts[other])]


# How candidates are proposed, and what it means if there is none.
PROPOSALS: dict[str, tuple[Proposer, str]] = {
    "turns": (by_turns, "no partner"),
    "best-worst": (best_and_worst, "all tied in quality"),
    "random": (at_random, "no partner"),
}
