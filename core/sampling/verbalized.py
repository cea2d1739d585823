"""All responses of a prompt from one answer that states how probable each is: Verbalized Sampling (arXiv 2510.01171).

The paper asks for several responses with their probabilities instead of one, so that the model describes its
distribution and not its mode alone. The wording is ours.
"""

from __future__ import annotations

import math

from ..jsonl import Record
from .backend import Draw
from .listed import Answer, Item, Listed, ListSampler
from .run import Chat
from .stated import shares, stated_answers


class Verbalized(Listed):
    """One chat a prompt, whose answer lists responses with their probabilities."""

    name = "verbalized"
    runner = "sampling.verbalized:VerbalizedSampler"
    request = "verbalized/request.txt"
    temperature = 1.0


class VerbalizedSampler(ListSampler):
    """As `ListSampler`, with what the model says of each response.

    A record's `stated_probability` is a number from 0 to 1, or None where none was stated, or none that is a
    probability. `stated_probability_normalised` is its share of the sum of those of the same answer; None as well where
    the sum is 0.
    """

    kind = "verbalized"
    _valid, _least, _most = 0, math.inf, -math.inf

    @property
    def notes(self) -> list[str]:
        """The parse rate, and how many of the stated probabilities are some."""
        lines = super().notes
        if self._read:
            sums = f"; those of one answer add up to {self._least:.2f} to {self._most:.2f}" if self._valid else ""
            lines.append(f"stated probabilities: {self._valid:,} of {self._read:,} are numbers from 0 to 1{sums}")
        return lines

    def _items(self, draw: Draw) -> list[Item]:
        count = self._strategy.held
        found = stated_answers(draw.text, count, cut=draw.finish_reason == "length")[:count]
        return [
            Item(answer.text, {"stated_probability": answer.probability, "stated_probability_normalised": share})
            for answer, share in zip(found, shares(found), strict=True)
        ]

    def _records(self, chat: Chat, answer: Answer) -> list[Record]:
        stated = [item.keys["stated_probability"] for item in answer.items]
        valid = [value for value in stated if value is not None]
        if valid:
            self._valid += len(valid)
            self._least = min(self._least, math.fsum(valid))
            self._most = max(self._most, math.fsum(valid))
        return super()._records(chat, answer)
