"""A client for any server that speaks OpenAI's chat completions, or its completions of plain text."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import closing
from queue import SimpleQueue
from typing import Any, TypeVar

from ..errors import require_extra
from .address import base_url, read_key
from .answers import Answer, read_answers, read_names
from .faults import BrokenAnswer, EndpointError, RequestRefused, Teller, fault_of, wait_before
from .loop import Loop
from .request import Chat

__all__ = ["Answer", "Chat", "Endpoint", "EndpointError", "RequestRefused"]

_Result = TypeVar("_Result")
_Outcome = list[Answer] | RequestRefused
_DEFAULT_KEY_ENV = "OPENAI_API_KEY"
_NO_KEY = "none"  # The client sends a key in any case; local servers do not look at it.
_CONNECT_SECONDS = 10.0
_SECRET_CHARACTERS = 16  # A shorter key may be a word that answers hold.


class Endpoint:
    """Asks a server, several requests at a time, from any thread.

    A request that meets a time-out, a lost connection, a broken answer, 408, 409, 429 or 5xx is sent again after a
    random wait whose bound doubles, or after the server's `Retry-After` where that is 120 s or less. A request body
    with `max_tokens` that the server wants as `max_completion_tokens` is sent so from then on.

    Args:
        url: `http://host:port`, the same with a path such as `/v1`, or the full address of the chat completions.
        key_env: The environment variable with the key. None takes `OPENAI_API_KEY`, and no key where it is not set.
        tries: How often a request is sent at most.
        timeout: Seconds that an answer may take.
        at_once: How many requests are under way at a time; one that waits for its next try is.
        per_minute: How many requests are sent a minute at most, or None.

    Attributes:
        at_once: As given.
        sent: Requests sent so far, every try counted.
        troubles: Tries that failed and were followed by another, by what happened.
        left_out: Optional parameters that the server does not take.

    Raises:
        UsageError: The address is none, holds a user name or a query, or the named variable holds no usable key.
        DivtoolError: The package `openai` is missing.
    """

    def __init__(
        self,
        url: str,
        *,
        key_env: str | None = None,
        tries: int = 5,
        timeout: float = 60.0,
        at_once: int = 8,
        per_minute: float | None = None,
    ) -> None:
        self.url = base_url(url)
        variable = key_env or _DEFAULT_KEY_ENV
        self._key = read_key(variable, required=key_env is not None)
        require_extra("openai", "endpoint")
        self._teller = Teller(self.url, self._key, variable, timeout)
        self._tries, self._timeout, self.at_once = tries, timeout, at_once
        self._gap, self._next_start = 60 / per_minute if per_minute else 0.0, 0.0
        self._slots = asyncio.Semaphore(at_once)
        self._loop = Loop()
        self._client: Any = None
        self._refused: dict[str, set[str]] = {}
        self._answered = 0
        self.sent = 0
        self.troubles: Counter[str] = Counter()

    @property
    def left_out(self) -> set[str]:
        """Optional parameters that the server does not take."""
        return set().union(*self._refused.values()) - {"max_tokens"}

    def ask(self, chats: Sequence[Chat], on_answer: Callable[[int, Answer], None] | None = None) -> list[Answer]:
        """The answers, in the order of the requests; the first one of each where a server gives several.

        Args:
            chats: The requests.
            on_answer: Hears of each answer as it comes, with the number of its request; answers that came before a
                failure or an interruption are not lost to it.

        Raises:
            EndpointError: A request failed for good; those under way are given up.
        """
        answers: dict[int, Answer] = {}
        with closing(self._outcomes(chats)) as outcomes:
            for number, outcome in outcomes:
                if isinstance(outcome, RequestRefused):
                    raise outcome
                answers[number] = outcome[0]
                if on_answer is not None:
                    on_answer(number, outcome[0])
        return [answers[number] for number in range(len(chats))]

    def ask_each(self, chats: Sequence[Chat]) -> list[list[Answer] | RequestRefused]:
        """All that each request brought, in their order; a request that the server refuses brings the refusal.

        Raises:
            EndpointError: The server failed for good; the requests under way are given up.
        """
        outcomes = dict(self._outcomes(chats))
        return [outcomes[number] for number in range(len(chats))]

    def models(self) -> list[str]:
        """The models that the server names.

        Raises:
            EndpointError: It names none, or cannot be used.
        """

        async def send(_: set[str]) -> list[str]:
            return read_names(_json(await self._connected().models.with_raw_response.list()))

        return self._loop.run(self._persist(Chat("", ""), send)).result()

    def cancel(self) -> None:
        """Give up every request that is under way; whoever waits for one gets a `CancelledError`."""
        self._loop.cancel()

    def close(self) -> None:
        """Close the connections; the endpoint cannot be used any more."""
        if self._client is not None:
            self._loop.run(self._client.close()).result()
            self._client = None
        self._loop.close()

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _outcomes(self, chats: Sequence[Chat]) -> Generator[tuple[int, _Outcome], None, None]:
        """(number of a request, what it brought), as they come, in the thread of the caller."""
        came: SimpleQueue[tuple[int, _Outcome] | None] = SimpleQueue()
        work = self._loop.run(self._ask_all(chats, came.put))
        work.add_done_callback(lambda _: came.put(None))
        try:
            while (item := came.get()) is not None:
                yield item
            work.result()
        finally:
            work.cancel()

    async def _ask_all(self, chats: Sequence[Chat], keep: Callable[[tuple[int, _Outcome]], None]) -> None:
        waiting = iter(enumerate(chats))

        async def work() -> None:
            for number, chat in waiting:
                keep((number, await self._ask_one(chat)))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.at_once, len(chats))):
                    group.create_task(work())
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def _ask_one(self, chat: Chat) -> _Outcome:
        async def send(dropped: set[str]) -> list[Answer]:
            return await self._send(chat, dropped)

        try:
            async with self._slots:
                return await self._persist(chat, send)
        except RequestRefused as refusal:
            return refusal

    async def _persist(self, chat: Chat, send: Callable[[set[str]], Awaitable[_Result]]) -> _Result:
        """What a request brings, tried again while that may help; `send` hears of the parameters to leave out."""
        from openai import OpenAIError

        self._connected()  # Imports take longer than some time-outs.
        dropped, attempt, before = set(self._refused.get(chat.model, ())), 1, self._answered
        while True:
            await self._pace()
            try:
                async with asyncio.timeout(self._timeout):
                    result = await send(dropped)
                self._refused.setdefault(chat.model, set()).update(dropped)
                return result
            except (OpenAIError, TimeoutError, BrokenAnswer) as error:
                fault = fault_of(error)
            if more := chat.droppable(fault, dropped, sure=self._answered > 0):
                dropped |= more
                continue
            if not fault.passing or attempt == self._tries:
                # Raised outside the handler: a traceback of its cause may show the key.
                names = chat.params.keys() - dropped
                raise self._teller.error(fault, attempt, chat.model, names, others=self._answered > before)
            self.troubles[fault.kind] += 1
            await asyncio.sleep(wait_before(attempt) if fault.wait is None else fault.wait)
            attempt += 1

    async def _pace(self) -> None:
        """Wait for the next start that the rate limit allows."""
        if self._gap:
            now = asyncio.get_running_loop().time()
            start = max(now, self._next_start)
            self._next_start = start + self._gap
            await asyncio.sleep(start - now)

    async def _send(self, chat: Chat, dropped: set[str]) -> list[Answer]:
        client = self._connected()
        said: dict[str, Any] = {"messages": list(chat.messages)}
        create = client.chat.completions
        if isinstance(chat.messages, str):
            create, said = client.completions, {"prompt": chat.messages}
        # The body is read here: the client's own classes take milliseconds of every answer with log-probabilities.
        self.sent += 1
        came = await create.with_raw_response.create(model=chat.model, **said, extra_body=chat.body(dropped))
        secret = self._key if self._key and len(self._key) >= _SECRET_CHARACTERS else None
        answers = read_answers(_json(came), secret)
        self._answered += 1
        return answers

    def _connected(self) -> Any:
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient, Timeout

        if self._client is None:
            self._client = AsyncOpenAI(
                api_key=self._key or _NO_KEY,
                base_url=self.url,
                max_retries=0,
                timeout=Timeout(self._timeout, connect=min(self._timeout, _CONNECT_SECONDS)),
                # A redirect would carry the texts to a server that nobody named.
                http_client=DefaultAsyncHttpxClient(follow_redirects=False),
            )
            _ = self._client.chat.completions.with_raw_response, self._client.completions.with_raw_response
        return self._client


def _json(response: Any) -> Any:
    try:
        return json.loads(response.content)
    except ValueError:
        raise BrokenAnswer from None
