"""`sample --endpoint` against a server of the tests' own that fails as real ones do."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from .answering import TIMEOUT, Reply, Server, refused
from .kills import killed_often

pytest.importorskip("openai")

KEY = "sk-very-secret-0123456789"


@pytest.fixture
def prompts(tmp_path: Path) -> Callable[[int], list[str]]:
    """Writes so many prompts; gives their ids."""

    def write(count: int) -> list[str]:
        names = [f"p{number:03}" for number in range(count)]
        lines = [json.dumps({"prompt_id": name, "prompt": f"Say {name}", "mine": name}) + "\n" for name in names]
        (tmp_path / "prompts.jsonl").write_text("".join(lines))
        return names

    return write


def records(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def keys(path: Path) -> list[tuple[str, int, int]]:
    return [(row["prompt_id"], row["sample_index"], row["turn"]) for row in records(path)]


def said_of(body: dict[str, Any]) -> str:
    text: str = body["messages"][-1]["content"]
    return text


def test_records_and_requests(divtool: Any, server: Server, prompts: Any, tmp_path: Path) -> None:
    names = prompts(3)
    done = divtool("sample", "prompts.jsonl", "--endpoint", server.url, "-o", "r.jsonl")
    assert done.returncode == 0, done.stderr
    rows = records(tmp_path / "r.jsonl")
    assert keys(tmp_path / "r.jsonl") == [(name, index, 1) for name in names for index in range(4)]
    assert len({row["response"] for row in rows}) == 12
    first = rows[0]
    assert (first["mine"], first["model"], first["seed"], first["finish_reason"]) == ("p000", "m", 0, "stop")
    assert (first["n_tokens"], first["logprob"]) == (2, -0.5)
    assert first["params"]["strategy"] == "direct"
    assert len(server.asked) == 3
    assert server.paths == ["/v1/chat/completions"] * 3
    body = next(body for body in server.asked if said_of(body) == "Say p000")
    # A seed would give some servers' answers all the same draw.
    assert body == {
        "model": "m", "messages": [{"role": "user", "content": "Say p000"}], "temperature": 1.0, "top_p": 1.0,
        "max_tokens": 512, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, "logprobs": True, "n": 4,
    }  # fmt: skip
    assert b"12 chats, 24 tokens" in done.stderr
    assert f"3 requests to {server.url}/v1\n".encode() in done.stderr


def test_probabilities_are_those_of_temperature_one_only(divtool: Any, server: Server, prompts: Any) -> None:
    prompts(1)
    for setting in (("--temperature", "0.7"), ("--top-p", "0.9"), ("--top-k", "5"), ("--min-p", "0.1")):
        done = divtool("sample", "prompts.jsonl", "--endpoint", server.url, *setting)
        assert [orjson.loads(line)["logprob"] for line in done.stdout.splitlines()] == [None] * 4
    assert [body["top_k"] for body in server.asked] == [-1, -1, 5, -1]


def test_fifty_prompts_through_faults(divtool: Any, server: Server, prompts: Any, tmp_path: Path) -> None:
    """A fifth of the requests meets a fault; nothing is lost, nothing double, and the failures are said."""
    names = prompts(50)
    server.faulty, server.n = 0.2, False
    command = ("sample", "prompts.jsonl", "--endpoint", server.url, "-o", "r.jsonl", "--timeout", str(TIMEOUT))
    done = divtool(*command, "--concurrency", "32")
    assert done.returncode == 0, done.stderr
    assert keys(tmp_path / "r.jsonl") == [(name, index, 1) for name in names for index in range(4)]
    rows = records(tmp_path / "r.jsonl")
    assert len({row["response"] for row in rows}) == 200
    assert all(row["mine"] == row["prompt_id"] for row in rows)
    assert min(server.injected.values()) > 0, server.injected
    said = done.stderr.decode()
    for kind, count in (("429", "429"), ("500", "500")):
        assert f"{server.injected[count]} status {kind}" in said
    assert " timeouts" in said
    assert " lost connections" in said
    assert f"{server.injected['broken']} broken answers" in said
    assert f"{len(server.asked)} requests to" in said
    assert " retries" in said


def test_an_interruption_ends_at_once(server: Server, prompts: Any, tmp_path: Path) -> None:
    prompts(30)
    server.reply = lambda body: time.sleep(20 if said_of(body) > "Say p003" else 0)  # type: ignore[func-returns-value]
    command = [sys.executable, "-m", "divtool", "sample", "prompts.jsonl", "--endpoint", server.url, "-o", "r.jsonl"]
    running = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    )
    deadline = time.monotonic() + 120
    while len(records(tmp_path / "r.jsonl")) < 16 and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    begun = time.monotonic()
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert time.monotonic() - begun < 15
    assert b"Traceback" not in said
    assert b"Exception" not in said
    assert len(records(tmp_path / "r.jsonl")) == 16


def test_a_server_that_stays_down_leaves_a_file_to_go_on_from(
    divtool: Any, server: Server, prompts: Any, tmp_path: Path
) -> None:
    names = prompts(8)
    path = tmp_path / "r.jsonl"
    down = {said: refused("out of order", 503) for said in ("Say p003", "Say p004", "Say p005", "Say p006")}
    server.reply = lambda body: down.get(said_of(body))
    command = ("sample", "prompts.jsonl", "--endpoint", server.url, "--model", "m", "-o", "r.jsonl")
    done = divtool(*command, "--tries", "2", "--concurrency", "2")
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1] == (
        f"error: {server.url}/v1: the server fails with status 503 after 2 tries (out of order); "
        "12 responses were written, --resume goes on"
    )
    assert keys(path) == [(name, index, 1) for name in names[:3] for index in range(4)]
    before = path.read_bytes()
    server.close()
    done = divtool(*command, "--tries", "2", "--resume")
    assert done.returncode == 1
    assert b"the server cannot be reached after 2 tries; check the address, and that the server runs" in done.stderr
    assert path.read_bytes() == before
    server.reply = lambda _: None
    server.asked.clear()
    server._start(server.port)
    done = divtool(*command, "--resume")
    assert done.returncode == 0, done.stderr
    assert keys(path) == [(name, index, 1) for name in names for index in range(4)]
    assert path.read_bytes().startswith(before)
    assert {said_of(body) for body in server.asked} == {f"Say {name}" for name in names[3:]}


@pytest.mark.skipif(sys.platform != "linux", reason="a fork of loaded libraries is not safe")
def test_thirty_kills_lose_nothing_and_double_nothing(
    divtool: Any, forked_divtool: Any, server: Server, prompts: Any, tmp_path: Path
) -> None:
    names = prompts(200)
    command = (
        "sample", "prompts.jsonl", "--endpoint", server.url, "--strategy", "sequential", "-n", "2",
        "--concurrency", "4",
    )  # fmt: skip
    server.delay = 0.002
    done = divtool(*command, "-o", "whole.jsonl")
    assert done.returncode == 0, done.stderr
    path, again = tmp_path / "r.jsonl", (*command, "-o", "r.jsonl", "--resume")
    killed_often(lambda: forked_divtool(*again), path, (tmp_path / "whole.jsonl").stat().st_size, seed=21)
    done = divtool(*again)
    assert done.returncode == 0, done.stderr
    assert keys(path) == [(name, index, turn) for name in names for index in range(2) for turn in (1, 2)]
    rows = records(path)
    assert len({row["response"] for row in rows}) == len(rows)
    assert all(row.keys() == rows[0].keys() and row["mine"] == row["prompt_id"] for row in rows)
    # What was asked for the second turns holds the first turns of the file, also where a kill came between the two.
    followed = {body["messages"][1]["content"] for body in server.asked if len(body["messages"]) == 3}
    assert {row["response"] for row in rows if row["turn"] == 1} <= followed


@pytest.mark.parametrize("refuses", [False, True])
def test_a_server_without_n_is_asked_one_at_a_time(
    divtool: Any, server: Server, prompts: Any, tmp_path: Path, refuses: bool
) -> None:
    names = prompts(5)
    server.n = False
    if refuses:
        server.reply = lambda body: refused("Only one completion choice is allowed") if "n" in body else None
    done = divtool("sample", "prompts.jsonl", "--endpoint", server.url, "-o", "r.jsonl", "--concurrency", "1")
    assert done.returncode == 0, done.stderr
    assert keys(tmp_path / "r.jsonl") == [(name, index, 1) for name in names for index in range(4)]
    assert len({row["response"] for row in records(tmp_path / "r.jsonl")}) == 20
    several = [body for body in server.asked if "n" in body]
    # Two prompts are at work before the first answer, and until then a refusal may be about anything: three tries each.
    assert 1 <= len(several) <= (6 if refuses else 2)
    assert "logprobs" in server.asked[-1]
    seeds = [body["seed"] for body in server.asked if "seed" in body]
    assert len(set(seeds)) == len(seeds) >= 15 - len(several)


def _too_long(body: dict[str, Any]) -> Reply | None:
    return refused("maximum context length is 8 tokens") if said_of(body) in ("Say p000", "Say p002") else None


def test_a_refused_prompt_ends_the_run_in_its_turn(divtool: Any, server: Server, prompts: Any, tmp_path: Path) -> None:
    prompts(5)
    server.reply = lambda body: _too_long(body) if said_of(body) != "Say p000" else None
    done = divtool("sample", "prompts.jsonl", "--endpoint", server.url, "-o", "r.jsonl")
    assert done.returncode == 1
    last = done.stderr.decode().splitlines()[-1]
    assert "status 400 (maximum context length is 8 tokens) (prompt_id 'p002'); --on-error skip leaves" in last
    assert "8 responses were written, --resume goes on" in last
    assert {row["prompt_id"] for row in records(tmp_path / "r.jsonl")} == {"p000", "p001"}


def test_refused_prompts_are_counted_and_left_out(divtool: Any, server: Server, prompts: Any, tmp_path: Path) -> None:
    prompts(5)
    server.reply = _too_long
    command = ("sample", "prompts.jsonl", "--endpoint", server.url, "-n", "2", "--on-error", "skip", "-o", "r.jsonl")
    done = divtool(*command)
    assert done.returncode == 0, done.stderr
    path = tmp_path / "r.jsonl"
    whole = path.read_bytes()
    assert keys(path) == [(name, index, 1) for name in ("p001", "p003", "p004") for index in range(2)]
    assert b"4 refused" in done.stderr
    assert b"4 responses left out; the last refusal: " in done.stderr
    # What was left out between responses stays so; what comes behind them is drawn.
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]))
    server.asked.clear()
    done = divtool(*command, "--resume")
    assert done.returncode == 0, done.stderr
    assert b"4 chats that the earlier run left out stay out" in done.stderr
    assert keys(path) == [(name, index, 1) for name in ("p001", "p003", "p004") for index in range(2)]
    assert [said_of(body) for body in server.asked if "n" not in body] == ["Say p003"]
    assert divtool(*command[:-4], "-o", "r.jsonl", "--resume").returncode == 1


def test_nothing_but_refusals_is_a_failure(divtool: Any, server: Server, prompts: Any) -> None:
    prompts(2)
    server.reply = lambda _: refused("no")
    done = divtool("sample", "prompts.jsonl", "--endpoint", server.url, "--on-error", "skip")
    assert done.returncode == 1
    assert b"error: nothing was drawn: " in done.stderr


def test_a_refused_turn_leaves_the_turn_before(divtool: Any, server: Server, prompts: Any) -> None:
    prompts(2)
    server.reply = lambda body: refused("too long") if len(body["messages"]) > 1 and body["seed"] % 2 else None
    command = ("sample", "prompts.jsonl", "--endpoint", server.url, "-n", "8", "--strategy", "sequential")
    rows = [orjson.loads(line) for line in divtool(*command, "--on-error", "skip").stdout.splitlines()]
    first = [(row["prompt_id"], row["sample_index"]) for row in rows if row["turn"] == 1]
    assert first == [(name, index) for name in ("p000", "p001") for index in range(8)]
    assert 0 < sum(row["turn"] == 2 for row in rows) < 16


STRICT = ("top_k", "min_p", "repetition_penalty")


def _strict(body: dict[str, Any]) -> Reply | None:
    """As `transformers serve` does."""
    unknown = {name for name in STRICT if name in body}
    return refused(f"Unexpected fields in the request: {unknown}", 422) if unknown else None


@pytest.mark.parametrize(
    "reply",
    [
        _strict,
        # As OpenAI does: one at a time, in the text alone.
        lambda body: refused("Unrecognized request argument supplied: min_p") if "min_p" in body else _strict(body),
        # As FastAPI does.
        lambda body: (
            (422, {}, json.dumps({"detail": [{"loc": ["body", "top_k"], "msg": "extra", "input": body}]}).encode())
            if "top_k" in body else None
        ),
        # As some do: without a name.
        lambda body: refused("invalid value: integer `-1`, expected usize") if "top_k" in body else None,
    ],
)  # fmt: skip
def test_what_changes_nothing_is_left_out_for_a_strict_server(
    divtool: Any, server: Server, prompts: Any, reply: Any
) -> None:
    prompts(4)
    server.reply = reply
    done = divtool("sample", "prompts.jsonl", "--endpoint", server.url, "--concurrency", "1")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 16
    assert b"the server does not take min_p, repetition_penalty, top_k: it may truncate in its own way" in done.stderr
    assert all("logprobs" in body for body in server.asked)
    assert not set(STRICT) & server.asked[-1].keys()


@pytest.mark.parametrize("option", ["--top-k", "--min-p", "--repetition-penalty"])
def test_an_option_that_the_server_refuses_is_named(divtool: Any, server: Server, prompts: Any, option: str) -> None:
    prompts(4)
    server.reply = _strict
    done = divtool("sample", "prompts.jsonl", "--endpoint", server.url, option, "1", "--on-error", "skip")
    assert done.returncode == (0 if option == "--repetition-penalty" else 2), done.stderr
    if option != "--repetition-penalty":  # 1 is none.
        assert f"error: the server does not take {option} (Unexpected fields".encode() in done.stderr
        assert done.stdout == b""


def test_sixty_four_at_a_time(divtool: Any, server: Server, prompts: Any) -> None:
    """The flight is full; how near to the ideal it comes on an idle machine is for `benchmarks/endpoint.py` to say."""
    prompts(256)
    server.delay = 0.5
    times: list[float] = []

    def reply(_: dict[str, Any]) -> None:
        times.append(time.monotonic())
        while server.most < 64 and time.monotonic() < times[0] + 60:  # A slow machine takes long to send so many.
            time.sleep(0.05)

    server.reply = reply  # type: ignore[assignment]
    done = divtool("sample", "prompts.jsonl", "--endpoint", server.url, "-n", "1", "--concurrency", "64")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 256
    assert server.most == 64
    # Three more rounds of half a second; one request at a time would take 96 s.
    assert times[-1] - times[63] < 24


def test_a_slow_answer_does_not_stall_the_flight(divtool: Any, server: Server, prompts: Any) -> None:
    names = prompts(30)
    order: list[str] = []

    def reply(body: dict[str, Any]) -> None:
        if said_of(body) == "Say p000":
            deadline = time.monotonic() + 60
            while len(order) < 15 and time.monotonic() < deadline:
                time.sleep(0.01)
        order.append(said_of(body))

    server.reply = reply  # type: ignore[assignment]
    done = divtool("sample", "prompts.jsonl", "--endpoint", server.url, "-n", "1", "--concurrency", "4")
    assert order.index("Say p000") >= 15
    assert [orjson.loads(line)["prompt_id"] for line in done.stdout.splitlines()] == names


def test_other_strategies(divtool: Any, server: Server, prompts: Any) -> None:
    prompts(2)

    def drawn(*more: str) -> list[dict[str, Any]]:
        done = divtool("sample", "prompts.jsonl", "--endpoint", server.url, *more)
        assert done.returncode == 0, done.stderr
        return [orjson.loads(line) for line in done.stdout.splitlines()]

    rows = drawn("--strategy", "sequential", "-n", "2", "--turns", "3")
    assert [(row["sample_index"], row["turn"]) for row in rows[:6]] == [(i, t) for i in range(2) for t in (1, 2, 3)]
    last = max(server.asked, key=lambda body: len(body["messages"]))["messages"]
    assert [message["role"] for message in last] == ["user", "assistant", "user", "assistant", "user"]
    assert last[1]["content"] in {row["response"] for row in rows if row["turn"] == 1}
    assert [row["possibility"] for row in drawn("--strategy", "possibility")] == [1, 2, 3, 4] * 2
    server.asked.clear()
    grid = drawn("-n", "2", "--temperature", "0.5,1.0")
    assert [row["params"]["temperature"] for row in grid] == [0.5, 0.5, 1.0, 1.0] * 2
    assert sorted(body["temperature"] for body in server.asked) == [0.5, 0.5, 1.0, 1.0]

    def listed(_: dict[str, Any]) -> Reply:
        message = {"content": "1. A wren.\n2. An owl.\n3. A crow.\n4. A jay."}
        return 200, {}, json.dumps({"choices": [{"finish_reason": "stop", "message": message}]}).encode()

    server.reply = listed
    assert [row["response"] for row in drawn("--strategy", "list")] == ["A wren.", "An owl.", "A crow.", "A jay."] * 2


def test_plain_completions(divtool: Any, server: Server, prompts: Any) -> None:
    prompts(1)
    command = ("sample", "prompts.jsonl", "--endpoint", server.url, "--completions")
    (row, *_) = [orjson.loads(line) for line in divtool(*command).stdout.splitlines()]
    assert (row["response"], row["n_tokens"], row["logprob"]) == ("text 0", 2, -1.5)
    assert server.paths == ["/v1/completions"]
    assert (server.asked[0]["prompt"], server.asked[0]["n"], server.asked[0]["logprobs"]) == ("Say p000", 4, 1)
    done = divtool(*command, "--strategy", "sequential")
    assert done.returncode == 2
    assert b"this one is a chat; leave it out" in done.stderr


def test_empty_responses_are_pointed_at(divtool: Any, server: Server, prompts: Any) -> None:
    prompts(1)
    choice = {"finish_reason": "length", "message": {"content": None, "reasoning_content": "Well"}}
    server.reply = lambda body: (200, {}, json.dumps({"choices": [choice] * body["n"]}).encode())
    done = divtool("sample", "prompts.jsonl", "--endpoint", server.url, "-n", "2")
    assert b"2 responses are empty: a model that thinks first may need more tokens" in done.stderr


def test_equal_responses_are_pointed_at(divtool: Any, server: Server, prompts: Any) -> None:
    prompts(3)
    choice = {"finish_reason": "stop", "message": {"content": "The same."}}
    server.reply = lambda body: (200, {}, json.dumps({"choices": [choice] * body["n"]}).encode())
    command = ("sample", "prompts.jsonl", "--endpoint", server.url)
    assert b"each of 3 prompts has equal responses only: the server may not sample" in divtool(*command).stderr
    assert b"equal responses" not in divtool(*command, "--temperature", "0").stderr
    row = orjson.loads(divtool(*command).stdout.splitlines()[0])
    assert (row["n_tokens"], row["logprob"]) == (None, None)


def test_the_only_model_is_taken(divtool: Any, server: Server, prompts: Any) -> None:
    prompts(1)
    command = ("sample", "prompts.jsonl", "--endpoint", server.url)
    for models, words in ((["a", "b"], "has 2 models: a, b"), ([], "names no model")):
        server.models = models
        done = divtool(*command)
        assert done.returncode == 2
        assert f"error: {server.url}/v1 {words}; choose one with --model NAME" in done.stderr.decode()
    assert server.asked == []
    server.models = None
    assert b"the server does not say which models it has; choose one with --model NAME" in divtool(*command).stderr
    server.models = ["the one"]
    assert {orjson.loads(line)["model"] for line in divtool(*command).stdout.splitlines()} == {"the one"}


def test_a_rate_limit(divtool: Any, server: Server, prompts: Any) -> None:
    prompts(12)
    times: list[float] = []
    server.reply = lambda _: times.append(time.monotonic())  # type: ignore[func-returns-value]
    command = ("sample", "prompts.jsonl", "--endpoint", server.url, "-n", "1")
    assert divtool(*command, "--requests-per-minute", "600").returncode == 0
    assert times[-1] - times[0] >= 0.6  # Eleven gaps of a tenth, less what the first one took longer to arrive.


class TestKey:
    """Nothing that the run writes holds the key, whatever the server does with it."""

    @pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500])
    @pytest.mark.parametrize("debug", [(), ("--debug",)])
    def test_it_is_nowhere(
        self, divtool: Any, server: Server, prompts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        status: int, debug: tuple[str, ...],
    ) -> None:  # fmt: skip
        prompts(2)
        monkeypatch.setenv("MY_KEY", KEY)
        choice = {"finish_reason": "stop", "message": {"content": f"Your key is {KEY}."}}
        body = (
            {"choices": [choice]} if status == 200 else {"error": {"message": f"Bearer {KEY}\nwas sent", "param": KEY}}
        )
        server.reply = lambda _: (status, {"X-Key": KEY}, json.dumps(body).encode())
        command = (
            "sample",
            "prompts.jsonl",
            "--endpoint",
            server.url,
            "--key-env",
            "MY_KEY",
            "-n",
            "1",
            "--tries",
            "1",
        )
        done = divtool(*command, "-o", "r.jsonl", *debug)
        assert done.returncode == (0 if status == 200 else 1)
        files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert KEY.encode() not in done.stdout + done.stderr + files
        assert status != 200 or b"Your key is ***." in files


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--adapter a", "--adapter is for a model in this process, and --endpoint has none: leave it out"),
        ("--dtype bfloat16", "--dtype is for a model in this process"),
        ("--device cpu", "--device is for a model in this process"),
        ("--4bit", "--4bit is for a model in this process"),
        ("--trust-remote-code", "--trust-remote-code is for a model in this process"),
        ("--backend transformers", "--backend transformers draws in this process: leave one out"),
        ("--timeout 0", "--timeout 0: give a number above 0"),
        ("--requests-per-minute nan", "--requests-per-minute nan: give a number above 0"),
        ("--key-env NO_SUCH_KEY", "the environment variable NO_SUCH_KEY is not set"),
    ],
)
def test_wrong_usage(divtool: Any, prompts: Any, arguments: str, words: str) -> None:
    prompts(1)
    done = divtool("sample", "prompts.jsonl", "--endpoint", "http://127.0.0.1:9", *arguments.split())
    assert done.returncode == 2
    assert words in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("arguments", ["--concurrency 4", "--key-env X", "--completions", "--tries 2", "--timeout 3"])
def test_options_of_a_server_need_one(divtool: Any, prompts: Any, arguments: str) -> None:
    prompts(1)
    done = divtool("sample", "prompts.jsonl", "--backend", "echo", *arguments.split())
    assert done.returncode == 2
    assert f"error: {arguments.split()[0]} needs --endpoint URL\n" == done.stderr.decode()
    assert divtool("sample", "prompts.jsonl", "--backend", "endpoint").returncode == 2
