"""Which option a text is: the strict reading that counts, and the lenient one that is shown beside it."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .task import AuditOption, AuditTask, Format

# What reasoning models write around their thoughts: the last closing tag is where the answer begins.
_THINKING = re.compile(r"<(/?)(?:think|thinking|thought|reasoning|seed:think)>|\[(/?)THINK\]")
_LAYERS = {'"': '"', "'": "'", "`": "`", "{": "}", "“": "”", "‘": "’", "„": "“", "«": "»", "「": "」"}


def behind_thinking(text: str) -> str | None:
    """What stands behind the last thinking block; the text itself without one, None where a block is not closed."""
    tags = list(_THINKING.finditer(text))
    if not tags:
        return text
    closing = tags[-1][1] or tags[-1][2]
    return text[tags[-1].end() :] if closing else None


def bare_form(text: str) -> str:
    """NFC, without outer white space, one layer of matching quotes, backticks or braces, and one final full stop."""
    return _unstopped(_unwrapped(_trimmed(text)))


def _trimmed(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def _unwrapped(text: str) -> str:
    return text[1:-1] if len(text) > 1 and _LAYERS.get(text[0]) == text[-1] else text


def _unstopped(text: str) -> str:
    return text[:-1] if len(text) > 1 and text.endswith(".") else text


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text.casefold())


def _json_answer(text: str) -> str | None:
    """The value under `answer`, numbers as they are written; None where the text is no such object."""
    try:
        value: Any = json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None
    answer = value.get("answer") if isinstance(value, dict) else None
    return _trimmed(answer) if isinstance(answer, str) else None


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """Two entries of different options that the strict reading cannot tell apart.

    Attributes:
        first: Place of the first option.
        first_text: Its text or alias.
        second: Place of the other option.
        second_text: Its text or alias.
    """

    first: int
    first_text: str
    second: int
    second_text: str


def ambiguities(options: Sequence[AuditOption]) -> list[Ambiguity]:
    """The entries of different options that have one bare form, in the order of the options.

    Case alone tells options apart. Each clash is reported once, against the first option that has the form.

    Args:
        options: The options of a task.
    """
    owners: dict[str, tuple[int, str]] = {}
    clashes = []
    for place, option in enumerate(options):
        for text in option.texts:
            first, first_text = owners.setdefault(bare_form(text), (place, text))
            if first != place:
                clashes.append(Ambiguity(first, first_text, place, text))
    return clashes


class Parser:
    """Reads responses to the prompts of one task in one format.

    Args:
        task: The task whose options a text may be.
        answer_format: ``json`` takes the value under ``answer``, ``braces`` demands braces around an option.
    """

    def __init__(self, task: AuditTask, answer_format: Format = "bare") -> None:
        self.options = task.options
        self.format = answer_format
        written = [(_trimmed(text), place) for place, option in enumerate(self.options) for text in option.texts]
        stopless = [(_unstopped(text), place) for text, place in written]
        self._exact = (_owners(written), _owners(stopless))
        # Case is ignored where that leaves one option.
        self._folded = tuple(
            _owners([(_folded(text), place) for text, place in table]) for table in (written, stopless)
        )

    def strict(self, text: str) -> int | None:
        """The option that a text is; None for anything else (⊥).

        NFC, outer white space off, one layer of matching quotes, backticks or braces off, one final full stop off,
        then an exact match with a text or alias; case is ignored only where that leaves one option. A text with a
        thinking block is read behind its closing tag. Units, articles, sentences and second lines are not forgiven.

        Args:
            text: A whole response.

        Returns:
            The place of the option in the task, from 0.
        """
        answer = behind_thinking(text)
        forms = None if answer is None else self._forms(_trimmed(answer))
        if forms is None:
            return None
        keys = [
            (tables, key) for tables, fold in ((self._exact, str), (self._folded, _folded)) for key in map(fold, forms)
        ]
        # The text as written comes before what is left of it, an option as written before one without its stop.
        found = (table.get(key) for tables, key in keys for table in tables)
        return next((place for place in found if place is not None), None)

    def _forms(self, text: str) -> tuple[str, str] | None:
        """The answer as written in its format, and its bare form; None where the format is missed."""
        if self.format == "json":
            answer = _json_answer(text)
            return None if answer is None else (answer, _unstopped(answer))
        if self.format == "braces":
            inside = text[1:-1] if len(text) > 1 and text[0] == "{" and text[-1] == "}" else None
            return None if inside is None else (inside, _unstopped(inside))
        return text, _unstopped(_unwrapped(text))

    def outcome(self, text: str) -> int | str:
        """The option that a text is, else the text itself without outer white space: every outcome has a name."""
        place = self.strict(text)
        return _trimmed(text) if place is None else place

    def lenient(self, text: str) -> int | None:
        """The only option that a text mentions as a whole word, case ignored; None for no option or several.

        What the strict reading accepts stays as it is. Longer names are looked for first: "10" mentions no "1".

        Args:
            text: A whole response.
        """
        place = self.strict(text)
        answer = behind_thinking(text)
        if place is not None or answer is None:
            return place
        found = {self._named[match[0]] for match in self._mentions.finditer(_folded(_trimmed(answer)))}
        return found.pop() if len(found) == 1 else None

    @cached_property
    def _named(self) -> dict[str, int]:
        """Folded texts and aliases that only one option has."""
        return self._folded[0]

    @cached_property
    def _mentions(self) -> Any:
        """A pattern for any of the names, longest first; scripts without blanks have no word borders."""
        import regex

        word = r"[\w--[\p{Han}\p{Hiragana}\p{Katakana}]]"
        names = "|".join(regex.escape(name) for name in sorted(self._named, key=len, reverse=True)) or "(?!)"
        return regex.compile(rf"(?V1)(?<!{word})(?<!\d[.,])(?:{names})(?!{word})(?![.,]\d)")


def _owners(entries: Sequence[tuple[str, int]]) -> dict[str, int]:
    """The option of each key; a key of two options is nobody's."""
    owners: dict[str, int] = {}
    shared = set()
    for key, place in entries:
        if key and owners.setdefault(key, place) != place:
            shared.add(key)
    return {key: place for key, place in owners.items() if key not in shared}
