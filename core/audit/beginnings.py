"""Which option a text begins with: the strict reading of answers that have no end."""

from __future__ import annotations

import unicodedata

from .parser import behind_thinking
from .strings import candidate_strings
from .task import AuditTask, Format


class Beginnings:
    """Reads responses to prompts whose answers may go on in any way, as exact mode reads them.

    Args:
        task: The task whose options a text may begin with.
        answer_format: How an answer is written.
    """

    def __init__(self, task: AuditTask, answer_format: Format = "bare") -> None:
        strings = candidate_strings(task.options, answer_format, variants=False)
        owned = [(text, place) for place, own in enumerate(strings) for text in own]
        # The longest comes first: "1.05" begins with "1.0", not with "1".
        self._owned = sorted(owned, key=lambda entry: -len(entry[0]))

    def strict(self, text: str) -> int | None:
        """The option with the longest text that a response begins with, white space before it apart; None for none.

        A text with a thinking block is read behind its closing tag.

        Args:
            text: A whole response.

        Returns:
            The place of the option in the task, from 0.
        """
        answer = behind_thinking(text)
        if answer is None:
            return None
        begun = unicodedata.normalize("NFC", answer).lstrip()
        return next((place for string, place in self._owned if begun.startswith(string)), None)

    def lenient(self, text: str) -> int | None:
        """As `strict`: an option in the middle of a text is the beginning of no answer."""
        return self.strict(text)
