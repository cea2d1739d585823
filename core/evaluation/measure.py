"""Measures of runs: each set metric by prompt, then its mean, its interval, and what it changed from the baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import InputError
from ..jsonl import Record
from ..metrics.catalog import METRICS
from ..metrics.features import GroupFeatures, ResponseFeatures
from ..metrics.text import words
from .runs import Run
from .statistics import Comparison, Estimate, compare, estimate, headline_verdict, holm, noninferiority_verdict
from .task import Task

Embed = Callable[[list[str]], Any]
Units = dict[str, float | None]

# A length difference beyond this share of the baseline is flagged beside every diversity number.
_LENGTH_FLAG = 0.10
_USABLE_MARGIN = 0.05


@dataclass(frozen=True, slots=True)
class _Column:
    """One metric over the prompts of a run."""

    metric: str
    units: Units
    role: str
    direction: str
    definition: str


def measure_runs(
    task: Task, runs: Sequence[Run], baseline: Run | None, embed: Embed, embedder: str, seed: int
) -> list[Record]:
    """Measure records of every run, against the baseline where there is one.

    Args:
        task: Which metrics, and which is the headline.
        runs: What to measure; the baseline's own rows come out as well when it is among them.
        baseline: What to compare with.
        embed: Texts to vectors; called with distinct texts.
        embedder: Its name, for the definitions.
        seed: For resampling.

    Returns:
        Records as in the contract, in the order of runs and metrics; p-values adjusted over the headline rows.
    """
    records = []
    for run in runs:
        against = baseline if baseline is not None and baseline is not run else None
        mine, theirs = _cut_to_common(run, against)
        columns = _columns(task, mine, embed, embedder)
        base_columns = _columns(task, theirs, embed, embedder) if theirs is not None else None
        for place, column in enumerate(columns):
            other = base_columns[place] if base_columns is not None else None
            records.append(_record(task, mine, theirs, column, other, columns, base_columns, seed))
    return _adjusted(records)


def _cut_to_common(run: Run, baseline: Run | None) -> tuple[Run, Run | None]:
    """Both sides on their common prompts, and on each the lowest common number of samples: set metrics move with it."""
    if baseline is None:
        return run, None
    common = [prompt_id for prompt_id in sorted(run.responses) if prompt_id in baseline.responses]
    if not common:
        examples = (", ".join(sorted(side.responses)[:3]) for side in (run, baseline))
        raise InputError(run.name, f"no common prompts with {baseline.name}: " + " against ".join(examples))
    sizes = {p: min(len(run.responses[p]), len(baseline.responses[p])) for p in common}
    return tuple(  # type: ignore[return-value]
        replace(side, responses={p: side.responses[p][: sizes[p]] for p in common}) for side in (run, baseline)
    )


def _columns(task: Task, run: Run, embed: Embed, embedder: str) -> list[_Column]:
    groups = {
        prompt_id: GroupFeatures([ResponseFeatures(record, words) for record in records], embed)
        for prompt_id, records in run.responses.items()
    }
    columns = []
    for name in task.metrics:
        metric, function = METRICS[name], METRICS[name].load()
        units = {prompt_id: function(getattr(group, metric.takes)) for prompt_id, group in groups.items()}
        role = "headline" if name == task.headline else "detail"
        how = f"embedder {embedder}" if metric.takes == "embeddings" else "tokenizer word"
        definition = f"{name}: {metric.formula}; {how}; all responses of a prompt, then mean over prompts"
        columns.append(_Column(name, units, role, metric.direction, f"{definition}; {_direction(metric.direction)}"))
    return [*columns, _usable(task, run), _words(run)]


def _direction(sign: str) -> str:
    return {"+": "higher is more diverse", "-": "lower is more diverse"}[sign]


def _usable(task: Task, run: Run) -> _Column:
    rates: Units = {p: _mean([task.usable(record) for record in records]) for p, records in run.responses.items()}
    definition = f"usable_rate: share of responses that are usable ({task.usable_rule}); higher is better"
    return _Column("usable_rate", rates, "quality", "+", definition)


def _words(run: Run) -> _Column:
    lengths = {p: _mean([len(words(r["response"])) for r in records]) for p, records in run.responses.items()}
    definition = "words: mean number of words of a response; tokenizer word; no direction"
    return _Column("words", dict(lengths), "length", "0", definition)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _record(
    task: Task,
    run: Run,
    baseline: Run | None,
    column: _Column,
    other: _Column | None,
    columns: Sequence[_Column],
    base_columns: Sequence[_Column] | None,
    seed: int,
) -> Record:
    names = sorted(column.units)
    mine = [column.units[name] for name in names]
    found: Estimate | Comparison
    if other is None:
        found = estimate(mine, seed=seed, task=task.name)
    else:
        found = compare(mine, [other.units[name] for name in names], seed=seed, task=task.name)
    mean_words = _mean_words(columns)
    record: Record = {
        "task": task.name,
        "metric": column.metric,
        "value": found.value,
        "ci_low": found.ci_low,
        "ci_high": found.ci_high,
        "n_prompts": found.n_units,
        "n_responses": sum(map(len, run.responses.values())),
        "model": run.model,
        "run": run.name,
        "unit": "prompt",
        "n_units": found.n_units,
        "role": column.role,
        "direction": column.direction,
        "mean_words": mean_words,
        "note": found.note,
        "definition": f"{column.definition}; {_amount(run)}",
    }
    if isinstance(found, Comparison) and baseline is not None and base_columns is not None:
        record |= _against(found, baseline, column, mean_words, _mean_words(base_columns))
    return record


def _amount(run: Run) -> str:
    sizes = sorted({len(records) for records in run.responses.values()})
    each = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    return f"{len(run.responses)} prompts x {each} responses"


def _mean_words(columns: Sequence[_Column]) -> float:
    units = next(column.units for column in columns if column.metric == "words")
    return _mean([value for value in units.values() if value is not None])


def _against(found: Comparison, baseline: Run, column: _Column, mean_words: float, base_words: float) -> Record:
    """The comparison's keys of a measure record."""
    verdict = None
    if column.role == "quality":
        verdict = noninferiority_verdict(found.delta_ci_low, found.delta_ci_high, _USABLE_MARGIN)
    return {
        "baseline": baseline.name,
        "baseline_value": found.baseline_value,
        "delta": found.delta,
        "delta_ci_low": found.delta_ci_low,
        "delta_ci_high": found.delta_ci_high,
        "p_value": found.p_value,
        "detectable_delta": found.detectable_delta,
        "baseline_mean_words": base_words,
        "length_flag": abs(mean_words - base_words) > _LENGTH_FLAG * max(base_words, 1e-9),
        "verdict": verdict,
    }


def _adjusted(records: list[Record]) -> list[Record]:
    """Holm over the headline rows of the call, and their verdicts; detail rows stay exploratory."""
    headlines = [record for record in records if record["role"] == "headline" and "p_value" in record]
    for record, p in zip(headlines, holm([record["p_value"] for record in headlines]), strict=True):
        record["p_adjusted"] = p
        record["family_size"] = len(headlines)
        record["verdict"] = headline_verdict(p, record["delta"], record["direction"])
    return records
