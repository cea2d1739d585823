"""The client of OpenAI-compatible servers: what it sends, what it tries again, and what it says when it gives up."""

from __future__ import annotations

import logging
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from divtool.core.endpoint.address import base_url
from divtool.core.endpoint.client import Chat, Endpoint, EndpointError
from divtool.core.errors import DivtoolError, UsageError

pytest.importorskip("openai")

KEY = "sk-very-secret-0123456789"
HELLO = Chat("m", [{"role": "user", "content": "Hello {} %s $x"}], {"temperature": 0.5, "max_tokens": 9, "top_k": 4})


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def connect() -> Iterator[Callable[..., Endpoint]]:
    made: list[Endpoint] = []

    def make(url: str, **options: Any) -> Endpoint:
        made.append(Endpoint(url, **options))
        return made[-1]

    yield make
    for endpoint in made:
        endpoint.close()


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1"),
        ("http://localhost:8000/", "http://localhost:8000/v1"),
        ("https://host/v1", "https://host/v1"),
        ("https://host/v1/", "https://host/v1"),
        ("http://host:1/v1/chat/completions", "http://host:1/v1"),
        ("http://host/chat/completions/", "http://host/v1"),
        ("https://host/api/v3/chat/completions", "https://host/api/v3"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
    ],
)
def test_addresses(given: str, meant: str) -> None:
    assert base_url(given) == meant


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000",
        "ftp://host",
        "http://",
        "http://host:port",
        f"http://me:{KEY}@host",
        f"http://h/v1?key={KEY}",
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        base_url(url)
    assert KEY not in str(caught.value)


def test_request_and_answer(stub_server: Any, connect: Any) -> None:
    stub_server.says(stub_server.completion("Hi", "length"))
    (answer,) = connect(stub_server.url).ask([HELLO])
    assert (answer.text, answer.finish_reason, answer.prompt_tokens, answer.completion_tokens) == ("Hi", "length", 7, 3)
    assert stub_server.paths == ["/v1/chat/completions"]
    assert stub_server.requests == [{"model": "m", "messages": HELLO.messages, **HELLO.params}]


def test_answers_come_in_order_eight_at_a_time(stub_server: Any, connect: Any) -> None:
    def slow(body: dict[str, Any]) -> str:
        number = int(body["messages"][0]["content"])
        time.sleep(0.02 * (number % 3))
        return str(number)

    stub_server.answer = slow
    heard: dict[int, str] = {}
    chats = [Chat("m", [{"role": "user", "content": str(number)}]) for number in range(40)]
    answers = connect(stub_server.url).ask(chats, lambda number, answer: heard.update({number: answer.text}))
    assert [answer.text for answer in answers] == [str(number) for number in range(40)]
    assert heard == {number: str(number) for number in range(40)}
    assert 2 <= stub_server.most_at_once <= 8


def test_nothing_to_ask(stub_server: Any, connect: Any) -> None:
    assert connect(stub_server.url).ask([]) == []
    assert stub_server.requests == []


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_passing_fault_is_tried_again(stub_server: Any, connect: Any, status: int) -> None:
    stub_server.says(stub_server.refusal(status, headers={"Retry-After": "0.01"}), "fine")
    (answer,) = connect(stub_server.url).ask([HELLO])
    assert answer.text == "fine"
    assert len(stub_server.requests) == 2


def test_retry_after_is_obeyed(stub_server: Any, connect: Any) -> None:
    stub_server.says(stub_server.refusal(429, headers={"Retry-After": "1.5"}), "fine")
    begun = time.monotonic()
    connect(stub_server.url).ask([HELLO])
    assert 1.5 <= time.monotonic() - begun < 6


def test_five_tries_at_most(stub_server: Any, connect: Any) -> None:
    stub_server.says(stub_server.refusal(503, "busy", headers={"Retry-After": "0.01"}))
    with pytest.raises(EndpointError, match=r"status 503 after 5 tries \(busy\)"):
        connect(stub_server.url).ask([HELLO])
    assert len(stub_server.requests) == 5


def test_a_slow_server(stub_server: Any, connect: Any) -> None:
    stub_server.answer = lambda _: time.sleep(1) or "late"
    with pytest.raises(EndpointError, match=r"no answer within 0.1 s after 1 try"):
        connect(stub_server.url, timeout=0.1, tries=1).ask([HELLO])


def test_no_server(connect: Any) -> None:
    with pytest.raises(EndpointError, match=r"http://127.0.0.1:9/v1: the server cannot be reached after 2 tries"):
        connect("http://127.0.0.1:9", tries=2).ask([HELLO])


def test_an_unknown_model(stub_server: Any, connect: Any) -> None:
    stub_server.says(stub_server.refusal(404, "no such model"))
    with pytest.raises(EndpointError, match=r"no model 'm' at this address.*no such model"):
        connect(stub_server.url).ask([HELLO])
    assert len(stub_server.requests) == 1


@pytest.mark.parametrize(
    "body", [b'{"choices": [', b'{"choices": []}', b"{}", b"[]", b"null", b'{"choices": [{"message": null}]}', b"\xff"]
)
def test_a_malformed_body_twice_is_an_error(stub_server: Any, connect: Any, body: bytes) -> None:
    bad = (200, {"Content-Type": "application/json"}, body)
    endpoint = connect(stub_server.url, tries=2)
    stub_server.says(bad, "fine")
    assert endpoint.ask([HELLO])[0].text == "fine"
    stub_server.says(bad)
    with pytest.raises(EndpointError, match="no chat completion"):
        endpoint.ask([HELLO])


