"""What goes wrong between a client and a server: what may pass, how long to wait for it, and what to tell the user."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz
from math import isfinite
from typing import Any

from ..errors import DivtoolError

MOST_WAIT = 120.0
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0
_PASSING = frozenset({408, 409, 429})
_ABOUT_REQUEST = frozenset({400, 413, 422, 451})
_SHOWN_CHARACTERS = 200


class EndpointError(DivtoolError):
    """The server cannot be reached, refuses the request or does not answer in the expected form."""


class RequestRefused(EndpointError):
    """The server answers, but not this request: the prompt is too long, say, or its content is not allowed.

    Args:
        text: The whole message.
        status: What the server answered with.
        said: Its own words.
        names: Parameters of the request that it speaks of.
    """

    def __init__(self, text: str, status: int, said: str, names: Iterable[str] = ()) -> None:
        super().__init__(text)
        self.status, self.said, self.names = status, said, frozenset(names)


class BrokenAnswer(Exception):
    """What came back is no answer."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One try that failed.

    Attributes:
        kind: What happened, in a few words.
        passing: Another try may do better.
        wait: Seconds that the server asks to wait, or None.
        status: Of the server's answer, or None where none came.
        said: The server's own words, as they came.
        words: Everything in them that may be the name of a parameter.
        unsupported: The parameter that the server calls unsupported, or None.
    """

    kind: str
    passing: bool
    wait: float | None = None
    status: int | None = None
    said: str = ""
    words: frozenset[str] = frozenset()
    unsupported: str | None = None


def fault_of(error: Exception) -> Fault:
    """What an exception of the client means."""
    from openai import APIConnectionError, APIStatusError, APITimeoutError

    if isinstance(error, APIStatusError):
        return _refused(error)
    if isinstance(error, (TimeoutError, APITimeoutError)):
        return Fault("timeouts", True)
    if isinstance(error, APIConnectionError):
        return Fault("lost connections", True)
    if isinstance(error, BrokenAnswer):
        return Fault("broken answers", True)
    return Fault("failures", False, said=str(error))


def _refused(error: Any) -> Fault:
    status: int = error.status_code
    wait, advice = _asked_wait(error.response.headers), error.response.headers.get("x-should-retry")
    passing = (status in _PASSING or status >= 500) if advice not in ("true", "false") else advice == "true"
    said = _said(error.body)
    unsupported = error.param if error.code in ("unsupported_parameter", "unsupported_value") else None
    return Fault(
        f"status {status}",
        passing and (wait is None or wait <= MOST_WAIT),
        wait,
        status,
        said,
        frozenset(re.findall(r"\w+", f"{error.param} {said}")),
        unsupported,
    )


def _said(body: object) -> str:
    """The server's own words; of FastAPI's lists, each place with what is wrong there."""
    if isinstance(body, Mapping):
        body = body.get("message") or body.get("detail") or body.get("error")
    if isinstance(body, list):
        items = [item for item in body if isinstance(item, Mapping)]
        body = "; ".join(f"{'.'.join(map(str, item.get('loc') or ()))}: {item.get('msg')}" for item in items)
    return body if isinstance(body, str) and not body.lstrip().startswith("<") else ""


def _asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that a `Retry-After` asks for, as a number or a date; None where it asks for none."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            wait = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        return wait if isfinite(wait) and wait > 0 else None
    date = parsedate_tz(headers.get("retry-after", ""))
    if date is None:
        return None
    wait = mktime_tz(date) - time.time()
    return wait if wait > 0 else None


def wait_before(attempt: int) -> float:
    """Seconds to wait before the next try: anything up to a bound that doubles with each (full jitter).

    Args:
        attempt: How many tries have failed.
    """
    return random.uniform(0, min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(attempt - 1, 16)))


@dataclass(frozen=True, slots=True)
class Teller:
    """Says what went wrong and how to go on, without the key.

    Attributes:
        url: The server.
        key: What must not be shown; None where no key is sent.
        key_env: The environment variable that holds it.
        timeout: Seconds that an answer may take.
    """

    url: str
    key: str | None
    key_env: str
    timeout: float

    def error(self, fault: Fault, tries: int, model: str, names: Iterable[str], *, others: bool) -> EndpointError:
        """The error of a request that failed for good.

        Args:
            fault: Its last try.
            tries: How many there were.
            model: Whom it asked.
            names: The parameters that it was sent with.
            others: Other requests were answered while this one was tried.
        """
        text = f"{self.url}: {self._explained(fault, tries, model)}"
        if fault.status in _ABOUT_REQUEST or (fault.status == 500 and others):
            return RequestRefused(text, fault.status or 0, self.redacted(fault.said), fault.words & set(names))
        return EndpointError(text)

    def _explained(self, fault: Fault, tries: int, model: str) -> str:
        after, said = f"after {tries} {'try' if tries == 1 else 'tries'}", self._in_brackets(fault.said)
        if fault.kind == "timeouts":
            return f"no answer within {self.timeout:g} s {after}; the server may be overloaded"
        if fault.kind == "lost connections":
            return f"the server cannot be reached {after}; check the address, and that the server runs"
        if fault.kind == "broken answers":
            return (
                f"what comes back is no chat completion {after}; check that the address is that of an "
                "OpenAI-compatible server"
            )
        if fault.status is None:
            return self.redacted(fault.said)
        return self._about_status(fault.status, fault.wait, after, said, model)

    def _about_status(self, status: int, wait: float | None, after: str, said: str, model: str) -> str:
        if status in (401, 403):
            return self._about_key(status)
        if status == 404 and not model:
            return "the server does not say which models it has; choose one with --model NAME"
        if status == 404:
            return f"there is no model '{model}' at this address, or no chat completions{said}; check both names"
        asked = f"; it asks to wait {wait:,.0f} s" if wait is not None and wait > MOST_WAIT else ""
        if status == 429:
            return f"the rate limit or quota is used up {after}{said}{asked}; go on later"
        if status >= 500:
            return f"the server fails with status {status} {after}{said}{asked}"
        return f"the server refuses the request with status {status}{said}"

    def _about_key(self, status: int) -> str:
        if self.key is None:
            return f"the server asks for a key (status {status}); put it into the environment variable {self.key_env}"
        return f"the server refuses the key in the environment variable {self.key_env} (status {status})"

    def _in_brackets(self, said: str) -> str:
        return f" ({self.redacted(said)})" if said.strip() else ""

    def redacted(self, text: str) -> str:
        """One short line without the key."""
        line = " ".join((text if self.key is None else text.replace(self.key, "***")).split())
        return line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS]}…"
