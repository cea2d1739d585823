"""The pipe as a shell user types it, on the fake model: milliseconds a stage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from divtool.core.catalog import STRATEGIES

SAMPLE = "divtool sample --builtin scenes --count 12 -n 4 --strategy sequential --backend echo"
PIPE = f"{SAMPLE} | divtool score | divtool select --method diverse-ns-lite --orientation any --audit warn"


def _records(data: bytes) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in data.splitlines()]


def test_sample_score_select(shell: Any) -> None:
    done = shell(PIPE)
    assert done.returncode == 0, done.stderr
    pairs = _records(done.stdout)
    assert len(pairs) >= 6
    for pair in pairs:
        assert abs(pair["delta_words"]) <= 5
        assert [message["role"] for message in (*pair["prompt"], *pair["chosen"], *pair["rejected"])] == [
            "user", "assistant", "assistant",
        ]  # fmt: skip
    assert b"Funnel" in done.stderr
    assert b"Pair audit" in done.stderr


@pytest.mark.parametrize(
    "line",
    [
        f"{SAMPLE} | head -1",
        f"{SAMPLE} -n 300 --batch-size 2 | divtool score | head -1",
        f"{PIPE} | head -1",
        f"{PIPE} | cat | head -1",
        "divtool metrics | head -1",
        "divtool metrics --json | head -1",
    ],
)
def test_closed_pipe_ends_quietly(shell: Any, line: str) -> None:
    done = shell(line)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert b"Traceback" not in done.stderr
    assert b"rror" not in done.stderr


def test_unknown_keys_pass_through_every_stage(divtool: Any) -> None:
    prompt = (
        orjson.dumps({"prompt": "Say something about rivers", "mine": {"deep": [1, None]}, "tag": "é\u2028"}) + b"\n"
    )
    responses = divtool("sample", "--backend", "echo", "-n", "2", stdin=prompt)
    scored = divtool("score", "--metrics", "ttr", stdin=responses.stdout)
    for record in _records(scored.stdout):
        assert record["mine"] == {"deep": [1, None]}
        assert record["tag"] == "é\u2028"


def test_same_seed_same_bytes(divtool: Any, new_divtool: Any) -> None:
    line = ("sample", "--builtin", "story-triplets", "--count", "5", "--backend", "echo")
    one = divtool(*line).stdout
    assert one == new_divtool(*line, "--batch-size", "1").stdout
    assert one != divtool(*line, "--seed", "1").stdout


def test_output_file_equals_standard_output(divtool: Any, tmp_path: Path) -> None:
    line = ("sample", "--builtin", "scenes", "--count", "3", "--backend", "echo")
    written = divtool(*line).stdout
    assert divtool(*line, "-o", "r.jsonl").stdout == b""
    assert (tmp_path / "r.jsonl").read_bytes() == written
    scored = divtool("score", stdin=written).stdout
    assert divtool("score", "r.jsonl").stdout == scored
    assert divtool("score", "-", stdin=written).stdout == scored


@pytest.mark.parametrize("cut", [0, 1, 700, 5000, 12345])
def test_sample_resumes_from_any_byte(divtool: Any, tmp_path: Path, cut: int) -> None:
    line = (
        "sample",
        "--builtin",
        "scenes",
        "--count",
        "4",
        "--strategy",
        "sequential",
        "--backend",
        "echo",
        "-o",
        "r.jsonl",
    )
    divtool(*line)
    path = tmp_path / "r.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    done = divtool(*line, "--resume")
    assert done.returncode == 0, done.stderr
    assert path.read_bytes() == whole


@pytest.mark.parametrize("cut", [0, 900, 4000, 100_000])
def test_score_resumes_from_any_byte(divtool: Any, tmp_path: Path, cut: int) -> None:
    divtool("sample", "--builtin", "scenes", "--count", "4", "--backend", "echo", "-o", "r.jsonl")
    line = ("score", "r.jsonl", "--metrics", "ttr,pool_word_rarity", "-o", "s.jsonl")
    divtool(*line)
    path = tmp_path / "s.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    done = divtool(*line, "--resume")
    assert done.returncode == 0, done.stderr
    assert path.read_bytes() == whole


def test_resume_of_another_command_is_refused_and_loses_nothing(divtool: Any, tmp_path: Path) -> None:
    line = ("sample", "--builtin", "scenes", "--count", "2", "--backend", "echo", "-o", "r.jsonl")
    divtool(*line)
    whole = (tmp_path / "r.jsonl").read_bytes()
    done = divtool(*line, "--resume", "--temperature", "0.5")
    assert done.returncode == 1
    assert b"drawn with params" in done.stderr
    assert (tmp_path / "r.jsonl").read_bytes() == whole


def test_resume_takes_nothing_off_a_foreign_file(divtool: Any, tmp_path: Path) -> None:
    divtool("sample", "--builtin", "scenes", "--count", "2", "--backend", "echo", "-o", "r.jsonl")
    for content in (b"my notes without newline", b"my notes\n", b'{"mine": 1}\n', b"[]\n"):
        (tmp_path / "n.jsonl").write_bytes(content)
        for line in (("sample", "--builtin", "scenes", "--count", "2", "--backend", "echo"), ("score", "r.jsonl")):
            done = divtool(*line, "-o", "n.jsonl", "--resume")
            assert done.returncode == 1
            assert b"Traceback" not in done.stderr
            assert (tmp_path / "n.jsonl").read_bytes() == content


def test_score_resumes_its_own_run_only(divtool: Any, tmp_path: Path) -> None:
    sample = ("sample", "--builtin", "scenes", "--count", "4", "--backend", "echo")
    divtool(*sample, "-o", "r.jsonl")
    divtool(*sample, "--temperature", "0.3", "-o", "other.jsonl")
    divtool("score", "r.jsonl", "--metrics", "ttr", "-o", "s.jsonl")
    whole = (tmp_path / "s.jsonl").read_bytes()
    for line in (("other.jsonl", "--metrics", "ttr"), ("r.jsonl", "--metrics", "mtld")):
        assert divtool("score", *line, "-o", "s.jsonl", "--resume").returncode == 1
        assert (tmp_path / "s.jsonl").read_bytes() == whole
    (tmp_path / "s.jsonl").write_bytes(whole + b"\n")
    assert divtool("score", "r.jsonl", "--metrics", "ttr", "-o", "s.jsonl", "--resume").returncode == 0
    assert (tmp_path / "s.jsonl").read_bytes() == whole


def test_output_may_be_a_device(divtool: Any) -> None:
    done = divtool("sample", "--builtin", "scenes", "--count", "1", "--backend", "echo", "-o", "/dev/null")
    assert done.returncode == 0, done.stderr


def test_interrupt_ends_with_130_and_leaves_whole_records(tmp_path: Path) -> None:
    line = ["sample", "--builtin", "scenes", "--count", "300", "-n", "200", "--batch-size", "8", "--backend", "echo"]
    path = tmp_path / "r.jsonl"
    running = subprocess.Popen(
        [sys.executable, "-m", "divtool", *line, "-o", str(path)],
        stderr=subprocess.PIPE,
        # A background job of a shell inherits that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not (path.exists() and path.stat().st_size > 10_000) and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert b"Traceback" not in said
    assert all("response" in record for record in _records(path.read_bytes()))


def test_regroup_brings_prompts_together(divtool: Any) -> None:
    lines = divtool("sample", "--builtin", "scenes", "--count", "3", "-n", "2", "--backend", "echo").stdout.splitlines(
        True
    )
    mixed = b"".join(lines[0::2] + lines[1::2])
    refused = divtool("score", "--metrics", "ttr", stdin=mixed)
    assert refused.returncode == 1
    assert b"--regroup" in refused.stderr
    done = divtool("score", "--metrics", "ttr", "--regroup", stdin=mixed)
    assert [r["prompt_id"] for r in _records(done.stdout)] == [r["prompt_id"] for r in _records(b"".join(lines))]


def test_streaming_shows_early_records_before_the_end() -> None:
    line = ["sample", "--builtin", "scenes", "--count", "320", "-n", "400", "--batch-size", "4", "--backend", "echo"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    running = subprocess.Popen(
        [sys.executable, "-m", "divtool", *line], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    )
    assert running.stdout is not None
    assert orjson.loads(running.stdout.readline())["sample_index"] == 0
    assert running.poll() is None
    running.kill()
    running.communicate()


def test_lists_are_tables_of_names(divtool: Any) -> None:
    lists = {"methods": b"diverse-ns-lite", "metrics": b"self_bleu", "tasks": b"story", "strategies": b"sequential"}
    for command, name in lists.items():
        done = divtool(command)
        assert done.returncode == 0
        assert any(line.split(b"\t")[0] == name for line in done.stdout.splitlines())
        assert name.decode() in [record["name"] for record in _records(divtool(command, "--json").stdout)]
    listed = [line.split("\t") for line in divtool("strategies").stdout.decode().splitlines()]
    assert [name for name, *_ in listed] == sorted(STRATEGIES)
    assert ["verbalized", "sample", STRATEGIES["verbalized"].summary, STRATEGIES["verbalized"].source] in listed


def test_version_and_help(divtool: Any) -> None:
    from divtool import __version__

    assert divtool("--version").stdout.decode().strip() == f"divtool {__version__}"
    assert b"sample | score | select | train | eval" in b" ".join(divtool("--help").stdout.split())
    assert divtool("sample", "--nonsense").returncode == 2
