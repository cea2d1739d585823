"""What the report keeps of Diversity Deciles: how many responses lie in each tenth, and the mean of every prompt."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .text import as_number

TENTHS = 10
PREFIX = "dd_"
_COLUMNS = 60  # of a run


@dataclass(slots=True)
class Deciles:
    """The deciles of one score of one run.

    Attributes:
        tenths: Responses in each; one that stands between two by a tie counts half in each.
        nulls: Responses without a decile.
        sums: Sums of the deciles, by the place of the prompt.
        counts: How many there are, likewise.
    """

    tenths: list[float] = field(default_factory=lambda: [0.0] * TENTHS)
    nulls: int = 0
    sums: array[float] = field(default_factory=lambda: array("d"))
    counts: array[int] = field(default_factory=lambda: array("q"))

    @property
    def n(self) -> int:
        """Responses with a decile."""
        return sum(self.counts)

    def add(self, place: int, value: float) -> None:
        """Take in the decile of a response to a prompt."""
        lower = int(value)
        beyond = value - lower
        self.tenths[lower - 1] += 1 - beyond
        if beyond:
            self.tenths[lower] += beyond
        lacking = place + 1 - len(self.sums)
        if lacking > 0:
            self.sums.extend([0.0] * lacking)
            self.counts.extend([0] * lacking)
        self.sums[place] += value
        self.counts[place] += 1


@dataclass(slots=True)
class RunDeciles:
    """The deciles of a run by score.

    Attributes:
        scores: By name, ``dd_mean`` among them.
        prompts: Places by hash of the prompt.
    """

    scores: dict[str, Deciles] = field(default_factory=dict)
    prompts: dict[int, int] = field(default_factory=dict)

    def add(self, prompt: int, given: Mapping[str, Any]) -> None:
        """Take in the scores of a response; those that are no deciles are left alone."""
        own = [name for name in given if name.startswith(PREFIX)]
        if not own:
            return
        place = self.prompts.setdefault(prompt, len(self.prompts))
        for name in own:
            if name not in self.scores and len(self.scores) >= _COLUMNS:
                continue
            found = self.scores.setdefault(name, Deciles())
            value = as_number(given[name])
            if value is None or not 1 <= value <= TENTHS:
                found.nulls += 1
            else:
                found.add(place, value)

    def by_prompt(self, name: str) -> dict[int, float]:
        """Mean decile of each prompt that has one."""
        found = self.scores.get(name)
        if found is None:
            return {}
        known = zip(self.prompts.items(), found.counts, found.sums, strict=False)
        return {prompt: total / n for (prompt, _), n, total in known if n}
