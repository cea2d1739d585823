"""A made server of chat completions that answers as a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

Reply = tuple[int, dict[str, str], bytes]


def completion(text: str | None, finish_reason: str = "stop") -> Reply:
    """A chat completion with this text."""
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    body = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}
    return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()


def refusal(status: int, message: str = "", headers: dict[str, str] | None = None, **more: str) -> Reply:
    """An error in OpenAI's form."""
    body = {"error": {"message": message, **more}}
    return status, {"Content-Type": "application/json", **(headers or {})}, json.dumps(body).encode()


class StubServer:
    """Answers on a free port.

    Attributes:
        url: Its address without a path.
        requests: The bodies that came, in order.
        paths: The paths asked for.
        keys: The Authorization headers that came.
        most_at_once: The most requests under way at a time.
        answer: Makes the reply to a request body; a text stands for a completion.
    """

    completion = staticmethod(completion)
    refusal = staticmethod(refusal)

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.keys: list[str | None] = []
        self.most_at_once = 0
        self.answer: Callable[[dict[str, Any]], Reply | str] = lambda _: "Rating: [[5]]"
        self._lock = threading.Lock()
        self._under_way = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def says(self, *replies: Reply | str) -> None:
        """Give these replies one after the other, the last one for ever."""
        left = list(replies)

        def answer(_: dict[str, Any]) -> Reply | str:
            with self._lock:
                return left.pop(0) if len(left) > 1 else left[0]

        self.answer = answer

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with stub._lock:
                    stub.requests.append(body)
                    stub.paths.append(self.path)
                    stub.keys.append(self.headers["Authorization"])
                    stub._under_way += 1
                    stub.most_at_once = max(stub.most_at_once, stub._under_way)
                reply = stub.answer(body)
                status, headers, content = completion(reply) if isinstance(reply, str) else reply
                with stub._lock:
                    stub._under_way -= 1
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                with suppress(ConnectionError):  # A client that gave up is part of some tests.
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@pytest.fixture
def stub_server() -> Iterator[StubServer]:
    """A made OpenAI-compatible server."""
    server = StubServer()
    yield server
    server.close()
