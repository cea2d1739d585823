"""Any responses: whatever was sampled, with as many prompts as there are."""

from __future__ import annotations

from ...jsonl import Record
from ...metrics.lexical import within_distinct
from ...metrics.text import words
from ..task import Task

# The shares of distinct 4-grams under which a text of so many words only goes round in circles.
_LONG, _LEAST_DISTINCT = 20, 0.80


def usable(record: Record) -> bool:
    """Whether a response holds a word and, from 20 words on, does not repeat itself."""
    own = words(record["response"])
    if len(own) < _LONG:
        return bool(own)
    return (within_distinct(own, k=4) or 0.0) >= _LEAST_DISTINCT


POOL = Task(
    name="pool",
    headline="semantic_distance",
    metrics=(
        "semantic_distance",
        "vendi",
        "distinct_1",
        "distinct_2",
        "distinct_3",
        "distinct_4",
        "self_bleu",
        "homogenization_rougel",
        "set_compression_ratio",
        "style_distance",
        "unique_share",
    ),
    usable=usable,
    usable_rule="holds a word, and within_distinct_4 >= 0.80 where it has 20 words or more",
)
