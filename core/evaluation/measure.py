"""Measures of runs: each set metric by prompt, then its mean, its interval, and what it changed from the baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import InputError
from ..jsonl import Record
from ..metrics.catalog import METRICS
from ..metrics.features import GroupFeatures, ResponseFeatures
from ..metrics.text import truncate_words, words
from .runs import Run
from .statistics import Comparison, Estimate, compare, estimate, headline_verdict, holm, noninferiority_verdict
from .task import Task

Embed = Callable[[list[str]], Any]
Units = dict[str, float | None]

# A length difference beyond this share of the baseline is flagged beside every diversity number.
_LENGTH_FLAG = 0.10
_USABLE_MARGIN = 0.05
# Truncated twins keep so many words that this share of all texts is left out, and never fewer than five.
_TRUNCATION_QUANTILE, _LEAST_TRUNCATION = 0.10, 5


@dataclass(frozen=True, slots=True)
class _Column:
    """One metric over the prompts of a run."""

    metric: str
    units: Units
    role: str
    direction: str
    definition: str


@dataclass(frozen=True, slots=True)
class _Side:
    """A run with its columns; `mean_words` is that of its whole texts, also where the columns are of truncated ones."""

    run: Run
    columns: list[_Column]
    mean_words: float


@dataclass(frozen=True, slots=True)
class Measurer:
    """Measures runs of one task.

    Attributes:
        task: Which metrics, and which is the headline.
        embed: Texts to vectors; called with distinct texts.
        embedder: Its name, for the definitions.
        seed: For resampling.
    """

    task: Task
    embed: Embed
    embedder: str
    seed: int = 0

    def measure(self, runs: Sequence[Run], baseline: Run | None) -> list[Record]:
        """Measure records as in the contract, in the order of runs and metrics.

        Every set metric stands there for whole texts and, named `_trunc`, for texts cut to one number of words.
        P-values are adjusted over the headline rows of the call.

        Args:
            runs: What to measure; the baseline's own rows come out as well when it is among them.
            baseline: What to compare with, or None.

        Raises:
            InputError: A run and the baseline share no prompt.
        """
        limit = _truncation([*runs, *([baseline] if baseline is not None else [])])
        records = []
        for run in runs:
            sides = [run] if baseline is None or baseline is run else [run, baseline]
            whole = [self._whole(side) for side in _common(sides)]
            records += self._records(whole)
            records += self._records(self._truncated(whole, limit))
        return _adjusted(records)

    def _whole(self, run: Run) -> _Side:
        lengths = {p: _mean([len(words(r["response"])) for r in group]) for p, group in run.responses.items()}
        columns = [*self._set_columns(run), _usable(self.task, run), _words(lengths)]
        return _Side(run, columns, _mean(list(lengths.values())))

    def _truncated(self, whole: Sequence[_Side], limit: int) -> list[_Side]:
        """The sides with every text cut to `limit` words, shorter ones left out; nothing where no prompt is left."""
        try:
            cut = _common([_cut(side.run, limit) for side in whole])
        except InputError:
            return []
        sides = []
        flagged = len(whole) == 2 and _length_flag(whole[0].mean_words, whole[1].mean_words)
        for side, run in zip(whole, cut, strict=True):
            left_out = _size(side.run) - _size(run)
            how = f"texts cut to {limit} words, {left_out} responses left out for it"
            columns = [
                replace(
                    column,
                    metric=f"{column.metric}_trunc",
                    role=column.role if flagged else "detail",
                    definition=f"{column.definition}; {how}",
                )
                for column in self._set_columns(run)
            ]
            sides.append(_Side(run, columns, side.mean_words))
        return sides

    def _set_columns(self, run: Run) -> list[_Column]:
        groups = {
            prompt_id: GroupFeatures([ResponseFeatures(record, words) for record in records], self.embed)
            for prompt_id, records in run.responses.items()
        }
        columns = []
        for name in self.task.metrics:
            metric, function = METRICS[name], METRICS[name].load()
            units = {prompt_id: function(getattr(group, metric.takes)) for prompt_id, group in groups.items()}
            role = "headline" if name == self.task.headline else "detail"
            how = f"embedder {self.embedder}" if metric.takes == "embeddings" else "tokenizer word"
            way = {"+": "higher is more diverse", "-": "lower is more diverse"}[metric.direction]
            definition = f"{name}: {metric.formula}; {how}; all responses of a prompt, then mean over prompts; {way}"
            columns.append(_Column(name, units, role, metric.direction, definition))
        return columns

    def _records(self, sides: Sequence[_Side]) -> list[Record]:
        if not sides:
            return []
        side, other = sides[0], sides[1] if len(sides) == 2 else None
        return [
            self._record(side, column, other, other.columns[place] if other else None)
            for place, column in enumerate(side.columns)
        ]

    def _record(self, side: _Side, column: _Column, other: _Side | None, against: _Column | None) -> Record:
        names = sorted(column.units)
        values = [column.units[name] for name in names]
        found: Estimate | Comparison
        if against is None:
            found = estimate(values, seed=self.seed, task=self.task.name)
        else:
            found = compare(values, [against.units[n] for n in names], seed=self.seed, task=self.task.name)
        record: Record = {
            "task": self.task.name,
            "metric": column.metric,
            "value": found.value,
            "ci_low": found.ci_low,
            "ci_high": found.ci_high,
            "n_prompts": found.n_units,
            "n_responses": _size(side.run),
            "model": side.run.model,
            "run": side.run.name,
            "unit": "prompt",
            "n_units": found.n_units,
            "role": column.role,
            "direction": column.direction,
            "mean_words": side.mean_words,
            "note": found.note,
            "definition": f"{column.definition}; {_amount(side.run)}",
        }
        if isinstance(found, Comparison) and other is not None:
            record |= _against(found, column, side, other)
        return record


def _common(sides: Sequence[Run]) -> list[Run]:
    """The sides on their common prompts, and on each the lowest common number of samples: set metrics move with it."""
    common = sorted(set.intersection(*(set(side.responses) for side in sides)))
    if not common:
        examples = " against ".join(", ".join(sorted(side.responses)[:3]) or "none" for side in sides)
        raise InputError(sides[0].name, f"no common prompts with {sides[-1].name}: {examples}")
    sizes = {p: min(len(side.responses[p]) for side in sides) for p in common}
    return [replace(side, responses={p: side.responses[p][: sizes[p]] for p in common}) for side in sides]


def _truncation(runs: Sequence[Run]) -> int:
    """How many words the truncated twins keep, one number for the call."""
    lengths = [len(words(r["response"])) for run in runs for group in run.responses.values() for r in group]
    return max(_LEAST_TRUNCATION, int(np.quantile(lengths, _TRUNCATION_QUANTILE)))


def _cut(run: Run, limit: int) -> Run:
    responses: dict[str, list[Record]] = {}
    for prompt_id, records in run.responses.items():
        for record in records:
            text = truncate_words(record["response"], limit)
            if text is not None:
                responses.setdefault(prompt_id, []).append({**record, "response": text})
    return replace(run, responses=responses)


def _usable(task: Task, run: Run) -> _Column:
    rates: Units = {p: _mean([task.usable(record) for record in records]) for p, records in run.responses.items()}
    definition = f"usable_rate: share of responses that are usable ({task.usable_rule}); higher is better"
    return _Column("usable_rate", rates, "quality", "+", definition)


def _words(lengths: dict[str, float]) -> _Column:
    definition = "words: mean number of words of a response; tokenizer word; no direction"
    return _Column("words", dict(lengths), "length", "0", definition)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _size(run: Run) -> int:
    return sum(map(len, run.responses.values()))


def _amount(run: Run) -> str:
    sizes = sorted({len(records) for records in run.responses.values()})
    each = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    return f"{len(run.responses)} prompts x {each} responses"


def _length_flag(mean_words: float, base_words: float) -> bool:
    return abs(mean_words - base_words) > _LENGTH_FLAG * max(base_words, 1e-9)


def _against(found: Comparison, column: _Column, side: _Side, baseline: _Side) -> Record:
    """The comparison's keys of a measure record."""
    verdict = None
    if column.role == "quality":
        verdict = noninferiority_verdict(found.delta_ci_low, found.delta_ci_high, _USABLE_MARGIN)
    return {
        "baseline": baseline.run.name,
        "baseline_value": found.baseline_value,
        "delta": found.delta,
        "delta_ci_low": found.delta_ci_low,
        "delta_ci_high": found.delta_ci_high,
        "p_value": found.p_value,
        "detectable_delta": found.detectable_delta,
        "baseline_mean_words": baseline.mean_words,
        "length_flag": _length_flag(side.mean_words, baseline.mean_words),
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
