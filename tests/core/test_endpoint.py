"""The client of OpenAI-compatible servers: what it sends, what it tries again, and what it says when it gives up."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from typing import Any

import pytest

from divtool.core.endpoint.address import base_url
from divtool.core.endpoint.client import Chat, Endpoint, EndpointError, RequestRefused
from divtool.core.endpoint.faults import wait_before
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


def _several(stub_server: Any, *texts: str, **more: Any) -> Any:
    choices = [{"finish_reason": "stop", "message": {"content": text}, **more} for text in texts]
    usage = {"prompt_tokens": 7, "completion_tokens": 9}
    return 200, {}, json.dumps({"choices": choices, "usage": usage}).encode()


def test_all_answers_to_a_request(stub_server: Any, connect: Any) -> None:
    tokens = [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1.25}]
    stub_server.says(_several(stub_server, "one", "two", logprobs={"content": tokens}))
    (answers,) = connect(stub_server.url).ask_each([HELLO])
    assert [(answer.text, answer.completion_tokens, answer.logprob) for answer in answers] == [
        ("one", 2, -1.75), ("two", 2, -1.75),
    ]  # fmt: skip
    assert [answer.text for answer in connect(stub_server.url).ask([HELLO])] == ["one"]
    # Nine tokens of both answers together say nothing of either.
    stub_server.says(_several(stub_server, "one", "two"))
    (answers,) = connect(stub_server.url).ask_each([HELLO])
    assert [(answer.completion_tokens, answer.logprob) for answer in answers] == [(None, None)] * 2


@pytest.mark.parametrize(
    "logprobs",
    [None, [], {}, {"content": None}, {"content": [{"token": "a"}]}, {"content": [{"logprob": float("-inf")}]},
     {"token_logprobs": [None, -1.0]}, {"token_logprobs": "none"}],
)  # fmt: skip
def test_log_probabilities_that_are_none(stub_server: Any, connect: Any, logprobs: Any) -> None:
    stub_server.says(_several(stub_server, "one", logprobs=logprobs))
    (answer,) = connect(stub_server.url).ask([HELLO])
    assert (answer.logprob, answer.completion_tokens) == (None, 9)


def test_a_refused_request_stands_beside_the_answers(stub_server: Any, connect: Any) -> None:
    def answer(body: dict[str, Any]) -> Any:
        if body["messages"][0]["content"] == "bad":
            return stub_server.refusal(413, "too long", param="temperature")
        return "fine"

    stub_server.answer = answer
    params = {"temperature": 1.0}
    chats = [Chat("m", [{"role": "user", "content": text}], params) for text in ("good", "bad", "good")]
    one, refused, other = connect(stub_server.url).ask_each(chats)
    assert (one[0].text, other[0].text) == ("fine", "fine")
    assert isinstance(refused, RequestRefused)
    assert (refused.status, refused.said, refused.names) == (413, "too long", {"temperature"})


def test_what_fails_while_others_are_answered_is_about_the_request(stub_server: Any, connect: Any) -> None:
    def answer(body: dict[str, Any]) -> Any:
        bad = body["messages"][0]["content"] == "bad"
        return stub_server.refusal(500, "no", headers={"Retry-After": "0.3"}) if bad else "fine"

    stub_server.answer = answer
    chats = [Chat("m", [{"role": "user", "content": text}]) for text in ("bad", *"abcdef")]
    refused, *others = connect(stub_server.url, tries=2).ask_each(chats)
    assert isinstance(refused, RequestRefused)
    assert all(isinstance(other, list) for other in others)
    with pytest.raises(EndpointError, match="fails with status 500") as caught:
        connect(stub_server.url, tries=1).ask_each(chats[:1])
    assert not isinstance(caught.value, RequestRefused)


def test_a_wait_that_is_too_long_ends_the_request(stub_server: Any, connect: Any) -> None:
    stub_server.says(stub_server.refusal(429, headers={"Retry-After": "3600"}))
    with pytest.raises(EndpointError, match=r"used up after 1 try; it asks to wait 3,600 s; go on later"):
        connect(stub_server.url).ask([HELLO])


def test_a_server_may_say_that_another_try_is_no_use(stub_server: Any, connect: Any) -> None:
    stub_server.says(stub_server.refusal(429, "no money", headers={"x-should-retry": "false"}))
    with pytest.raises(EndpointError, match=r"after 1 try \(no money\)"):
        connect(stub_server.url).ask([HELLO])


def test_waits_are_random_below_a_bound_that_doubles() -> None:
    for attempt, bound in ((1, 0.5), (2, 1.0), (4, 4.0), (20, 30.0), (2000, 30.0)):
        waits = [wait_before(attempt) for _ in range(400)]
        assert 0 <= min(waits) < bound / 10
        assert 0.9 * bound < max(waits) <= bound


def test_troubles_are_counted(stub_server: Any, connect: Any) -> None:
    soon = {"Retry-After": "0.01"}
    broken = (200, {}, b"{")
    stub_server.says(stub_server.refusal(429, headers=soon), stub_server.refusal(500, headers=soon), broken, "fine")
    endpoint = connect(stub_server.url)
    endpoint.ask([HELLO])
    assert endpoint.troubles == {"status 429": 1, "status 500": 1, "broken answers": 1}
    assert endpoint.sent == 4


def test_plain_text(stub_server: Any, connect: Any) -> None:
    body = {"choices": [{"text": " a time", "finish_reason": "length", "logprobs": {"token_logprobs": [-1.0, -2.0]}}]}
    stub_server.says((200, {}, json.dumps(body).encode()))
    (answer,) = connect(stub_server.url).ask([Chat("m", "Once upon", {"max_tokens": 2})])
    assert (answer.text, answer.finish_reason, answer.completion_tokens, answer.logprob) == (" a time", "length", 2, -3)
    assert stub_server.paths == ["/v1/completions"]
    assert stub_server.requests == [{"model": "m", "prompt": "Once upon", "max_tokens": 2}]


def test_requests_can_be_given_up_from_another_thread(stub_server: Any, connect: Any) -> None:
    asked = threading.Event()

    def answer(_: dict[str, Any]) -> str:
        asked.set()
        time.sleep(3)
        return "late"

    stub_server.answer = answer
    endpoint = connect(stub_server.url)

    def give_up() -> None:
        asked.wait(60)
        endpoint.cancel()

    threading.Thread(target=give_up, daemon=True).start()
    with pytest.raises(CancelledError):
        endpoint.ask([HELLO])
    stub_server.says("fine")
    assert endpoint.ask([HELLO])[0].text == "fine"


def test_a_key_in_a_text_is_taken_out_and_a_short_one_is_a_word(
    stub_server: Any, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub_server.says(f"A word and {KEY}.")
    for key, shown in ((KEY, "A word and ***."), ("word", f"A word and {KEY}.")):
        monkeypatch.setenv("OPENAI_API_KEY", key)
        assert connect(stub_server.url).ask([HELLO])[0].text == shown
