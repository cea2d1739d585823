"""What a call will draw from models and ask a judge, counted before it does either."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from ..errors import InputError, UsageError
from ..judging.docket import Docket, Price
from .collection import Collection
from .judged import docket, form_docket
from .quality import Quality, score
from .references import base_of, human_beside
from .runs import Run, SamplePlan
from .sides import paired
from .task import Task


def dockets(tasks: Iterable[Task], found: Collection, seed: int) -> list[Docket]:
    """All that a judge would be asked about the tasks, as `Measurer.measured` asks it.

    Args:
        tasks: The tasks of the call.
        found: Their responses.
        seed: Of the call.
    """
    there = [task for task in tasks if task.name not in found.refused and task.name not in found.failed]
    made = []
    for task in there:
        if task.criteria is None and task.asked is None:
            continue
        runs, baseline = found.of(task.name)
        every = [*runs, *([baseline] if baseline is not None else [])]
        # Runs that have nothing in common are told of where they are measured.
        with suppress(InputError):
            sides = paired(every, baseline)
            base = sides[base_of(sides, compared=baseline is not None)][-1]
            people = human_beside(found.human, base, seed) if found.human is not None else ()
            alone = [*found.swept(task.name), *people[:1]]
            compared = [*sides, *([run] for run in alone)]
            if task.criteria is not None:
                made.append(docket(task.criteria, compared))
            if task.asked is not None:
                made.append(form_docket(task.asked, compared))
    return made


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call costs.

    Attributes:
        drawn: Responses that models will be asked for at most; those that are there already count as well.
        price: Calls of the judge; at most so many where responses are still to be drawn. None without a judge.
    """

    drawn: int
    price: Price | None


def cost(quality: Quality, tasks: Sequence[Task], found: Collection, plan: SamplePlan) -> Cost:
    """What a call costs, before models are sampled, whose responses are taken to differ from one another.

    Args:
        quality: What measures of quality are made of.
        tasks: The tasks of the call.
        found: The responses of files.
        plan: How models are sampled.
    """
    found = replace(found, runs=dict(found.runs))
    drawn = _pretend(found, tasks, plan)
    return Cost(drawn, price(quality, tasks, found, plan.seed))


def price(quality: Quality, tasks: Iterable[Task], found: Collection, seed: int) -> Price | None:
    """What the judge of a call costs once all responses are there; None without a judge.

    Args:
        quality: What measures of quality are made of.
        tasks: The tasks of the call.
        found: Their responses.
        seed: Of the call.
    """
    return quality.bench.price(dockets(tasks, found, seed)) if quality.bench is not None else None


def _pretend(found: Collection, tasks: Sequence[Task], plan: SamplePlan) -> int:
    """Put made responses in the place of those that models will give, and count these."""
    total = 0
    for source in {source.origin: source for source in found.lineup.every if source.model is not None}.values():
        for task in tasks:
            if task.name in found.refused:
                continue
            own = plan.of(source)
            total += own.total(task)
            if task.criteria is not None or task.asked is not None:
                found.runs[source.origin, task.name] = _made(f"{source.origin}", task, own)
    return total


def _made(name: str, task: Task, plan: SamplePlan) -> Run:
    """A run whose responses all differ."""
    samples = range(plan.each(task))
    responses = {
        row.data["prompt_id"]: [{**row.data, "sample_index": n, "response": f"{name} {n}"} for n in samples]
        for row in plan.rows(task)
    }
    return Run(name, name, responses)


def check_scores(keys: Sequence[str], tasks: Iterable[Task], found: Collection) -> None:
    """Look for the scores of records that are measures of quality.

    Args:
        keys: Names of the scores.
        tasks: The tasks of the call.
        found: The responses of files.

    Raises:
        UsageError: No record of a run holds a number under one of them.
    """
    judged = {task.name for task in tasks if task.criteria is not None}
    for (_, task), run in found.runs.items():
        for key in keys if task in judged else ():
            if all(score(record, key) is None for records in run.responses.values() for record in records):
                raise no_score(key, run.name)


def no_score(key: str, name: str) -> UsageError:
    """What is said of a run whose records have no such number among their scores."""
    return UsageError(f"--quality scores.{key}: no response of {name} has such a number; divtool score makes it")
