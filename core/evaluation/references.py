"""Runs that say how to read a number: one response over and over, responses with nothing in common, and humans'."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np

from ..draws import generator
from ..errors import InputError
from ..jsonl import Record
from .runs import Run, read_run

IDENTICAL, UNRELATED, HUMAN = "[identical]", "[unrelated]", "[human]"
# One response by a human says nothing about how much humans differ.
_LEAST_HUMAN = 2
# Shuffling longer lists whole, once a prompt, would take longer than all metrics.
_MANY = 10_000


def base_of(pairs: Sequence[Sequence[Run]], *, compared: bool) -> int:
    """Which pair's last run made runs and humans stand beside, whatever the order of the runs.

    Args:
        pairs: Runs, each alone or before the baseline, on what both have.
        compared: The last one of each is the baseline: the one that least was cut from. Else it is the first run.
    """
    sizes = [sum(map(len, sides[-1].responses.values())) for sides in pairs]
    return sizes.index(max(sizes)) if compared else 0


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
    others = sorted(p for p, pool in pools.items() if pool)
    place = {p: own for own, p in enumerate(others)}
    found: dict[str, list[Record]] = {}
    for prompt_id, records in run.responses.items():
        own = place.get(prompt_id, len(others))
        numbers = generator(seed, "unrelated", prompt_id)
        # Places among the other prompts; from its own on, they stand one further.
        drawn = [others[at + (at >= own)] for at in _places(numbers, len(others) - (prompt_id in place), len(records))]
        found[prompt_id] = [pools[p][int(numbers.integers(len(pools[p])))] for p in drawn]
    return replace(run, name=UNRELATED, responses=found)


def _places(numbers: np.random.Generator, total: int, count: int) -> list[int]:
    """So many different places of a list, in the order of their draw; all of a shorter one."""
    if total <= _MANY:
        drawn = numbers.permutation(total)[:count]
    else:
        drawn = numbers.choice(total, size=min(count, total), replace=False)
    places: list[int] = drawn.tolist()
    return places


def dealt(run: Run, made: Sequence[Record]) -> Run:
    """Made responses dealt to the units of a run in their order, as many as each has."""
    rest = iter(made)
    responses = {p: [next(rest) for _ in records] for p, records in run.responses.items()}
    return replace(run, name=UNRELATED, responses=responses)


def human_beside(human: Run, run: Run, seed: int) -> tuple[Run, ...]:
    """Responses by humans, and as many of a run to each of the same prompts; nothing where they share no prompt.

    Prompts with fewer than 2 responses on either side are left out. Where there are more by humans than by the run,
    those that count are drawn; the run's are the first ones.

    Args:
        human: All responses by humans.
        run: All responses of the run.
        seed: Fixes the draws.
    """
    sizes = {p: min(len(own), len(run.responses.get(p, ()))) for p, own in human.responses.items()}
    sizes = {p: size for p, size in sorted(sizes.items()) if size >= _LEAST_HUMAN}
    if not sizes:
        return ()
    drawn: dict[str, list[Record]] = {}
    for prompt_id, size in sizes.items():
        order = generator(seed, "human", prompt_id).permutation(len(human.responses[prompt_id]))
        drawn[prompt_id] = [human.responses[prompt_id][place] for place in sorted(order[:size].tolist())]
    beside = {p: run.responses[p][:size] for p, size in sizes.items()}
    return replace(human, name=HUMAN, responses=drawn), replace(run, responses=beside)


def read_human(path: str, asked: Collection[str], *, skip_bad: bool = False) -> Run:
    """Responses by humans, some of which answer prompts of the call.

    Args:
        path: Response records.
        asked: The prompt_ids of the call.
        skip_bad: Count bad lines and go on.

    Raises:
        InputError: No such records, or no prompt with two of them is among those of the call.
    """
    human = read_run(HUMAN, path, skip_bad=skip_bad)
    enough = [p for p, records in human.responses.items() if len(records) >= _LEAST_HUMAN]
    if not enough:
        raise InputError(path, "no prompt has 2 responses or more by humans")
    if not set(enough) & set(asked):
        examples = " against ".join(", ".join(sorted(ids)[:3]) or "none" for ids in (enough, asked))
        raise InputError(
            path, f"no prompt with 2 responses or more by humans is asked: {examples}", "give both the same prompt_id"
        )
    return human
