"""Samples of fixed size: of a stream, and of the responses to a prompt."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from ..jsonl import Record
from .text import Excerpt, as_number, count, excerpt

SAMPLE_RESPONSES = 3  # responses kept of a prompt, a run


@dataclass(slots=True)
class Reservoir:
    """A uniform sample of fixed size from a stream (algorithm R), the same for the same stream.

    Attributes:
        size: How many items are kept.
        seen: How many came by.
        items: The sample.
    """

    size: int
    seen: int = 0
    items: list[Any] = field(default_factory=list)
    _rng: random.Random = field(default_factory=lambda: random.Random(0))

    def slot(self) -> int | None:
        """The place of the next item, or None where it is not kept; the caller then need not build it."""
        self.seen += 1
        if len(self.items) < self.size:
            self.items.append(None)
            return len(self.items) - 1
        place = self._rng.randrange(self.seen)
        return place if place < self.size else None


@dataclass(slots=True)
class PromptExample:
    """A prompt with a few responses of each run, by sample index and turn."""

    prompt: Excerpt
    responses: dict[str, dict[tuple[float, float], Excerpt]] = field(default_factory=lambda: defaultdict(dict))

    def keep(self, record: Record, label: str, text: str) -> None:
        """Keep a response of a run where it is one of its first."""
        kept = self.responses[label]
        index = as_number(record.get("sample_index"))
        kept[(len(kept) if index is None else index, as_number(record.get("turn")) or 1)] = excerpt(text)
        if len(kept) > SAMPLE_RESPONSES:
            del kept[max(kept)]

    def numbered(self, run: str) -> list[tuple[str, Excerpt]]:
        """The responses of a run, each with its number in words."""
        return [(f"sample {count(index)}", text) for (index, _), text in sorted(self.responses[run].items())]
