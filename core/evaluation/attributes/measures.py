"""Entropy, number of classes and largest class of attributes, from the counts of a whole run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..pooled import Floats, Key, Measure, Pooling
from ..task import TaskMetric, Unit
from .lexicon import ATTRIBUTES

_LESS = "higher is less concentrated"


def entropies(counts: Floats) -> Floats:
    """Plug-in entropy -sum p log2 p of counts, [..., classes]. Range [0, log2 n] bits; nan without a count."""
    n = counts.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = counts / n
        terms = np.where(counts > 0, -p * np.log2(p), 0.0)
    return np.asarray(np.where(n[..., 0] > 0, np.maximum(terms.sum(axis=-1), 0.0), np.nan))


def entropies_mm(counts: Floats) -> Floats:
    """The same + (K - 1) / (2 n ln 2), K = classes seen, which corrects the bias of small samples (Miller 1955)."""
    n = np.maximum(counts.sum(axis=-1), 1.0)
    return np.asarray(entropies(counts) + ((counts > 0).sum(axis=-1) - 1) / (2 * n * math.log(2)))


def mean_entropy(counts: Floats, keys: Sequence[Key]) -> Floats:
    """The mean of `entropies_mm` over the attributes that have values. Range >= 0 bits.

    Args:
        counts: Shape [..., keys], at least one of them above 0 in each row.
        keys: An attribute and a class each.
    """
    names = sorted({name for name, _ in keys})
    places = [[place for place, (own, _) in enumerate(keys) if own == name] for name in names]
    return np.asarray(np.nanmean(np.stack([entropies_mm(counts[..., own]) for own in places]), axis=0))


def attribute_metrics() -> tuple[TaskMetric, ...]:
    """The mean entropy, then for each attribute the share that states it, its entropies, classes and largest class."""
    whole = TaskMetric(
        name="attribute_entropy",
        direction="+",
        formula="mean of field_entropy_mm over the attributes that are stated, in bits; attributes by {reader}; "
        f"{_LESS}",
        null="no attribute is stated",
        pooled=Pooling(lambda value: value.items(), mean_entropy, "attributes"),
    )
    return (whole, *(metric for name in ATTRIBUTES for metric in _of(name)))


# Name, formula, direction, function of counts, what is shown beside.
_OF_COUNTS: tuple[tuple[str, str, Any, Measure, Any], ...] = (
    (
        "field_entropy_mm",
        "plug-in entropy + (K - 1) / (2 n ln 2), in bits, K = classes seen",
        "+",
        lambda counts, _: entropies_mm(counts),
        "counts",
    ),
    ("field_entropy", "plug-in entropy -sum p log2 p, in bits", "+", lambda counts, _: entropies(counts), ""),
    ("field_top_share", "share of the most frequent class", "-", lambda counts, _: _top_shares(counts), "top"),
)


def _of(name: str) -> list[TaskMetric]:
    stated = TaskMetric(
        name=f"field_stated_{name}",
        direction="0",
        formula=f"share of responses whose {name} is stated, by {{reader}}",
        value=lambda unit: _stated(unit, name),
        null="no response",
    )
    return [stated, *(_pooled(name, *row) for row in _OF_COUNTS)]


def _pooled(name: str, metric: str, formula: str, direction: Any, measure: Measure, shown: Any) -> TaskMetric:
    reads = f"{'higher' if direction == '+' else 'lower'} is less concentrated"
    return TaskMetric(
        name=f"{metric}_{name}",
        direction=direction,
        formula=f"{formula}, of {name} over the responses that state it, by {{reader}}; {reads}",
        null=f"no {name} is stated",
        pooled=Pooling(lambda value: _only(value, name), measure, shown),
    )


def _only(value: Mapping[str, str], name: str) -> list[Key]:
    return [(name, value[name])] if name in value else []


def _stated(unit: Unit, name: str) -> float | None:
    return sum(name in value for value in unit.values) / unit.total if unit.total else None


def _top_shares(counts: Floats) -> Floats:
    """Share of the largest count. Range [0, 1], lower is less concentrated."""
    return np.asarray(counts.max(axis=-1) / counts.sum(axis=-1))
