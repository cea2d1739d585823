"""The sentence that names a possibility number, behind the last user message of a chat."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import UsageError
from ..records import Message, rewritten

TEMPLATE = "Consider the different good answers; give the one for possibility number #{n}."
_PLACE = "{n}"


def check_template(text: str) -> None:
    """Raise `UsageError` unless `{n}` stands in a template exactly once."""
    count = text.count(_PLACE)
    if count != 1:
        raise UsageError(f"--number-prompt holds {_PLACE} {count} times; it must stand there once, for the number")


def numbered(messages: Sequence[Message], number: int, template: str = TEMPLATE) -> list[Message]:
    """A chat whose last user message asks for one possibility.

    Args:
        messages: The chat; it is not changed.
        number: The possibility number.
        template: The sentence that is appended behind an empty line, with `{n}` for the number.

    Raises:
        DivtoolError: The chat has no user message.
    """
    return rewritten(messages, lambda content: f"{content}\n\n{template.replace(_PLACE, str(number))}")
