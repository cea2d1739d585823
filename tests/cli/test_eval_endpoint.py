"""`eval --endpoint`: the runs of a call are drawn from a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from .answering import Server, refused

pytest.importorskip("openai")

_COMMAND = ("eval", "--task", "pool", "--protocol", "2503.17126", "--count", "3", "-n", "3", "-o", "m.jsonl")
_QUICK = ("--metrics", "distinct_1,unique_share", "--preset", "quick")


def _rows(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def _measured(folder: Path) -> dict[str, dict[str, Any]]:
    return {row["metric"]: row for row in _rows(folder / "m.jsonl") if row["role"] != "reference"}


def _alike(body: dict[str, Any]) -> Any:
    """The model `tuned` says something else each time, the other one one thing only."""
    if body["model"] == "tuned":
        return None
    message = {"role": "assistant", "content": "the same answer again"}
    choices = [{"index": place, "finish_reason": "stop", "message": message} for place in range(body.get("n", 1))]
    said = {"id": "1", "object": "chat.completion", "created": 0, "model": "base", "choices": choices}
    return 200, {"Content-Type": "application/json"}, json.dumps(said).encode()


def test_two_models_of_a_server(divtool: Any, server: Server, tmp_path: Path) -> None:
    server.reply = _alike
    done = divtool(*_COMMAND, *_QUICK, "--endpoint", server.url, "--model", "tuned", "--baseline", "base")
    assert done.returncode == 0, done.stderr
    row = next(row for row in _rows(tmp_path / "m.jsonl") if row["metric"] == "unique_share")
    assert (row["run"], row["value"], row["baseline_value"]) == ("tuned", 1, pytest.approx(1 / 3))
    assert {body["model"] for body in server.asked} == {"tuned", "base"}
    assert {body["top_k"] for body in server.asked} == {50}
    drawn = _rows(tmp_path / "m.jsonl.work" / "pool.run.jsonl")
    assert [row["model"] for row in drawn] == ["tuned"] * 9
    assert b"without task guard, which reads probabilities that a server does not give" in done.stderr
    assert f"3 requests to {server.url}/v1\n".encode() in done.stderr


def test_prompts_of_ones_own(divtool: Any, server: Server, tmp_path: Path) -> None:
    server.reply = _alike
    lines = [json.dumps({"prompt": f"Name a {name}.", "prompt_id": name, "kind": "x"}) for name in ("bird", "fish")]
    (tmp_path / "p.jsonl").write_text("\n".join(lines))
    models = ("--endpoint", server.url, "--model", "tuned", "--baseline", "base")
    command = ("eval", "--task", "pool", "--prompts", "p.jsonl", "--metrics", "unique_share", "-o", "m.jsonl")
    done = divtool(*command, *models, "-n", "3")
    assert done.returncode == 0, done.stderr
    row = next(row for row in _rows(tmp_path / "m.jsonl") if row["metric"] == "unique_share")
    assert (row["run"], row["n_prompts"], row["n_responses"]) == ("tuned", 2, 6)
    assert (row["value"], row["baseline_value"]) == (1, pytest.approx(1 / 3))
    drawn = _rows(tmp_path / "m.jsonl.work" / "pool.run.jsonl")
    assert [(row["prompt_id"], row["kind"]) for row in drawn] == [("bird", "x")] * 3 + [("fish", "x")] * 3
    # A file against a model: on the prompts that both have.
    (tmp_path / "m.jsonl.work" / "pool.run.jsonl").rename(tmp_path / "r.jsonl")
    done = divtool(*command, "r.jsonl", "--endpoint", server.url, "--baseline", "base", "-n", "3")
    assert done.returncode == 0, done.stderr
    again = next(row for row in _rows(tmp_path / "m.jsonl") if row["metric"] == "unique_share")
    assert (again["run"], again["value"], again["delta"]) == ("r.jsonl", row["value"], row["delta"])


def test_a_bad_line_among_the_prompts(divtool: Any, server: Server, tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"prompt": "Name a bird."}\n{oops\n{"prompt": "Name a fish."}\n')
    command = ("eval", "--task", "pool", "--prompts", "p.jsonl", *_QUICK, "-n", "2", "--endpoint", server.url)
    done = divtool(*command)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"error: p.jsonl:2: not valid JSON" in done.stderr
    assert b"go on with --on-error skip" in done.stderr
    done = divtool(*command, "--on-error", "skip")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(b"p.jsonl: 1 bad lines left out") == 1
    assert len(server.asked) == 2


def test_a_server_that_fails_leaves_what_was_drawn(divtool: Any, server: Server, tmp_path: Path) -> None:
    answered = iter(range(2))
    server.reply = lambda body: None if next(answered, None) is not None else refused("out of order", 503)
    command = (*_COMMAND, *_QUICK, "--endpoint", server.url, "--tries", "1", "--concurrency", "1")
    done = divtool(*command)
    assert done.returncode == 1
    assert b"model m\n" in done.stderr
    assert b"what was drawn is in m.jsonl.work, --resume goes on" in done.stderr
    assert not (tmp_path / "m.jsonl").exists()
    assert len(_rows(tmp_path / "m.jsonl.work" / "pool.run.jsonl")) == 6
    server.reply = lambda body: None
    server.asked.clear()
    done = divtool(*command, "--resume")
    assert done.returncode == 0, done.stderr
    assert len(server.asked) == 1
    assert _measured(tmp_path)["distinct_1"]["n_units"] == 3


def test_what_a_server_refuses_is_left_out(divtool: Any, server: Server, tmp_path: Path) -> None:
    first: list[str] = []

    def reply(body: dict[str, Any]) -> Any:
        first.append(body["messages"][-1]["content"])
        return refused("against the rules") if body["messages"][-1]["content"] == first[0] else None

    server.reply = reply
    command = (*_COMMAND, *_QUICK, "--endpoint", server.url, "--concurrency", "1")
    done = divtool(*command)
    assert done.returncode == 1
    assert b"against the rules" in done.stderr
    done = divtool(*command, "--on-error", "skip", "--resume")
    assert done.returncode == 0, done.stderr
    assert b"3 responses left out; the last refusal: " in done.stderr
    assert _measured(tmp_path)["distinct_1"]["n_units"] == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("r.jsonl",), "every run of this call is a file: leave it out"),
        (("--model", "m", "--adapter", "a"), "--endpoint has no adapters"),
        (("--model", "m", "--baseline", "b", "--task", "story,guard"), "task guard reads probabilities"),
        (("--model", "m", "--task", "dat", "--prefill", "on"), "--prefill on: a server begins every answer itself"),
        (("--model", "m", "--key-env", "NO_SUCH_KEY"), "NO_SUCH_KEY"),
    ],
)
def test_what_a_server_cannot_do(
    divtool: Any, server: Server, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "r.jsonl").write_text('{"prompt": "p", "response": "r"}\n')
    done = divtool("eval", "--endpoint", server.url, *arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr.decode()
    assert len(done.stderr.splitlines()) == 1
    assert not server.asked


def test_a_server_with_several_models_needs_a_name(divtool: Any, server: Server) -> None:
    server.models = ["a", "b"]
    done = divtool("eval", "--endpoint", server.url)
    assert done.returncode == 2
    assert b"has 2 models: a, b; choose one with --model NAME" in done.stderr


def test_options_of_a_server_need_one(divtool: Any) -> None:
    done = divtool("eval", "--model", "m", "--concurrency", "4")
    assert (done.returncode, done.stderr) == (2, b"error: --concurrency needs --endpoint URL\n")
