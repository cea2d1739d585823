"""What a server's bodies say, read with no trust in their form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum, isfinite
from typing import Any

from .faults import BrokenAnswer


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer.

    Attributes:
        text: The message; empty where the server sends none.
        finish_reason: "stop", "length" or a server's own word; None where it gives none.
        prompt_tokens: Tokens of the request, where the server counts them.
        completion_tokens: Tokens of the answer, where the server counts them.
        logprob: Sum of the natural-log probabilities of the answer's tokens, where the server gives them.
    """

    text: str
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    logprob: float | None = None


def read_answers(body: Any, secret: str | None = None) -> list[Answer]:
    """The answers of a completion, at least one.

    Args:
        body: The body, as JSON.
        secret: What a server must not hand back; it is taken out of the texts.

    Raises:
        BrokenAnswer: The body is something else.
    """
    choices = body.get("choices") if isinstance(body, Mapping) else None
    if not isinstance(choices, list) or not choices:
        raise BrokenAnswer
    usage = body.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    prompt, drawn = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    return [_read(choice, prompt, drawn if len(choices) == 1 else None, secret) for choice in choices]


def _read(choice: Any, prompt: int | None, drawn: int | None, secret: str | None) -> Answer:
    if not isinstance(choice, Mapping):
        raise BrokenAnswer
    message = choice.get("message")
    text = message.get("content") if isinstance(message, Mapping) else choice.get("text", choice)
    if not isinstance(text, str | None):
        raise BrokenAnswer
    # Half of a surrogate pair can stand in JSON but in no file.
    text = (text or "").encode(errors="replace").decode()
    values = _logprobs(choice.get("logprobs"))
    reason = choice.get("finish_reason")
    return Answer(
        text if secret is None else text.replace(secret, "***"),
        reason if isinstance(reason, str) else None,
        prompt,
        drawn if drawn is not None or values is None else len(values),
        None if values is None else fsum(values),
    )


def _logprobs(said: Any) -> Sequence[float] | None:
    """One a token, in the form of chat completions or of plain ones; None where any is missing."""
    if not isinstance(said, Mapping):
        return None
    tokens, values = said.get("content"), said.get("token_logprobs")
    if isinstance(tokens, list):
        values = [token.get("logprob") for token in tokens if isinstance(token, Mapping)]
    if not isinstance(values, list) or not values:
        return None
    return values if all(isinstance(value, int | float) and isfinite(value) for value in values) else None


def read_names(body: Any) -> list[str]:
    """The names in a list of models.

    Raises:
        BrokenAnswer: The body is something else.
    """
    data = body.get("data") if isinstance(body, Mapping) else None
    if not isinstance(data, list):
        raise BrokenAnswer
    return [entry["id"] for entry in data if isinstance(entry, Mapping) and isinstance(entry.get("id"), str)]


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
