"""Which metrics `eval` computes: the task's, or those that the user names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ..errors import UsageError, unknown_name
from ..metrics.catalog import ALIASES, METRICS
from ..metrics.registry import Metric
from ..metrics.supplies import Sources
from .task import Task, TaskMetric

ALL = "all"
# What only `score` asks: a call costs money, and the answers must stay with the responses.
_ASKED_BY_SCORE = frozenset({"reward_logit", "ratings"})
# They hold every n-gram of the run, so that `all` leaves them to whoever names them.
_ONLY_BY_NAME = "ngrams:CorpusDistinct"
_FROM_LANGUAGE_MODEL = frozenset({"next_tokens", "token_logprobs", "token_logprobs_and_text"})


@dataclass(frozen=True, slots=True)
class Measures:
    """What is measured of a task.

    Attributes:
        metrics: Metrics of the catalog, in the order asked for.
        skipped: Members of `all` whose needs are not met, each with what is missing.
        own: The task's own metrics that the user named; None where none of any task is named.
    """

    metrics: list[Metric]
    skipped: dict[str, str]
    own: frozenset[str] | None = None


def choose_measures(
    names: Sequence[str] | None,
    task: Task,
    sources: Sources,
    quality_model: str | None,
    tasks: Sequence[Task] = (),
) -> Measures:
    """The metrics behind names, and what `all` had to leave out.

    Args:
        names: As the user wrote them: any metric of the catalog or of what the task read, or `all` for every one of
            whole sets and runs whose needs are met; None for the task's usual ones.
        task: The task.
        sources: Where models and tables are.
        quality_model: Language model that the user named, or None.
        tasks: All tasks of the call: a name that only another one knows is left to it.

    Raises:
        UsageError: An unknown name, or a metric whose needs are not met.
    """
    if names is None:
        return Measures([METRICS[name] for name in task.metrics], {})
    if not names:
        raise UsageError("no metric named; see divtool metrics")
    of_tasks = {metric.name for one in (task, *tasks) for metric in one.own}
    own = of_tasks.intersection(names)
    chosen: dict[str, Metric] = {}
    skipped: dict[str, str] = {}
    for name in names:
        if name == ALL:
            _take_all(chosen, skipped, sources, quality_model)
        elif name not in own:
            metric = _named(ALIASES.get(name, name), of_tasks)
            if missing := _missing(metric, quality_model):
                raise UsageError(f"the metric {name}: {missing}")
            chosen[metric.name] = metric
    chosen.pop("words", None)  # The length row stands in every table.
    left_out = {name: why for name, why in skipped.items() if name not in chosen}
    return Measures(list(chosen.values()), left_out, frozenset(own) if own else None)


def headline(task: Task, metrics: Sequence[Metric]) -> str | None:
    """The metric of the verdict: the task's, else the first one with units and a direction; None without such."""
    names = [metric.name for metric in metrics if metric.direction != "0" and metric.level != "run"]
    return task.headline if task.headline in names else next(iter(names), None)


def own_measures(task: Task, metrics: Sequence[Metric], named: Collection[str] | None) -> Sequence[TaskMetric]:
    """The task's own metrics that are named, and its headline.

    Where none is named: all, but without the headline among them only beside all of the task's others.

    Args:
        task: The task.
        metrics: Metrics of the catalog that are computed.
        named: The own metrics that the user named, or None.
    """
    if named is not None:
        return [metric for metric in task.own if metric.name in {*named, task.headline}]
    return task.own if task.leads_itself or set(task.metrics) <= {metric.name for metric in metrics} else ()


def variants(task: Task, metrics: Sequence[Metric]) -> list[Metric]:
    """The task's variants of metrics that are computed."""
    targets = {metric.target for metric in metrics}
    return [metric for metric in task.variants if metric.target in targets]


def _take_all(chosen: dict[str, Metric], skipped: dict[str, str], sources: Sources, quality_model: str | None) -> None:
    for metric in METRICS.values():
        if metric.level in ("set", "run") and metric.target != _ONLY_BY_NAME:
            missing = _missing(metric, quality_model) or sources.unmet(metric)
            if missing:
                skipped[metric.name] = missing
            else:
                chosen[metric.name] = metric


def _named(name: str, of_tasks: Iterable[str]) -> Metric:
    if name.startswith("dd_"):
        raise UsageError(f"'{name}' comes with --deciles FILE, for every metric of that map")
    if name not in METRICS:
        known = [ALL, *(metric for metric in METRICS if not metric.startswith("dd_")), *sorted(of_tasks)]
        raise unknown_name("metric", name, known)
    return METRICS[name]


def _missing(metric: Metric, quality_model: str | None) -> str | None:
    """What this command lacks for a metric."""
    if metric.takes in _ASKED_BY_SCORE:
        return f"it is divtool score --metrics {metric.name} that computes it"
    if metric.takes in _FROM_LANGUAGE_MODEL and quality_model is None:
        return "name a --quality-model"
    return None
