"""Measures of quality beside the usable rate and rewards: a judge, scores of the records, a likelihood."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from ..errors import require_extra
from ..jsonl import Record
from ..judging.open import open_judge
from ..metrics.features import Lookup
from ..metrics.supplies import Announce, Supply, chat_and_text, open_language_model
from ..models.options import LoadOptions
from .columns import Column
from .judged import Bench, Ratings, rate, recorded
from .judged_columns import failed_column, mean_column, rating_column, win_columns
from .quality_options import LOGPROB, UNDER_BASELINE, QualityOptions, direction
from .runs import Run
from .sources import Source
from .task import Task

_NO_QUALITY = "falls when diversity rises; not a quality measure"
_TOO_LONG = "too long for the model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What measures of quality are made of, opened.

    Attributes:
        options: What the user asked for.
        bench: The judge, or None.
        likelihood: Mean log-probabilities of responses under the baseline, or None.
    """

    options: QualityOptions = field(default_factory=QualityOptions)
    bench: Bench | None = None
    likelihood: Supply | None = None

    def opinions(self, task: Task, records: Sequence[Record], *, rated: bool | None = None) -> Opinions:
        """What there is to say of the responses to a task.

        Args:
            task: The task.
            records: All of its responses, of every run.
            rated: Where they are a part of a run, whether all of its records have ratings; else None.
        """
        ratings = recorded(records, part=rated is not None) if rated is not False else None
        if task.criteria is None:
            return Opinions(self, None, ratings)
        if ratings is None and self.bench is not None:
            ratings = rate(self.bench, records, task.criteria)
        likelihood = self.likelihood.prepare(records) if self.likelihood is not None else None
        return Opinions(self, task.criteria, ratings, likelihood)


class Opinions:
    """The measures of quality of the responses to one task.

    Args:
        quality: What they are made of.
        criteria: What a judge goes by; None for a task whose quality is its usable rate.
        ratings: What each response is worth, or None where nobody said it.
        likelihood: A record's mean log-probability under the baseline, or None.

    Attributes:
        ratings: Likewise.
    """

    def __init__(
        self,
        quality: Quality,
        criteria: str | None,
        ratings: Ratings | None,
        likelihood: Lookup | None = None,
    ) -> None:
        self._quality, self._criteria = quality, criteria
        self.ratings = ratings
        self._likelihood = likelihood

    @property
    def leads(self) -> bool:
        """Whether there is a measure of quality that stands before the usable rate."""
        return self._criteria is not None and (self.ratings is not None or bool(self._quality.options.keys))

    @property
    def error(self) -> Exception | None:
        """Why the judge could not be asked, where it had to be."""
        bench = self._quality.bench
        if bench is None or bench.failure is None or self._criteria is None:
            return None
        return bench.lacking("all other rows of the task are written")

    def columns(self, sides: Sequence[Run]) -> list[list[Column]]:
        """The columns of a run, alone or beside its baseline's."""
        if self._criteria is None:
            return [[] for _ in sides]
        bench = self._quality.bench
        found = [self._rated(side) for side in sides]
        if bench is not None and len(sides) > 1:
            wins = win_columns(bench, sides[0], sides[1], self._criteria)
            found = [[*own, *more] for own, more in zip(found, wins, strict=True)]
        return [[*own, *self._measured(side)] for own, side in zip(found, sides, strict=True)]

    def _rated(self, run: Run) -> list[Column]:
        if self.ratings is not None:
            return [rating_column(run, self.ratings)]
        return [failed_column(self._quality.bench, run)] if self._quality.bench is not None else []

    def _measured(self, run: Run) -> list[Column]:
        """What no judge is needed for."""
        options = self._quality.options
        columns = []
        for key in options.keys:
            values = {p: [score(record, key) for record in records] for p, records in run.responses.items()}
            columns.append(
                mean_column(
                    key, values, f"{key}: scores.{key} of the records", null="no such score", direction=direction(key)
                )
            )
        if self._likelihood is not None:
            columns.append(
                mean_column(
                    UNDER_BASELINE,
                    _values(run, self._likelihood),
                    f"{UNDER_BASELINE}: mean natural-log probability of a response's tokens under the baseline, given "
                    f"the prompt; {_NO_QUALITY}",
                    null=f"no token, or {_TOO_LONG}",
                    direction="0",
                    role="detail",
                )
            )
        return columns


def _values(run: Run, lookup: Lookup) -> dict[str, list[float | None]]:
    return {p: [lookup(record) for record in records] for p, records in run.responses.items()}


def score(record: Mapping[str, Any], key: str) -> float | None:
    """A number among the scores of a record; None where there is none."""
    scores = record.get("scores")
    value: Any = scores.get(key) if isinstance(scores, dict) else None
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if number else None


def open_quality(options: QualityOptions, baseline: Source | None, loading: LoadOptions, announce: Announce) -> Quality:
    """Get ready to ask the judge; the baseline is loaded at the first use, after any sampling.

    Args:
        options: What the user asked for.
        baseline: What the runs are compared with, or None.
        loading: How models are loaded.
        announce: Hears what takes long.

    Raises:
        DivtoolError: Something cannot be loaded or reached.
    """
    likelihood = None
    if LOGPROB in options.names and baseline is not None:
        likelihood = _likelihood(baseline, loading, announce).remembering()
    return Quality(
        options=options,
        bench=Bench(open_judge(options.judge, announce), options.judge) if options.judge is not None else None,
        likelihood=likelihood,
    )


def _likelihood(source: Source, loading: LoadOptions, announce: Announce) -> Supply:
    """The mean log-probability of responses under a model, loaded at the first use, after any sampling."""
    require_extra("torch", "models")
    own = replace(loading, adapter=source.adapter)
    opened = cache(lambda: open_language_model(str(source.model), own, announce))

    def compute(keys: list[Any]) -> list[float | None]:
        from ..models.likelihood import response_logprobs

        return [float(own.mean(dtype="float64")) if own.size else None for own in response_logprobs(opened(), keys)]

    return Supply(chat_and_text, compute)
