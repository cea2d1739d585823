"""A server of the tests' own that answers as OpenAI-compatible ones do, and fails as they do."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TIMEOUT = 2.0
FAULTS = ("429", "500", "timeout", "drop", "broken", "half")
Reply = tuple[int, dict[str, str], bytes]


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # With the usual five, connections that come together wait a second.

    def handle_error(self, *_: Any) -> None:
        """Say nothing: clients that give up are part of the tests."""


class Server:
    """Answers every choice with a text of its own, so that a lost or doubled response is seen.

    Attributes:
        url: Its address.
        asked: Bodies that came.
        served: Texts that were sent off whole.
        most: The most requests under way at a time.
        n: Whether it gives several answers to one request.
        delay: Seconds that an answer takes.
        faulty: Share of the requests that meet a fault.
        reply: Makes another reply to a body, where it makes one.
    """

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.served: set[str] = set()
        self.injected: dict[str, int] = dict.fromkeys(FAULTS, 0)
        self.most = 0
        self.n = True
        self.delay = self.faulty = 0.0
        self.reply: Callable[[dict[str, Any]], Reply | None] = lambda _: None
        self.models: list[str] | None = ["m"]
        self._under_way = self._texts = 0
        self._random = random.Random(7)
        self._lock = threading.Lock()
        self._start(0)

    def _start(self, port: int) -> None:
        self._http = _Listener(("127.0.0.1", port), self._handler())
        self.port = self._http.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def answer(self, body: dict[str, Any]) -> Reply:
        """The reply to a body, without a fault."""
        made = self.reply(body)
        if made is not None:
            return made
        with self._lock:
            numbers = [self._texts + place for place in range(body.get("n", 1) if self.n else 1)]
            self._texts += len(numbers)
        choices = [self._choice(number, "prompt" in body) for number in numbers]
        usage = {"prompt_tokens": 7, "completion_tokens": 3 * len(choices), "total_tokens": 7 + 3 * len(choices)}
        said = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": choices, "usage": usage}
        return 200, {"Content-Type": "application/json"}, json.dumps(said).encode()

    def _choice(self, number: int, plain: bool) -> dict[str, Any]:
        text = f"text {number}"
        if plain:
            return {"index": 0, "finish_reason": "stop", "text": text, "logprobs": {"token_logprobs": [-1.0, -0.5]}}
        tokens = {"content": [{"token": word, "logprob": -0.25} for word in text.split()]}
        message = {"role": "assistant", "content": text}
        return {"index": 0, "finish_reason": "stop", "message": message, "logprobs": tokens}

    def _fault(self) -> str:
        with self._lock:
            if self._random.random() >= self.faulty:
                return ""
            kind = self._random.choice(FAULTS)
            self.injected[kind] += 1
            return kind

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        own = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if own.models is None:
                    self._send((404, {}, b""))
                    return
                self._send((200, {}, json.dumps({"data": [{"id": name} for name in own.models]}).encode()))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with own._lock:
                    own.asked.append(body)
                    own.paths.append(self.path)
                    own._under_way += 1
                    own.most = max(own.most, own._under_way)
                try:
                    self._answer(body, own._fault())
                finally:
                    with own._lock:
                        own._under_way -= 1

            def _answer(self, body: dict[str, Any], fault: str) -> None:
                time.sleep(TIMEOUT + 1 if fault == "timeout" else own.delay)
                if fault in ("timeout", "drop"):
                    self.close_connection = True
                elif fault == "429":
                    self._send((429, {"Retry-After": "0.05"}, b'{"error": {"message": "slow down"}}'))
                elif fault == "500":
                    self._send((500, {}, b"oops"))
                else:
                    self._send(own.answer(body), fault)

            def _send(self, reply: Reply, fault: str = "") -> None:
                status, headers, content = reply
                sent = content[: len(content) // 2] if fault else content
                with suppress(ConnectionError):
                    self.send_response(status)
                    length = len(sent) if fault == "broken" else len(content)
                    for name, value in {**headers, "Content-Length": str(length)}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(sent)
                if fault == "half":
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def refused(message: str, status: int = 400, **more: str) -> Reply:
    return status, {"Content-Type": "application/json"}, json.dumps({"error": {"message": message, **more}}).encode()
