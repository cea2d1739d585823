"""Written sequences: which symbols a response is made of, and where each stands in it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .parser import bare_form, behind_thinking
from .task import AuditTask

_PIECE = re.compile(r"[^\s,;]+")
_BRACKETS = {"[": "]", "(": ")"}


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol of a response.

    Attributes:
        place: Its place among the options.
        start: Where it begins in the text.
        end: Where it ends.
    """

    place: int
    start: int
    end: int


class SequenceParser:
    """Reads responses to the prompts of a task of sequences.

    Symbols are separated by commas, semicolons or white space; a text in one piece is read letter by letter where each
    option has a text of one letter. Around the whole, one layer of quotes, backticks or brackets and a final full stop
    are forgiven. Every piece must be a symbol: numbered lists, sentences and other numbers make a text invalid.

    Args:
        task: The task; case is ignored.
    """

    def __init__(self, task: AuditTask) -> None:
        assert task.sequence is not None
        self.form = task.sequence
        self._places = {
            unicodedata.normalize("NFC", text).casefold(): place
            for place, option in enumerate(task.options)
            for text in option.texts
        }
        self._letters = all(min(map(len, option.texts)) == 1 for option in task.options)

    def symbols(self, text: str) -> list[Symbol] | None:
        """The symbols of a text that holds nothing else; None for any other text.

        Args:
            text: A response without anything around its sequence.
        """
        pieces = [(match[0], match.start(), match.end()) for match in _PIECE.finditer(text)]
        if len(pieces) == 1 and self._letters and pieces[0][0].casefold() not in self._places:
            start = pieces[0][1]
            pieces = [(letter, start + i, start + i + 1) for i, letter in enumerate(pieces[0][0])]
        places = [self._places.get(piece.casefold()) for piece, _, _ in pieces]
        if not places or None in places:
            return None
        return [Symbol(place or 0, start, end) for place, (_, start, end) in zip(places, pieces, strict=True)]

    def strict(self, text: str, *, cut: bool = False) -> NDArray[np.int64] | None:
        """The places of the options in the order written; None for a text that is no sequence of them.

        Args:
            text: A whole response.
            cut: The response was ended by a limit: its last symbol may be half of one, and is left out.
        """
        answer = behind_thinking(text)
        if answer is None:
            return None
        inside = bare_form(answer)
        if len(inside) > 1 and _BRACKETS.get(inside[0]) == inside[-1]:
            inside = inside[1:-1]
        if cut and len(pieces := _PIECE.findall(inside)) > 1:
            inside = inside[: inside.rfind(pieces[-1])]
        found = self.symbols(inside)
        return None if found is None else np.array([symbol.place for symbol in found], dtype=np.int64)

    def counts(self, places: NDArray[np.int64] | None) -> bool:
        """Whether a sequence counts as an answer: a shuffle must be whole, others at least half as long as asked."""
        if places is None:
            return False
        if self.form.shuffle:
            return bool(np.array_equal(np.sort(places), np.arange(self.form.length)))
        return 2 * len(places) >= self.form.length
