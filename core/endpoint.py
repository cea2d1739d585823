"""A client for any server that speaks OpenAI's chat completions."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from json import JSONDecodeError
from typing import Any
from urllib.parse import urlsplit

from .errors import DivtoolError, UsageError, require_extra
from .records import Message

_DEFAULT_KEY_ENV = "OPENAI_API_KEY"
_NO_KEY = "none"  # The client sends a key in any case; local servers do not look at it.
_REFUSED = {"unsupported_parameter", "unsupported_value"}
_SHOWN_CHARACTERS = 200


class EndpointError(DivtoolError):
    """The server cannot be reached, refuses the request or does not answer in the expected form."""


@dataclass(frozen=True, slots=True)
class Chat:
    """One request.

    Attributes:
        model: The model's name, as the server knows it.
        messages: The whole chat up to the answer.
        params: Further keys of the request: `temperature`, `max_tokens`, `seed`, or a server's own.
        optional: Names of `params` that are left out where the server says that the model does not support them.
    """

    model: str
    messages: Sequence[Message]
    params: Mapping[str, Any] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer.

    Attributes:
        text: The message; empty where the server sends none.
        finish_reason: "stop", "length" or a server's own word; None where it gives none.
        prompt_tokens: Tokens of the request, where the server counts them.
        completion_tokens: Tokens of the answer, where the server counts them.
    """

    text: str
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None


