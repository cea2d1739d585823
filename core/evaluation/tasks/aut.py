"""Alternative uses: five original uses of an everyday object; objects as published with arXiv 2505.16245."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...jsonl import Record
from ...metrics.text import words
from ..parsing import bulleted_items, exact_list, lines_of, normal_form, numbered_items
from ..task import CIRCLES_RULE, Preset, Reading, Task, TaskMetric, goes_in_circles
from ..tools import Tools
from ..values import Vectors, distance_between, distances_to, mean, mean_distance

_ASKED = 5
_ITEMS, _LEAST_USES, _USE_WORDS = range(3, 11), 3, range(2, 31)


@dataclass(frozen=True, slots=True)
class Uses:
    """The uses that a response names.

    Attributes:
        texts: The different ones of 2 to 30 words among the first five.
        vectors: Theirs, [uses, d].
        origin: The object's, [d], or None where the record does not name it.
    """

    texts: tuple[str, ...]
    vectors: Vectors
    origin: Vectors | None


def strict(text: str) -> bool:
    """Whether a text is a list numbered 1 to 5 and nothing else."""
    return exact_list(text, _ASKED) is not None


def uses(text: str) -> tuple[str, ...] | None:
    """The different uses of 2 to 30 words among the first five items; None unless there are 3 to 10 items."""
    ways = (numbered_items, bulleted_items, lines_of)
    items = next((found for way in ways if len(found := way(text)) > 1), [])
    if len(items) not in _ITEMS:
        return None
    fitting = [item for item in items[:_ASKED] if len(words(item)) in _USE_WORDS]
    return tuple({normal_form(item): item for item in reversed(fitting)}.values())[::-1]


def read(records: Sequence[Record], tools: Tools) -> list[Reading]:
    """The uses in each response, with their vectors."""
    found = [uses(record["response"]) for record in records]
    objects = [_object(record) for record in records]
    texts = list(dict.fromkeys([*(text for own in found if own for text in own), *filter(None, objects)]))
    vectors = dict(zip(texts, np.asarray(tools.encode(texts), dtype=np.float64), strict=True)) if texts else {}
    readings = []
    for record, own, name in zip(records, found, objects, strict=True):
        value = None
        if own is not None:
            rows = np.stack([vectors[text] for text in own]) if own else np.zeros((0, 1))
            value = Uses(own, rows, vectors[name] if name else None)
        usable = own is not None and len(own) >= _LEAST_USES and not goes_in_circles(record["response"])
        readings.append(Reading(strict(record["response"]), value, usable))
    return readings


def _object(record: Record) -> str:
    name: Any = record.get("object")
    return name.strip() if isinstance(name, str) else ""


def use_distance(values: Sequence[Uses]) -> float | None:
    """Mean 1 - cos over pairs of uses from different responses.

    Range [0, 2], higher is more diverse. Null under 2 responses.
    """
    return distance_between([value.vectors for value in values])


def use_distance_within(values: Sequence[Uses]) -> float | None:
    """Mean 1 - cos over pairs of uses of one response, mean over responses.

    Range [0, 2], higher is more diverse. Null for no response.
    """
    return mean(mean_distance(value.vectors) for value in values)


def originality(values: Sequence[Uses]) -> float | None:
    """Mean 1 - cos of the object and a use, over all uses.

    Range [0, 2], higher is further from the object. Null where no object is known.
    """
    return mean(
        distance
        for value in values
        if value.origin is not None
        for distance in distances_to(value.origin, value.vectors)
    )


AUT = Task(
    name="aut",
    prompt_set="aut",
    criteria="aut",
    lines=True,
    prefill="1.",
    presets={
        "quick": Preset(8, 5, 160, 0.9, prefill=True),
        "standard": Preset(15, 10, 160),
        "paper": Preset(15, 10, 160),
    },
    headline="use_distance",
    metrics=("semantic_distance", "distinct_1", "distinct_2", "unique_share"),
    own=(
        TaskMetric(
            name="use_distance",
            direction="+",
            formula="mean 1 - cos over pairs of uses of one object from different responses; embedder {embedder}",
            value=lambda unit: use_distance(unit.values),
            null="under 2 usable responses",
            equal=True,
        ),
        TaskMetric(
            name="use_distance_within",
            direction="+",
            formula="mean 1 - cos over pairs of uses of one response, mean over responses; embedder {embedder}",
            value=lambda unit: use_distance_within(unit.values),
            null="no usable response",
        ),
        TaskMetric(
            name="originality",
            direction="+",
            formula="mean 1 - cos of the object and a use, over all uses: an offline stand-in for judged creativity; "
            "embedder {embedder}",
            value=lambda unit: originality(unit.values),
            null="no usable response, or none that names its object",
        ),
    ),
    read=read,
    parsing="3 to 10 items by numbers, bullets or line breaks, those beyond 5 ignored",
    usable_rule=f"3 or more different uses of 2 to 30 words, and {CIRCLES_RULE}",
)
