"""The responses of a call with their features and values: each is made once, for all metrics, runs and comparisons."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from ..jsonl import Record
from ..metrics.catalog import METRICS
from ..metrics.features import GroupFeatures, Lookup, ResponseFeatures
from ..metrics.registry import Metric
from ..metrics.supplies import Supply
from ..metrics.text import Tokenizer

Embed = Callable[[list[str]], Any]
Rate = Callable[[Record], float | None]
_RATED = "rated_texts"
# Records of a run to what a metric of whole runs takes of each, one at a time.
Feed = Callable[[Sequence[Record]], Iterable[Any]]


class PromptGroup(GroupFeatures):
    """The responses of one prompt, with what metrics gave for them.

    Args:
        responses: By ``sample_index``.
        embed: See `GroupFeatures`.
        style_embed: Likewise.
        ratings: Likewise.
    """

    def __init__(
        self,
        responses: Sequence[ResponseFeatures],
        embed: Embed | None,
        style_embed: Embed | None,
        ratings: Sequence[float | None],
    ) -> None:
        read = [rating for rating in ratings if rating is not None]
        super().__init__(responses, embed, style_embed, read)
        self._rated = len(read) == len(ratings)
        self._values: dict[str, Any] = {}

    def value(self, metric: Metric, function: Callable[[Any], Any]) -> Any:
        """What a metric gives: one value for level ``set``, else one for each response."""
        if metric.name not in self._values:
            found: Any
            if metric.takes == _RATED and not self._rated:
                found = None
            elif metric.level == "response":
                found = [function(response.get(metric.takes)) for response in self.responses]
            else:
                found = function(self.get(metric.takes))
            self._values[metric.name] = found
        return self._values[metric.name]


class Groups:
    """Groups of records that are known by their identity: the records must outlive it.

    Args:
        tokenize: Text to words.
        settings: Settings of metrics that differ from the usual ones.
        supplied: Supplied features of the records.
        embed: Sentence vectors of their texts, or None.
        style_embed: Style vectors of their texts, or None for ``style-lite``.
        rate: What a record is worth, 1 to 10; where one of a prompt is None, metrics of what texts are worth are too.
    """

    def __init__(
        self,
        tokenize: Tokenizer,
        settings: Mapping[str, Any],
        supplied: Mapping[str, Lookup],
        embed: Embed | None,
        style_embed: Embed | None,
        rate: Rate,
    ) -> None:
        self._tokenize, self._settings, self._supplied = tokenize, settings, supplied
        self._embed, self._style_embed, self._rate = embed, style_embed, rate
        self._responses: dict[int, ResponseFeatures] = {}
        self._groups: dict[tuple[int, ...], PromptGroup] = {}
        self._functions: dict[str, Callable[..., Any]] = {}
        self._totals: dict[tuple[str, tuple[int, ...]], float | None] = {}

    def response(self, record: Record) -> ResponseFeatures:
        """The features of a record."""
        if id(record) not in self._responses:
            self._responses[id(record)] = ResponseFeatures(record, self._tokenize, self._supplied)
        return self._responses[id(record)]

    def group(self, records: Sequence[Record]) -> PromptGroup:
        """The features of the responses of one prompt."""
        key = tuple(map(id, records))
        if key not in self._groups:
            responses = [self.response(record) for record in records]
            ratings = [self._rate(record) for record in records]
            self._groups[key] = PromptGroup(responses, self._embed, self._style_embed, ratings)
        return self._groups[key]

    def function(self, metric: Metric) -> Callable[..., Any]:
        """The metric as a function, with the settings of the run; a task's variant of a metric keeps its own."""
        if metric.name not in self._functions:
            self._functions[metric.name] = metric.load(self._settings if metric.name in METRICS else {})
        return self._functions[metric.name]

    def value(self, metric: Metric, records: Sequence[Record]) -> Any:
        """What a metric gives for the responses of one prompt."""
        return self.group(records).value(metric, self.function(metric))

    def total(self, metric: Metric, records: Sequence[Record], feed: Feed | None) -> float | None:
        """What a metric of level ``run`` gives for all these records.

        Args:
            metric: The metric; its function makes something that is fed by ``add`` and read by ``value``.
            records: The responses of a run.
            feed: Where its feature is streamed from; None takes it from the features of each response.
        """
        key = metric.name, tuple(map(id, records))
        if key not in self._totals:
            total = self.function(metric)()
            for feature in feed(records) if feed else (self.response(record).get(metric.takes) for record in records):
                total.add(feature)
            self._totals[key] = total.value()
        return self._totals[key]


def supplied_lookup(supply: Supply, records: Sequence[Record]) -> Lookup:
    """The supplied feature of a record; all records are prepared together, when the first one is asked for."""
    prepared = cache(lambda: supply.prepare(records))
    return lambda record: prepared()(record)


def text_vectors(supply: Supply | None, records: Sequence[Record]) -> Embed | None:
    """Vectors of texts [n, d] that stand in the records, likewise."""
    if supply is None:
        return None
    lookup = supplied_lookup(supply, [record for record in records if record["response"].strip()])
    return lambda texts: np.stack([lookup({"response": text}) for text in texts])