class Endpoint:
    """Asks a server, several requests at a time.

    A request that meets a time-out, a lost connection, 408, 409, 429 or 5xx is sent again after a doubling wait, or
    after the server's `Retry-After` where that is 120 s or less. A request body with `max_tokens` that the server wants
    as `max_completion_tokens` is sent so from then on.

    Args:
        url: `http://host:port`, the same with a path such as `/v1`, or the full address of the chat completions.
        key_env: The environment variable with the key. None takes `OPENAI_API_KEY`, and no key where it is not set.
        tries: How often a request is sent at most.
        timeout: Seconds to wait for the server.
        at_once: How many requests are under way at a time.

    Raises:
        UsageError: The address is none, holds a user name or a query, or the named variable holds no usable key.
        DivtoolError: The package `openai` is missing.
    """

    def __init__(
        self, url: str, *, key_env: str | None = None, tries: int = 5, timeout: float = 60.0, at_once: int = 8
    ) -> None:
        self.url = base_url(url)
        self._key_env = key_env or _DEFAULT_KEY_ENV
        self._key = _read_key(self._key_env, required=key_env is not None)
        require_extra("openai", "endpoint")
        self._tries = tries
        self._timeout = timeout
        self._at_once = at_once
        self._runner = asyncio.Runner()
        self._client: Any = None
        self._refused: set[tuple[str, str]] = set()

    def ask(self, chats: Sequence[Chat], on_answer: Callable[[int, Answer], None] | None = None) -> list[Answer]:
        """The answers, in the order of the requests.

        Args:
            chats: The requests.
            on_answer: Hears of each answer as it comes, with the number of its request; answers that came before a
                failure or an interruption are not lost to it.

        Raises:
            EndpointError: A request failed for good; those under way are given up.
        """
        answers: dict[int, Answer] = {}

        def keep(number: int, answer: Answer) -> None:
            answers[number] = answer
            if on_answer is not None:
                on_answer(number, answer)

        if chats:
            self._runner.run(self._ask_all(chats, keep))
        return [answers[number] for number in range(len(chats))]

    def close(self) -> None:
        """Close the connections; the endpoint cannot be used any more."""
        if self._client is not None:
            self._runner.run(self._client.close())
            self._client = None
        self._runner.close()

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _ask_all(self, chats: Sequence[Chat], keep: Callable[[int, Answer], None]) -> None:
        waiting = iter(enumerate(chats))

        async def work() -> None:
            for number, chat in waiting:
                keep(number, await self._ask_one(chat))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._at_once, len(chats))):
                    group.create_task(work())
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def _ask_one(self, chat: Chat) -> Answer:
        from openai import OpenAIError

        try:
            for _ in range(2):  # A damaged body may be an accident; a second one is not.
                with suppress(JSONDecodeError, UnicodeDecodeError):
                    answer = _read(await self._send(chat))
                    if answer is not None:
                        return answer
        except OpenAIError as error:
            # The cause is left out: its text, which a traceback would show, may repeat the key.
            raise EndpointError(f"{self.url}: {self._explain(error, chat.model)}") from None
        raise EndpointError(
            f"{self.url}: what comes back is no chat completion; check that the address is that of "
            "an OpenAI-compatible server"
        )

    async def _send(self, chat: Chat) -> Any:
        from openai import AsyncOpenAI, BadRequestError, DefaultAsyncHttpxClient

        if self._client is None:
            self._client = AsyncOpenAI(
                api_key=self._key,
                base_url=self.url,
                max_retries=self._tries - 1,
                timeout=self._timeout,
                # A redirect would carry the texts to a server that nobody named.
                http_client=DefaultAsyncHttpxClient(follow_redirects=False),
            )
        while True:
            body = self._accepted(chat)
            try:
                return await self._client.chat.completions.create(
                    model=chat.model, messages=list(chat.messages), extra_body=body
                )
            except BadRequestError as error:
                if error.code in _REFUSED and error.param:
                    self._refused.add((chat.model, error.param))
                if self._accepted(chat) == body:
                    raise

    def _accepted(self, chat: Chat) -> dict[str, Any]:
        """The parameters, less those that the model is known to refuse."""
        refused = {name for name in chat.params if (chat.model, name) in self._refused}
        body = {name: value for name, value in chat.params.items() if name not in refused & chat.optional}
        if "max_tokens" in refused and "max_tokens" in body:
            body["max_completion_tokens"] = body.pop("max_tokens")
        return body

    def _explain(self, error: Exception, model: str) -> str:
        """What went wrong and how to go on, without the key."""
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        tries = f"after {self._tries} {'try' if self._tries == 1 else 'tries'}"
        if isinstance(error, APITimeoutError):
            return f"no answer within {self._timeout:g} s {tries}; the server may be overloaded"
        if isinstance(error, APIConnectionError):
            return f"the server cannot be reached {tries}; check the address, and that the server runs"
        if not isinstance(error, APIStatusError):
            return self._redacted(str(error))
        status, said = error.status_code, self._said(error.body)
        if status in (401, 403):
            return self._about_key(status)
        if status == 404:
            return f"there is no model '{model}' at this address, or no chat completions{said}; check both names"
        if status == 429:
            return f"the rate limit or quota is used up {tries}{said}; go on later"
        if status >= 500:
            return f"the server fails with status {status} {tries}{said}"
        return f"the server refuses the request with status {status}{said}"

    def _about_key(self, status: int) -> str:
        if self._key == _NO_KEY:
            return f"the server asks for a key (status {status}); put it into the environment variable {self._key_env}"
        return f"the server refuses the key in the environment variable {self._key_env} (status {status})"

    def _said(self, body: object) -> str:
        """The server's own words, in brackets, or nothing."""
        if isinstance(body, Mapping):
            body = body.get("message") or body.get("detail") or body.get("error")
        if not isinstance(body, str) or not body.strip() or body.lstrip().startswith("<"):
            return ""
        return f" ({self._redacted(body)})"

    def _redacted(self, text: str) -> str:
        plain = text if self._key == _NO_KEY else text.replace(self._key, "***")
        line = " ".join(plain.split())
        return line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS]}…"


def base_url(url: str) -> str:
    """The address below which `/chat/completions` lies.

    Args:
        url: What the user gave; without a path, `/v1` is meant.

    Raises:
        UsageError: It is no http address, or holds a user name or a query, which may be secrets.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise UsageError("the server's address is not valid; write it as http://localhost:8000/v1") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"'{url}' is no address of a server; write it as http://localhost:8000/v1")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError("a server's address holds no user name and no query; a key belongs into the environment")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    path = parts.path.rstrip("/").removesuffix("/chat/completions") or "/v1"
    return f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "") + path


def _read_key(variable: str, *, required: bool) -> str:
    key = os.environ.get(variable, "").strip()
    if not key:
        if required:
            raise UsageError(f"the environment variable {variable} is not set; it must hold the server's key")
        return _NO_KEY
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(f"the environment variable {variable} holds no key: a key is one word of plain ASCII")
    return key


def _read(completion: Any) -> Answer | None:
    """The first choice of a chat completion, or None where the body is something else."""
    try:
        choice = completion.choices[0]
        text, usage = choice.message.content or "", completion.usage
        # Half of a surrogate pair can stand in JSON but in no file.
        text = text.encode(errors="replace").decode()
    except (AttributeError, IndexError, TypeError):
        return None
    return Answer(
        text, choice.finish_reason, getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None)
    )
