"""How metrics of sets treat responses that are not usable: noise looks like diversity, and must not count as such.

Distances and shares of n-grams are taken over the usable responses. What counts different responses counts usable
ones, over all responses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..jsonl import Record
from ..metrics.registry import Metric
from .groups import Groups

Usable = Callable[[Record], bool]
_Count = Callable[[Groups, Metric, Sequence[Record], Sequence[Record]], Any]

# Under so many usable responses a set says nothing.
LEAST = 2


def _share(groups: Groups, metric: Metric, records: Sequence[Record], kept: Sequence[Record]) -> Any:
    """Of a share of different responses: the different usable ones over all."""
    if len(records) < LEAST:
        return None
    if len(kept) < LEAST:
        return len(kept) / len(records)
    return groups.value(metric, kept) * len(kept) / len(records)


def _number(groups: Groups, metric: Metric, records: Sequence[Record], kept: Sequence[Record]) -> Any:
    """Of a number of groups of responses: that of the usable ones."""
    return groups.value(metric, kept) if kept else 0


def _first(groups: Groups, metric: Metric, records: Sequence[Record], kept: Sequence[Record]) -> Any:
    """Of a number of groups among the first k responses: that of the usable ones among these."""
    function = groups.function(metric)
    assert isinstance(function, partial)
    k = function.keywords["k"]
    among = {id(record) for record in kept}
    first = [record for record in records[:k] if id(record) in among]
    if len(records) < k or not first:
        return None if len(records) < k else 0
    return groups.group(first).value(metric, partial(function.func, **{**function.keywords, "k": len(first)}))


# By the metric's function.
_COUNTS: dict[str, _Count] = {
    "ngrams:unique_share": _share,
    "ngrams:unique_first": _share,
    "semantic:semantic_clusters": _number,
    "novelty:distinct_k_nb": _first,
}


def rates_all(metric: Metric) -> bool:
    """Whether a metric is about all responses: it is no diversity metric, or its ratings tell what is usable."""
    return metric.direction == "0" or metric.takes == "rated_texts"


def counts(metric: Metric) -> bool:
    """Whether a metric of sets counts usable responses over all of them."""
    return metric.target in _COUNTS


def count(groups: Groups, metric: Metric, records: Sequence[Record], usable: Usable) -> Any:
    """A metric that counts, over the responses of one prompt.

    Args:
        groups: The responses with their features.
        metric: One for which `counts` holds.
        records: All responses, by sample index.
        usable: Which of them count.
    """
    return _COUNTS[metric.target](groups, metric, records, [record for record in records if usable(record)])
