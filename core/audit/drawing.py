"""Responses for sampled mode: drawn in this process by the code of `sample`, or by a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from ..draws import generator
from ..sampling.backend import Decoding, Request, ignore_tokens

if TYPE_CHECKING:
    from ..endpoint.client import Endpoint
    from ..sampling.backend import Backend
    from .task import AuditPrompt

MAX_NEW_TOKENS = 64
_TOKENS_A_SYMBOL = 6  # of a written sequence, with what separates it
_SEEDS = 2**31


class Drawn(Protocol):
    """Where the responses of sampled mode come from."""

    def sent(self, prompt: AuditPrompt) -> dict[str, Any]:
        """The parameters of the draws, for the record."""

    def texts(self, prompt: AuditPrompt, n: int) -> tuple[list[str], list[str | None]]:
        """So many responses, each without the prefill, and why each ended."""


def max_new_tokens(prompt: AuditPrompt) -> int:
    """The longest response in tokens: 64, and more for a sequence."""
    form = prompt.task.sequence
    return MAX_NEW_TOKENS if form is None else max(MAX_NEW_TOKENS, _TOKENS_A_SYMBOL * form.length)


class LocalDraws:
    """Draws at temperature 1 without truncation, from the streams that `sample` uses for the same prompt.

    Args:
        backend: The model.
        seed: The run's seed.
        batch_size: Responses drawn together.
        on_done: Hears how many have come.
    """

    def __init__(
        self, backend: Backend, seed: int, batch_size: int = 64, on_done: Callable[[int], None] = ignore_tokens
    ) -> None:
        self._backend, self._seed, self._batch_size, self._on_done = backend, seed, batch_size, on_done

    def sent(self, prompt: AuditPrompt) -> dict[str, Any]:
        """The parameters of the draws, for the record."""
        return Decoding(max_new_tokens=max_new_tokens(prompt)).params("direct")

    def texts(self, prompt: AuditPrompt, n: int) -> tuple[list[str], list[str | None]]:
        """So many responses, each without the prefill, and why each ended."""
        requests = [Request(prompt.chat, (self._seed, prompt.prompt_id, i, 1), prompt.prefill) for i in range(n)]
        decoding = Decoding(max_new_tokens=max_new_tokens(prompt))
        texts: list[str] = []
        reasons: list[str | None] = []
        for start in range(0, n, self._batch_size):
            draws = self._backend.draw(requests[start : start + self._batch_size], decoding)
            texts += [behind_prefill(draw.text, prompt.prefill) for draw in draws]
            reasons += [draw.finish_reason for draw in draws]
            self._on_done(len(draws))
        return texts, reasons


class EndpointDraws:
    """Draws from an OpenAI-compatible server, one request a response.

    Args:
        endpoint: The server.
        model: The model's name there.
        seed: The run's seed; each request gets one of its own.
        on_done: Hears how many have come.
    """

    def __init__(
        self, endpoint: Endpoint, model: str, seed: int, on_done: Callable[[int], None] = ignore_tokens
    ) -> None:
        self._endpoint, self._model, self._seed, self._on_done = endpoint, model, seed, on_done

    def sent(self, prompt: AuditPrompt) -> dict[str, Any]:
        """The parameters of the draws, for the record."""
        return {"temperature": 1.0, "top_p": 1.0, "max_tokens": max_new_tokens(prompt)}

    def texts(self, prompt: AuditPrompt, n: int) -> tuple[list[str], list[str | None]]:
        """So many responses and why each ended."""
        from ..endpoint.client import Chat

        messages = [{"role": role, "content": content} for role, content in prompt.chat]
        seeds = generator(self._seed, prompt.prompt_id).integers(0, _SEEDS, size=n).tolist()
        optional = frozenset({"top_p", "seed"})
        chats = [Chat(self._model, messages, {**self.sent(prompt), "seed": seed}, optional) for seed in seeds]
        answers = self._endpoint.ask(chats, lambda _, __: self._on_done(1))
        return [answer.text for answer in answers], [answer.finish_reason for answer in answers]


def behind_prefill(text: str, prefill: str) -> str:
    """A response without its given beginning, outer blanks apart."""
    return text.strip().removeprefix(prefill.strip())
