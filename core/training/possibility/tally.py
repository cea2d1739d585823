"""What was left out, cut and counted while lessons were made."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(slots=True)
class Tally:
    """Counts over the groups of a file.

    Attributes:
        groups: Groups that were looked at.
        responses: Responses that are learnt.
        empty: Responses that were left out because they were empty.
        equal: Responses that were left out because they were equal to one before.
        beyond_k: Responses beyond the first k.
        cut: Responses that were cut, and are learnt without an end.
        single: Groups that were left out because they had too few responses.
        long: Groups that were left out because they were too long.
        shortened: Groups whose oldest turns were dropped.
        bad_numbers: Groups that were left out because their own numbers go beyond the pool.
        unselected: Groups in which there is nothing to make unlikely.
        words: Content words of unwanted responses.
        shared: Of these, words that the wanted response has too.
        context: Of these, words that the prompt has too.
    """

    groups: int = 0
    responses: int = 0
    empty: int = 0
    equal: int = 0
    beyond_k: int = 0
    cut: int = 0
    single: int = 0
    long: int = 0
    shortened: int = 0
    bad_numbers: int = 0
    unselected: int = 0
    words: int = 0
    shared: int = 0
    context: int = 0

    def look_at(self, words: Sequence[str], said: Collection[str], asked: Collection[str]) -> None:
        """Count the content words of an unwanted response.

        Args:
            words: They.
            said: Words of the wanted response.
            asked: Words of the prompt.
        """
        self.words += len(words)
        self.shared += sum(word in said for word in words)
        self.context += sum(word in asked for word in words)

    @property
    def shared_share(self) -> float | None:
        """Share of the content words that the wanted response has too; None without such words."""
        return self.shared / self.words if self.words else None

    @property
    def context_share(self) -> float | None:
        """Share of the content words that the prompt has too; None without such words."""
        return self.context / self.words if self.words else None

    def facts(self) -> dict[str, Any]:
        """Every count, and the two shares."""
        return asdict(self) | {"shared_share": self.shared_share, "context_share": self.context_share}

    def said(self) -> str:
        """What was left out or changed, in one line; empty where nothing was."""
        texts = (
            (self.single, "groups with too few different responses left out"),
            (self.long, "groups too long for --max-length left out"),
            (self.bad_numbers, "groups with numbers beyond the pool left out"),
            (self.shortened, "groups without their oldest turns"),
            (self.empty, "empty responses left out"),
            (self.equal, "repeated responses left out"),
            (self.beyond_k, "responses beyond --k left out"),
            (self.cut, "responses cut at --max-words"),
            (self.unselected, "groups of stop words only, with nothing to make unlikely"),
        )
        return ", ".join(f"{count} {text}" for count, text in texts if count)
