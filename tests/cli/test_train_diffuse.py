"""`divtool train --method diffuse` as a user types it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

COIN = {"prompt": "Head or tail?", "prompt_id": "coin", "targets": {"head": 0.7, "tail": 0.3}}


def write(path: Path, *lines: Any) -> str:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return str(path)


# Options beside --method diffuse, exit status, what the one line says. No model is loaded for any of them.
WRONG = [
    (["targets.jsonl"], 2, "train needs -o DIR"),
    (["targets.jsonl", "-o", "x", "--max-length", "9"], 2, "--max-length is not for diffuse; it is for: diverse-ns, "),
    (["targets.jsonl", "-o", "x", "--eval-file", "y"], 2, "--eval-file is not for diffuse"),
    (["targets.jsonl", "-o", "x", "--recipe", "papr"], 2, "unknown preset 'papr' of diffuse: known: paper"),
    (["targets.jsonl", "-o", "x", "--hold-out", "numbers"], 2, "name them with --builtin"),
    (["targets.jsonl", "-o", "x", "--builtin", "numbers"], 2, "train on one of them"),
    (["targets.jsonl", "-o", "x", "--anchor", "-1"], 2, "--anchor is -1.0"),
    (["--builtin", "nubmers", "-o", "x"], 2, "did you mean 'numbers'?"),
    (["--builtin", "numbers", "--hold-out", "dates", "-o", "x"], 2, "'dates' is held out but not among"),
    (["targets.jsonl", "-o", "x", "--adapter", "y", "--lora-r", "4"], 2, "own rank"),
    (["empty.jsonl", "-o", "x"], 1, "no target records"),
    (["bad.jsonl", "-o", "x"], 1, "bad.jsonl:2: "),
    (["targets.jsonl", "-o", "x", "--model", "/no/such/model"], 1, "no such"),
]


@pytest.mark.parametrize(("arguments", "status", "says"), WRONG)
def test_wrong_usage(arguments: list[str], status: int, says: str, tmp_path: Path, divtool: Any) -> None:
    write(tmp_path / "targets.jsonl", COIN)
    write(tmp_path / "empty.jsonl")
    write(tmp_path / "bad.jsonl", COIN, {"prompt": "x", "targets": {"a": -1, "b": 2}})
    done = divtool("train", "--method", "diffuse", *arguments)
    said = done.stderr.decode()
    assert (done.returncode, done.stdout) == (status, b""), said
    assert says in said
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("error: ")
    assert not (tmp_path / "x" / "divtool_train.json").exists()


def test_another_method_refuses_its_options(tmp_path: Path, divtool: Any) -> None:
    source = write(tmp_path / "targets.jsonl", COIN)
    done = divtool("train", source, "--method", "dpo", "-o", "x", "--gamma", "0.1")
    assert (done.returncode, b"--gamma is not for dpo; it is for: diffuse" in done.stderr) == (2, True)


def test_from_a_pipe_to_an_adapter_and_a_missed_bound(tmp_path: Path, tiny_model: str, divtool: Any) -> None:
    lines = (json.dumps(COIN) + "\n" + '{"prompt": "broken"}\n').encode()
    arguments = (
        "train",
        "--method",
        "diffuse",
        "--model",
        tiny_model,
        "-o",
        "out",
        "--max-steps",
        "1",
        "--anchor",
        "0",
    )
    done = divtool(*arguments, "--on-error", "skip", "--max-ppl-ratio", "1e-9", stdin=lines)
    said = done.stderr.decode()
    assert (done.returncode, done.stdout) == (3, b""), said
    for text in ("1 bad records left out", "self-check: trees are packed", "What the training cost", "adapter in out"):
        assert text in said
    assert said.splitlines()[-1].startswith("error: the perplexity of given texts is ")
    facts = json.loads((tmp_path / "out" / "divtool_train.json").read_bytes())
    assert facts["data"]["name"] == "standard input"
    assert facts["settings"]["max_ppl_ratio"] == 1e-9
    last = json.loads((tmp_path / "out" / "train_log.jsonl").read_bytes().splitlines()[-1])
    spec = write(tmp_path / "targets.jsonl", COIN)
    done = divtool("random-audit", "--spec", spec, "--variants", "off", "--model", tiny_model, "--adapter", "out")
    assert done.returncode == 0, done.stderr
    audit = json.loads(done.stdout)
    assert last["final"]
    assert [audit[key] for key in ("tv", "valid_mass")] == pytest.approx([last["tv"], last["valid_mass"]], abs=1e-4)
    assert audit["kl_bits"] * math.log(2) == pytest.approx(last["kl"], abs=1e-5)


def test_a_dry_run_of_built_in_targets(tmp_path: Path, tiny_model: str, divtool: Any) -> None:
    command = ("train", "--method", "diffuse", "--builtin", "numbers", "--hold-out", "numbers/1-100,numbers/even-100")
    done = divtool(*command, "--model", tiny_model, "--dry-run")
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    said = done.stderr.decode()
    assert "numbers/prime-100" in said
    assert "numbers/1-100" not in said
    assert "steps, estimated seconds" in said
    assert list(tmp_path.iterdir()) == []
