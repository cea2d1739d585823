"""What a judge is to be asked about one task, and what it costs, before anything is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..records import Message
from .templates import GENERAL, Form

Rated = tuple[Sequence[Message], str]
Pair = tuple[Sequence[Message], str, str]
Sets = tuple[Sequence[Message], Sequence[str], Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Docket:
    """All that is to be judged of one task.

    Attributes:
        criteria: Name of the criteria.
        rated: Prompt and response.
        pairs: Prompt, and the two responses to compare.
        sets: Prompt, and the two sets of responses to compare.
        form: What is to be read out of responses, or None.
        read: These responses.
    """

    criteria: str = GENERAL
    rated: Sequence[Rated] = ()
    pairs: Sequence[Pair] = ()
    sets: Sequence[Sets] = ()
    form: Form | None = None
    read: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """How many requests a judge needs; answers that cannot be read are asked for once more on top.

    Attributes:
        ratings: Requests for ratings.
        comparisons: Requests for comparisons of responses, two a pair.
        set_comparisons: Requests for comparisons of sets, two a pair.
        remembered: Answers that are in the cache, and are not asked for.
        readings: Requests to read something out of a response.
    """

    ratings: int
    comparisons: int
    set_comparisons: int
    remembered: int
    readings: int = 0

    @property
    def calls(self) -> int:
        """All requests."""
        return self.ratings + self.comparisons + self.set_comparisons + self.readings

    def __str__(self) -> str:
        read = f", {self.readings:,} readings" if self.readings else ""
        return (
            f"{self.calls:,} calls ({self.ratings:,} ratings, {self.comparisons:,} comparisons, "
            f"{self.set_comparisons:,} comparisons of sets{read}), {self.remembered:,} answers remembered"
        )
