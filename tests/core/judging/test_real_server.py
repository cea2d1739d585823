"""The judge, `sample` and `eval` against a real server of completions: `transformers serve` with the embedded model."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from divtool.core.endpoint.client import Endpoint, EndpointError
from divtool.core.judging.judge import Judge
from divtool.core.models.embedded import LANGUAGE_MODELS, converted

pytestmark = [pytest.mark.model, pytest.mark.skipif(sys.platform == "win32", reason="process groups")]
for _package in ("openai", "fastapi", "uvicorn"):
    pytest.importorskip(_package)

_READY_SECONDS = 120


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _READY_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.25)
    raise AssertionError(f"transformers serve did not start:\n{log.read_text(errors='replace')[-3000:]}")


@pytest.fixture(scope="module")
def model() -> str:
    packaged = LANGUAGE_MODELS["smollm2-135m"].packaged()
    if packaged is None:
        pytest.skip("the embedded model is not installed")
    return str(converted(packaged, lambda _: None))


@pytest.fixture(scope="module")
def server(model: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, log = _free_port(), tmp_path_factory.mktemp("serve") / "log.txt"
    # As the console script does: its folder need not be on the path.
    start = "import sys; from transformers.cli.transformers import main; sys.exit(main())"
    command = [sys.executable, "-c", start, "serve", model, "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--device", "cpu"],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
            start_new_session=True,
        )
    try:
        _wait(f"http://127.0.0.1:{port}", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_ratings_of_a_real_model(server: str, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    prompt = [{"role": "user", "content": "Name a bird."}]
    with Endpoint(server) as client:
        judge = Judge(client, model, max_tokens=8)
        rated = judge.ratings([(prompt, "A wren."), (prompt, "Seven {blue} $stones.")])
        with pytest.raises(EndpointError):
            Judge(client, "no such model").ratings([(prompt, "A wren.")])
    assert [len(votes) for votes in rated] == [1, 1]
    assert all(vote is None or 1 <= vote <= 10 for votes in rated for vote in votes)
    assert judge.unparsed == sum(vote is None for votes in rated for vote in votes)
    assert judge.asked == 2
    assert 2 + judge.unparsed <= judge.calls <= 4


def test_sample_draws_from_a_real_model(
    server: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ignores `n` and `logprobs` without a word, and takes the most likely token at any temperature."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    prompts = [{"prompt_id": name, "prompt": f"Name a {name}."} for name in ("bird", "stone", "river")]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, prompts)))
    given = ["p.jsonl", "--endpoint", server, "--model", model, "-n", "2", "--max-new-tokens", "3", "-o", "r.jsonl"]
    command = [sys.executable, "-m", "divtool", "sample", *given]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=500)
    assert done.returncode == 0, done.stderr
    rows = list(map(json.loads, (tmp_path / "r.jsonl").read_text(encoding="utf-8").splitlines()))
    keys = [(row["prompt_id"], row["sample_index"]) for row in rows]
    assert keys == [(prompt["prompt_id"], index) for prompt in prompts for index in range(2)]
    assert all(row["response"] and row["logprob"] is None for row in rows)
    assert [(row["n_tokens"], row["finish_reason"]) for row in rows] == [(3, "length")] * 6
    assert b"the server does not take min_p, repetition_penalty, top_k" in done.stderr
    assert b"each of 3 prompts has equal responses only" in done.stderr


def test_eval_asks_a_real_model(server: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("DIVTOOL_CACHE", str(tmp_path / "cache"))
    # What both sides have in common is a tie without a question.
    for name, answers in (("run", ("Owl.", "Wren.")), ("base", ("Owl.", "Crow."))):
        record = {"prompt": "Name a bird.", "prompt_id": "bird", "model": "made"}
        lines = [json.dumps({**record, "sample_index": n, "response": text}) for n, text in enumerate(answers)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    given = ["run.jsonl", "--baseline", "base.jsonl", "--task", "pool", "--metrics", "distinct_1", "-o", "m.jsonl"]
    judge = ["--judge", server, "--judge-model", model]
    # So small a model on a CPU would take minutes for the usual 1,024 tokens.
    short = "from divtool.core.judging.judge import Judge; Judge.__init__.__kwdefaults__['max_tokens'] = 4"
    command = [sys.executable, "-c", f"{short}; from divtool.cli.main import main; main()", "eval", *given, *judge]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=500)
    assert done.returncode == 0, done.stderr
    rows = list(map(json.loads, (tmp_path / "m.jsonl").read_text(encoding="utf-8").splitlines()))
    found = {row["metric"]: row for row in rows if "delta" in row}
    ranges = {"judge": (1, 10), "win_rate": (0, 1), "win_rate_sets": (0, 1)}
    for name, (low, high) in ranges.items():
        value, unread = found[name]["value"], found[name]["null_share"]
        # So small a model often says nothing that can be read; that is counted, and never guessed.
        assert (value is None) == (unread == 1)
        assert value is None or low <= value <= high
        assert ("judge unreliable" in found[name]["note"]) == (unread > 0.1 or value is None)
    assert found["win_rate"]["value"] is not None  # the tie, at least
    assert b"unparsed" in done.stderr


def test_eval_draws_from_a_real_model(server: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    given = ["--endpoint", server, "--run", f"m={model}@max_new_tokens=3", "--task", "novelty-lite", "--count", "2"]
    measured = ["-n", "2", "--metrics", "distinct_1,unique_share", "-o", "m.jsonl"]
    command = [sys.executable, "-m", "divtool", "eval", *given, *measured]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=500)
    assert done.returncode == 0, done.stderr
    rows = list(map(json.loads, (tmp_path / "m.jsonl").read_text(encoding="utf-8").splitlines()))
    found = {row["metric"]: row["value"] for row in rows if row["role"] != "reference"}
    assert found["unique_share"] == 0.5  # the most likely token at any temperature, twice
    drawn = (tmp_path / "m.jsonl.work" / "novelty-lite.m.jsonl").read_text(encoding="utf-8").splitlines()
    assert [(row["model"], row["n_tokens"]) for row in map(json.loads, drawn)] == [(model, 3)] * 4
