"""Responses as requests to a server: which are asked for together, with what, and what came of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ..draws import generator
from ..endpoint.answers import Answer
from ..endpoint.request import Chat
from ..errors import UsageError
from .backend import REFUSED, Decoding, Draw, Request

_MOST = 16  # responses a request
_SEEDS = 2**31

_Messages = tuple[tuple[str, str], ...]


class Asking:
    """Some responses that are to be drawn, until each has its draw.

    Equal chats are asked about together. A request for one response carries a seed of its own; one for several carries
    none, since there are servers that would give each of them the same draw. What changes nothing (a top-k of all, say)
    is sent too, where the server takes it: servers have settings of their own for what they are not told.

    Args:
        model: The model's name at the server.
        requests: The responses.
        decoding: Temperature and truncation.
        plain: The prompts are text to go on with, not chats.

    Raises:
        UsageError: A request has a prefill, or is no plain text where it has to be.
    """

    def __init__(self, model: str, requests: Sequence[Request], decoding: Decoding, *, plain: bool) -> None:
        if any(request.prefill for request in requests):
            raise UsageError("a response cannot be begun for a server, which begins its own: that needs a model here")
        self._model, self._requests, self._plain = model, requests, plain
        self._whole = decoding == Decoding(max_new_tokens=decoding.max_new_tokens)
        self._params, self._optional = _params(decoding, plain)
        self._missing: dict[_Messages, list[int]] = defaultdict(list)
        self._alone: set[_Messages] = set()
        self._draws: dict[int, Draw] = {}
        for place, request in enumerate(requests):
            self._missing[request.messages].append(place)

    def parts(self, *, several: bool) -> list[list[int]]:
        """The places of the responses that are lacking, those of one request together; empty when none is.

        Args:
            several: The server may give several to one request.
        """
        found = []
        for messages, places in self._missing.items():
            size = _MOST if several and messages not in self._alone else 1
            found += [places[start : start + size] for start in range(0, len(places), size)]
        return found

    def chat(self, part: list[int]) -> Chat:
        """The request for some responses to one chat."""
        request = self._requests[part[0]]
        own: dict[str, Any] = {"n": len(part)}
        if len(part) == 1:
            own = {"seed": int(generator(*request.draw).integers(_SEEDS))}
        messages = [{"role": role, "content": content} for role, content in request.messages]
        return Chat(self._model, _text(messages) if self._plain else messages, self._params | own, self._optional)

    def take(self, part: list[int], answers: Sequence[Answer]) -> int:
        """Give the responses what came back for them, which may be too little; the answer is how many tokens came."""
        tokens = 0
        for place, answer in zip(part, answers, strict=False):
            self._put(place, self._draw(answer))
            tokens += answer.completion_tokens or 0
        return tokens

    def refuse(self, part: list[int]) -> bool:
        """Whether the refusal holds; the refusal of several is none of each, and they are asked for one at a time."""
        messages = self._requests[part[0]].messages
        if len(part) > 1:
            self._alone.add(messages)
            return False
        self._put(part[0], Draw("", 0, REFUSED, None))
        return True

    def prompt_id(self, part: list[int]) -> str:
        """Which prompt the responses are to."""
        return self._requests[part[0]].draw[1]

    def refused_several(self, part: list[int]) -> bool:
        """Whether several responses to this chat were refused before."""
        return self._requests[part[0]].messages in self._alone

    def draws(self) -> list[Draw]:
        """One a response, in order."""
        return [self._draws[place] for place in range(len(self._requests))]

    def sets(self) -> list[list[str]]:
        """The texts that were drawn for each chat that has two or more."""
        texts: dict[_Messages, list[str]] = defaultdict(list)
        for place, draw in self._draws.items():
            if not draw.refused:
                texts[self._requests[place].messages].append(draw.text)
        return [drawn for drawn in texts.values() if len(drawn) > 1]

    def _put(self, place: int, draw: Draw) -> None:
        self._draws[place] = draw
        messages = self._requests[place].messages
        self._missing[messages].remove(place)
        if not self._missing[messages]:
            del self._missing[messages]

    def _draw(self, answer: Answer) -> Draw:
        # At another temperature, or truncated, a server's probabilities are not those that a record has.
        logprob = answer.logprob if self._whole else None
        return Draw(answer.text.strip(), answer.completion_tokens, answer.finish_reason or "stop", logprob)


def neutral(decoding: Decoding) -> set[str]:
    """Names of the request's parameters that change nothing about the model's distribution."""
    usual = Decoding()
    names = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
    return {name for name in names if getattr(decoding, name) == getattr(usual, name)}


def _params(decoding: Decoding, plain: bool) -> tuple[dict[str, Any], frozenset[str]]:
    """The parameters of a request, and those of them that a server need not take."""
    params = {
        "temperature": decoding.temperature,
        "top_p": decoding.top_p,
        "max_tokens": decoding.max_new_tokens,
        # 0 is not known to every server as all of them.
        "top_k": decoding.top_k or -1,
        "min_p": decoding.min_p,
        "repetition_penalty": decoding.repetition_penalty,
        # Tokens are counted by them too, where several responses come together.
        "logprobs": 1 if plain else True,
    }
    return params, frozenset({"seed", "logprobs"} | neutral(decoding))


def _text(messages: list[dict[str, str]]) -> str:
    if len(messages) != 1 or messages[0]["role"] != "user":
        raise UsageError("--completions goes on with a prompt of plain text, and this one is a chat; leave it out")
    return messages[0]["content"]