def test_a_web_page_is_no_answer(stub_server: Any, connect: Any) -> None:
    stub_server.says((200, {"Content-Type": "text/html"}, b"<html>Welcome</html>"))
    with pytest.raises(EndpointError, match="no chat completion after 1 try"):
        connect(stub_server.url, tries=1).ask([HELLO])


def test_an_answer_without_text_or_half_a_pair(stub_server: Any, connect: Any) -> None:
    endpoint = connect(stub_server.url)
    stub_server.says(stub_server.completion(None))
    assert endpoint.ask([HELLO])[0].text == ""
    stub_server.says("half \ud83d pair")
    assert endpoint.ask([HELLO])[0].text == "half ? pair"


def _picky(stub_server: Any) -> Callable[[dict[str, Any]], Any]:
    def answer(body: dict[str, Any]) -> Any:
        for name in ("max_tokens", "temperature"):
            if name in body:
                return stub_server.refusal(400, f"no {name}", param=name, code="unsupported_parameter")
        return "fine"

    return answer


def test_refused_parameters_are_renamed_or_left_out(stub_server: Any, connect: Any) -> None:
    stub_server.answer = _picky(stub_server)
    endpoint = connect(stub_server.url, at_once=3)
    chat = Chat("m", HELLO.messages, HELLO.params, frozenset({"temperature"}))
    assert [answer.text for answer in endpoint.ask([chat] * 6)] == ["fine"] * 6
    before = len(stub_server.requests)
    endpoint.ask([chat])
    assert stub_server.requests[before:] == [
        {"model": "m", "messages": HELLO.messages, "max_completion_tokens": 9, "top_k": 4}
    ]


def test_a_refused_parameter_that_is_needed_is_an_error(stub_server: Any, connect: Any) -> None:
    stub_server.answer = _picky(stub_server)
    with pytest.raises(EndpointError, match=r"refuses the request with status 400 \(no temperature\)"):
        connect(stub_server.url).ask([HELLO])


def test_one_failure_ends_all_and_keeps_what_came(stub_server: Any, connect: Any) -> None:
    def answer(body: dict[str, Any]) -> Any:
        return stub_server.refusal(400, "bad") if body["messages"][0]["content"] == "5" else "fine"

    stub_server.answer = answer
    heard: list[int] = []
    chats = [Chat("m", [{"role": "user", "content": str(number)}]) for number in range(1000)]
    with pytest.raises(EndpointError, match="bad"):
        connect(stub_server.url, at_once=2).ask(chats, lambda number, _: heard.append(number))
    assert set(heard) >= {0, 1, 2, 3}
    assert len(stub_server.requests) < 20


def test_the_endpoint_goes_on_after_a_failure(stub_server: Any, connect: Any) -> None:
    endpoint = connect(stub_server.url)
    stub_server.says(stub_server.refusal(400, "bad"))
    with pytest.raises(EndpointError):
        endpoint.ask([HELLO])
    stub_server.says("fine")
    assert endpoint.ask([HELLO])[0].text == "fine"


def test_an_interruption_ends_at_once(stub_server: Any, connect: Any) -> None:
    def interrupt(_: dict[str, Any]) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(3)
        return "late"

    endpoint = connect(stub_server.url)
    stub_server.says("fine")
    endpoint.ask([HELLO])
    stub_server.answer = interrupt
    begun = time.monotonic()
    # A job that a shell put into the background ignores interrupts, and so would these tests in it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            endpoint.ask([HELLO])
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - begun < 2


class TestKey:
    """The key comes from the environment, goes to the server, and nowhere else."""

    def test_it_is_sent(self, stub_server: Any, connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        connect(stub_server.url).ask([HELLO])
        monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
        connect(stub_server.url).ask([HELLO])
        monkeypatch.setenv("OTHER_KEY", "other")
        connect(stub_server.url, key_env="OTHER_KEY").ask([HELLO])
        assert stub_server.keys == ["Bearer none", f"Bearer {KEY}", "Bearer other"]

    def test_a_named_variable_must_hold_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("OTHER_KEY", raising=False)
        with pytest.raises(UsageError, match="OTHER_KEY is not set"):
            Endpoint("http://host", key_env="OTHER_KEY")

    @pytest.mark.parametrize("key", [f"{KEY}\nmore", f"{KEY} more", f"{KEY}é"])
    def test_what_is_no_key(self, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", key)
        with pytest.raises(UsageError) as caught:
            Endpoint("http://host")
        assert KEY not in str(caught.value)

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500])
    def test_no_message_traceback_or_log_holds_it(
        self, stub_server: Any, connect: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any, status: int
    ) -> None:
        caplog.set_level(logging.DEBUG)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        stub_server.says(stub_server.refusal(status, f"wrong key {KEY}\nand more"))
        with pytest.raises(DivtoolError) as caught:
            connect(stub_server.url, tries=1).ask([HELLO])
        shown = "".join(traceback.format_exception(caught.value)) + caplog.text
        assert KEY not in shown
        assert "\n" not in str(caught.value)
        if status in (401, 403):
            assert "OPENAI_API_KEY" in str(caught.value)

    def test_a_server_that_wants_one(self, stub_server: Any, connect: Any) -> None:
        stub_server.says(stub_server.refusal(401, "key please"))
        with pytest.raises(EndpointError, match=r"asks for a key.*OPENAI_API_KEY"):
            connect(stub_server.url).ask([HELLO])


@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_is_not_followed(stub_server: Any, connect: Any, status: int) -> None:
    other = f"{stub_server.url}/v1/elsewhere"
    stub_server.says((status, {"Location": other}, b""))
    with pytest.raises(EndpointError, match=str(status)):
        connect(stub_server.url).ask([HELLO])
    assert stub_server.paths == ["/v1/chat/completions"]
