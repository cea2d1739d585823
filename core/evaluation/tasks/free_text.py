"""What tasks of free text share: how a response is read, and what is shown of a whole run."""

from __future__ import annotations

from collections import Counter

from ...jsonl import Record
from ...metrics.text import words
from ..task import CIRCLES_RULE, Reading, Tally, TaskMetric, finished, goes_in_circles

USABLE_RULE = f"holds a word, and {CIRCLES_RULE}"


def usable(record: Record) -> bool:
    """Whether a response holds a word and, from 20 words on, does not repeat itself."""
    return bool(words(record["response"])) and not goes_in_circles(record["response"])


def parse(record: Record) -> Reading:
    """A response as it stands: strictly read where it is finished, not read where it is empty."""
    text = record["response"]
    if not words(text):
        return Reading(strict=False)
    return Reading(finished(record), text, usable(record))


def _opening(text: str) -> str:
    return " ".join(words(text)[:2])


def largest_share(counts: Counter[str]) -> float | None:
    """Share of the most frequent key. Range (0, 1], lower is more diverse. Null where nothing was counted."""
    return max(counts.values()) / counts.total() if counts else None


OPENING_SHARE = TaskMetric(
    name="opening_share_run",
    direction="-",
    formula="share of the most frequent two-word opening, over the usable responses of the whole run; one number "
    "without an interval",
    tally=Tally(_opening, largest_share),
    null="no usable response",
    level="run",
)
