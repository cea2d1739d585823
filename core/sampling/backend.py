"""What a source of responses is: requests in, draws out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Protocol

from ..errors import UsageError
from ..records import Message

REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Decoding:
    """How the next token is drawn; the defaults change nothing about the model's distribution.

    Attributes:
        temperature: Divides the logits; 0 takes the most likely token.
        top_p: Keep the smallest set of most likely tokens with at least this mass.
        top_k: Keep this many most likely tokens; 0 keeps all.
        min_p: Keep tokens with at least this share of the most likely token's probability.
        max_new_tokens: The longest response in tokens, its end token included.
        repetition_penalty: Divides positive logits of tokens that the prompt or the response holds already, and
            multiplies negative ones (arXiv 1909.05858); 1 changes nothing.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    max_new_tokens: int = 512
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        if not (isfinite(self.temperature) and self.temperature >= 0 and 0 < self.top_p <= 1):
            raise UsageError("decoding needs a temperature of 0 or more, and 0 < top-p <= 1")
        if self.top_k < 0 or not 0 <= self.min_p <= 1:
            raise UsageError("decoding needs a top-k of 0 or more, and 0 <= min-p <= 1")
        if self.max_new_tokens < 1:
            raise UsageError("--max-new-tokens must be at least 1")
        if not (isfinite(self.repetition_penalty) and self.repetition_penalty > 0):
            raise UsageError("decoding needs a repetition penalty above 0; 1 is none")

    def params(self, strategy: str) -> dict[str, Any]:
        """The `params` of a response record; a penalty that changes nothing is left out."""
        params = asdict(self)
        if self.repetition_penalty == 1:
            del params["repetition_penalty"]
        return {**params, "strategy": strategy}


@dataclass(frozen=True, slots=True)
class Request:
    """One response to draw.

    Attributes:
        messages: The whole chat up to the answer.
        draw: What its random numbers depend on: (seed, prompt_id, sample_index, turn).
        prefill: How the answer begins; the rest of it is drawn.
    """

    messages: tuple[tuple[str, str], ...]
    draw: tuple[int, str, int, int]
    prefill: str = ""

    @classmethod
    def of(cls, messages: Sequence[Message], draw: tuple[int, str, int, int], prefill: str = "") -> Request:
        """A request from chat messages."""
        return cls(tuple((message["role"], message["content"]) for message in messages), draw, prefill)


@dataclass(frozen=True, slots=True)
class Draw:
    """One response drawn.

    Attributes:
        text: The response, its prefill included.
        n_tokens: Tokens drawn, the end token included; None where a server does not count them.
        finish_reason: "stop" at an end token, "length" at the limit; a server may have other words.
        logprob: Sum of the natural-log probabilities of the tokens at temperature 1, or None.
        n_end: How many of the tokens end the turn: 0 or 1.
    """

    text: str
    n_tokens: int | None
    finish_reason: str
    logprob: float | None
    n_end: int = 0

    @property
    def refused(self) -> bool:
        """Nothing was drawn, nor will be: a server refuses the request."""
        return self.finish_reason == REFUSED


class Backend(Protocol):
    """A source of responses.

    Attributes:
        name: As in the records' `model`.
        parameters: Size of the model, or None where it is not known.
    """

    name: str
    parameters: int | None

    def draw(
        self, requests: Sequence[Request], decoding: Decoding, on_tokens: Callable[[int], None] = ...
    ) -> list[Draw]:
        """One draw a request, in order; `on_tokens` hears of tokens as they come."""


def ignore_tokens(_: int) -> None:
    """The `on_tokens` of a caller that shows no progress."""
