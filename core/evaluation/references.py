"""Made runs that say how to read a number: one response over and over, and responses that have nothing in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..draws import generator
from ..jsonl import Record
from .runs import Run

IDENTICAL, UNRELATED = "[identical]", "[unrelated]"


def identical(run: Run, usable: Callable[[Record], bool]) -> Run:
    """Every unit's first usable response as often as the unit has responses: the floor.

    Args:
        run: All responses; a unit without a usable one is left out.
        usable: Which of them are usable.
    """
    first = {p: next(filter(usable, records), None) for p, records in run.responses.items()}
    responses = {p: [one] * len(run.responses[p]) for p, one in first.items() if one is not None}
    return replace(run, name=IDENTICAL, responses=responses)


def unrelated(run: Run, usable: Callable[[Record], bool], seed: int) -> Run:
    """For each prompt as many usable responses to other prompts, each of another one: the off-topic ceiling.

    Above it a run is not better, but off the topic. With fewer other prompts than responses, there are fewer.

    Args:
        run: All responses.
        usable: Which of them may be drawn.
        seed: Fixes the draws.
    """
    pools = {p: [record for record in records if usable(record)] for p, records in run.responses.items()}
    found: dict[str, list[Record]] = {}
    for prompt_id, records in run.responses.items():
        others = [p for p, pool in sorted(pools.items()) if pool and p != prompt_id]
        numbers = generator(seed, "unrelated", prompt_id)
        drawn = [others[int(place)] for place in numbers.permutation(len(others))[: len(records)]]
        found[prompt_id] = [pools[p][int(numbers.integers(len(pools[p])))] for p in drawn]
    return replace(run, name=UNRELATED, responses=found)


def dealt(run: Run, made: Sequence[Record]) -> Run:
    """Made responses dealt to the units of a run in their order, as many as each has."""
    rest = iter(made)
    responses = {p: [next(rest) for _ in records] for p, records in run.responses.items()}
    return replace(run, name=UNRELATED, responses=responses)
