"""Which prompts of an input a run draws: all of them, or its share beside other runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from ..errors import UsageError
from ..jsonl import Row, short_hash

_FORM = re.compile(r"([0-9]+)/([0-9]+)")


@dataclass(frozen=True, slots=True)
class Shard:
    """Every so many-th prompt: together the shards have each prompt once, and each has some of every part of the input.

    Attributes:
        number: Which one, from 1.
        of: How many there are.

    Raises:
        UsageError: There is no such shard.
    """

    number: int = 1
    of: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise UsageError(f"--shard {self.number}/{self.of}: give I/N with I from 1 to N, such as 2/4")

    @classmethod
    def parse(cls, text: str) -> Shard:
        """The shard that I/N names.

        Raises:
            UsageError: No two numbers, or there is no such shard.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise UsageError(f"--shard {text}: give I/N with I from 1 to N, such as 2/4")
        return cls(int(match[1]), int(match[2]))

    def rows(self, prompts: Iterable[Row]) -> Iterator[Row]:
        """Its prompts; the others are read and checked as well.

        Args:
            prompts: All prompt records, checked.

        Raises:
            InputError: Two prompts with one `prompt_id`, wherever they are.
        """
        return islice(_distinct(prompts), self.number - 1, None, self.of)

    def size(self, prompts: int) -> int:
        """How many of so many prompts are its own."""
        return len(range(self.number - 1, prompts, self.of))


def _distinct(prompts: Iterable[Row]) -> Iterator[Row]:
    """The prompts; raises `InputError` for two with one `prompt_id`."""
    places: dict[int, str] = {}
    for row in prompts:
        digest = short_hash(row.data["prompt_id"])
        if digest in places:
            raise row.fault(
                f"the same prompt_id as {places[digest]}", "give it an own prompt_id; for more responses use --samples"
            )
        places[digest] = row.where
        yield row
