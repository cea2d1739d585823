"""`divtool train` as a user types it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FAST = ["--batch-size", "2", "--grad-accum", "2", "--learning-rate", "1e-3"]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "divtool", "train", *arguments]


def environment() -> dict[str, str]:
    import divtool

    source = str(Path(divtool.__file__).parent.parent)
    return {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


Done = subprocess.CompletedProcess[str]


@pytest.fixture
def train(divtool: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, stdin: str = "") -> Done:
        done = divtool("train", *arguments, stdin=stdin.encode())
        return Done(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def pairs(tmp_path: Path, make_pairs: Any, write_lines: Any) -> str:
    return str(write_lines(tmp_path / "pairs.jsonl", make_pairs(8)))


def test_from_a_pipe_with_nothing_on_standard_output(train: Any, tmp_path: Path, tiny_model: str, pairs: str) -> None:
    out = tmp_path / "adapter"
    arguments = ["--method", "dpo", "--model", tiny_model, "-o", str(out), *FAST]
    piped = Path(pairs).read_text()
    # In a new process, as libraries speak while they are loaded.
    done = subprocess.run(command(*arguments), env=environment(), input=piped, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert f"adapter in {out}" in done.stderr
    assert "loss_last" in done.stderr
    # What libraries have to say is kept back.
    assert "Warning" not in done.stderr
    assert "Failed" not in done.stderr
    assert (out / "adapter_model.safetensors").is_file()
    again = train("-", *arguments)
    assert again.returncode == 1
    assert "holds a finished adapter" in again.stderr


def test_dry_run(train: Any, tiny_model: str, pairs: str) -> None:
    done = train(pairs, "--method", "dpo", "--model", tiny_model, "--dry-run")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    for row in ("tokens, chosen", "trainable parameters", "memory, sum", "steps"):
        assert row in done.stderr


# Arguments behind the pair file, exit status, what the one line says. No model is loaded for any of them.
WRONG = [
    ([], 2, "train needs --method NAME: "),
    (["--method", "divpoo"], 2, "did you mean 'divpo'?"),
    (["--method", "random"], 2, "unknown method 'random'"),
    (["--method", "dpo"], 2, "train needs -o DIR"),
    (["--method", "dpo", "-o", "x", "--ld-alpha", "0.5", "--loss", "sigmoid_norm"], 2, "both correct for length"),
    (["--method", "dpo", "-o", "x", "--ld-alpha", "2"], 2, "not in [0, 1]"),
    (["--method", "dpo", "-o", "x", "--beta", "0"], 2, "--beta is 0.0"),
    (["--method", "dorpo", "-o", "x", "--ld-alpha", "0.5"], 2, "--ld-alpha is not for dorpo; it is for: diverse-ns, "),
    (
        ["--method", "dpo", "-o", "x", "--weight-form", "inner"],
        2,
        "--weight-form is not for dpo; it is for: ddpo, dorpo",
    ),
    (["--method", "sft", "-o", "x", "--embedder", "minilm"], 2, "--embedder goes with --smoothing ual"),
    (["--method", "ddpo", "-o", "x", "--smoothing", "ual"], 2, "--smoothing is not for ddpo; it is for: sft"),
    (["--method", "ddpo", "-o", "x", "--preset", "papr"], 2, "unknown preset 'papr' of ddpo: known: paper"),
    (["--method", "dpo", "-o", "x", "--adapter", "y", "--lora-r", "4"], 2, "own rank"),
    (["--method", "dpo", "-o", "/dev/null/x"], 1, "cannot be written"),
    (["--method", "dpo", "-o", "x", "--report-to", "tensorbord"], 2, "did you mean 'tensorboard'? known: tensorboard,"),
    (["--method", "dpo", "-o", "x", "--report-to", "none", "--run-name", "y"], 2, "--run-name goes with --report-to"),
    (["--method", "dpo", "-o", "x", "--private"], 2, "--private goes with --push-to-hub"),
    (["--method", "dpo", "-o", "x", "--merge", "."], 2, ".: is there already"),
    (["--method", "dpo", "-o", "x", "--merge", "no/y"], 2, "the folder no does not exist"),
    (["--method", "dpo", "-o", "x", "--model", "/no/such/model"], 1, "no such"),
]


@pytest.mark.parametrize(("arguments", "status", "says"), WRONG)
def test_wrong_usage(train: Any, arguments: list[str], status: int, says: str, pairs: str) -> None:
    done = train(pairs, *arguments)
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ")


def test_ddpo_from_weights_to_an_adapter(
    train: Any, tmp_path: Path, tiny_model: str, make_pairs: Any, write_lines: Any
) -> None:
    pairs = [pair | {"weight": 0.5 * place} for place, pair in enumerate(make_pairs(6))]
    out = tmp_path / "adapter"
    arguments = ["--method", "ddpo", "--model", tiny_model, "-o", str(out), "--preset", "paper", "--epochs", "1", *FAST]
    done = train(write_lines(tmp_path / "weights.jsonl", pairs), *arguments)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "Weights of 6 pairs" in done.stderr
    settings = json.loads((out / "divtool_train.json").read_bytes())["settings"]
    assert (settings["lora_r"], settings["lora_targets"], settings["epochs"]) == (128, "q_proj,v_proj", 1.0)


def test_a_bad_pair_is_named_before_torch_is_imported(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"prompt": "text"}\n')
    code = (
        "import sys\nfrom divtool.cli.main import app\nfrom divtool.core.errors import DivtoolError\n"
        f"sys.argv = ['divtool', 'train', {str(bad)!r}, '--method', 'dpo', '-o', {str(tmp_path / 'x')!r}]\n"
        "try:\n    app()\nexcept DivtoolError as error:\n    print(error, 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False)
    assert done.stdout.strip().endswith(
        "bad.jsonl:1: 'prompt' is a string, not a list; pairs come from divtool select False"
    )


def test_interrupt_is_130_and_resumes(train: Any, tmp_path: Path, tiny_model: str, pairs: str) -> None:
    out = tmp_path / "adapter"
    arguments = [pairs, "--method", "dpo", "--model", tiny_model, "-o", str(out), "--max-steps", "200", *FAST]
    with subprocess.Popen(
        command(*arguments), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        until = time.monotonic() + 120
        log = out / "train_log.jsonl"
        while not (log.is_file() and log.read_bytes().count(b"\n") >= 2):
            assert process.poll() is None, "the run ended by itself"
            assert time.monotonic() < until
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, ""), errors
    assert "with --resume goes on" in errors
    assert "Traceback" not in errors
    assert "go on with --resume" in train(*arguments).stderr
    done = train(*arguments, "--resume")
    assert done.returncode == 0, done.stderr
    assert "going on from step" in done.stderr
    assert log.read_bytes().count(b"\n") == 200


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["-o", "x"], 2, "merge needs --adapter DIR"),
        (["--adapter", "y"], 2, "merge needs -o DIR"),
        (["--adapter", "y", "-o", "x"], 1, "adapter 'y': no adapter_config.json there"),
        (["--adapter", "y", "-o", "x", "--model", "/no/such"], 1, "no such folder"),
    ],
)
def test_what_cannot_be_merged(divtool: Any, arguments: list[str], status: int, says: str) -> None:
    done = divtool("merge", *arguments)
    assert (done.returncode, done.stdout) == (status, b"")
    assert says in done.stderr.decode().splitlines()[-1]
