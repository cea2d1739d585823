"""`divtool train --method possibility` as a user types it."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

GROUP = {"prompt": "Where is the bird?", "prompt_id": "bird", "responses": ["on the bridge", "over the town"]}


def write(path: Path, *lines: Any) -> str:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return str(path)


# Options beside --method possibility, exit status, what the one line says. No model is loaded for any of them.
WRONG = [
    (["groups.jsonl"], 2, "train needs -o DIR"),
    (["groups.jsonl", "-o", "x", "--beta", "1"], 2, "--beta is not for possibility"),
    (["groups.jsonl", "-o", "x", "--batch-size", "4"], 2, "--batch-size is not for possibility"),
    (["groups.jsonl", "-o", "x", "--k", "12", "--max-number", "9"], 2, "k = 12 needs at least 12 numbers; raise"),
    (["groups.jsonl", "-o", "x", "--number-prompt", "one"], 2, "--number-prompt holds {n} 0 times"),
    (["groups.jsonl", "-o", "x", "--arm", "numbered", "--ul-weight", "1"], 2, "no unlikelihood loss"),
    (["groups.jsonl", "-o", "x", "--preset", "smal"], 2, "known: small, large, mistral, llama-2"),
    (["groups.jsonl", "-o", "x", "--adapter", "y", "--lora-r", "4"], 2, "own rank"),
    (["groups.jsonl", "-o", "x", "--stopwords", "none.txt"], 1, "none.txt: cannot be read"),
    (["groups.jsonl", "-o", "x", "--model", "/no/such/model"], 1, "no such"),
    (["empty.jsonl", "-o", "x"], 1, "no groups"),
    (["bad.jsonl", "-o", "x"], 1, "bad.jsonl:2: response 2 of 'responses' is a whole number, not a string"),
    (["pairs.jsonl", "-o", "x"], 1, "expects groups; run select --method possibility first"),
    (["scored.jsonl", "-o", "x"], 1, "expects groups; run select --method possibility first"),
    (["single.jsonl", "-o", "x"], 1, "needs at least 2 different responses per prompt"),
    (["numbers.jsonl", "-o", "x"], 1, "numbers.jsonl:1: 'numbers' holds one number twice"),
]


@pytest.mark.parametrize(("arguments", "status", "says"), WRONG)
def test_wrong_usage(arguments: list[str], status: int, says: str, tmp_path: Path, divtool: Any) -> None:
    write(tmp_path / "groups.jsonl", GROUP)
    write(tmp_path / "empty.jsonl")
    write(tmp_path / "bad.jsonl", GROUP, {**GROUP, "responses": ["a", 3]})
    write(tmp_path / "pairs.jsonl", {"prompt": "p", "chosen": "a", "rejected": "b"})
    write(tmp_path / "scored.jsonl", {"prompt": "p", "response": "a", "sample_index": 0, "scores": {}})
    write(tmp_path / "single.jsonl", {**GROUP, "responses": ["a", "A "]})
    write(tmp_path / "numbers.jsonl", {**GROUP, "numbers": [2, 2]})
    done = divtool("train", "--method", "possibility", *arguments)
    said = done.stderr.decode()
    assert (done.returncode, done.stdout) == (status, b""), said
    assert says in said
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("error: ")
    assert not (tmp_path / "x" / "divtool_train.json").exists()


def test_from_a_pipe_to_an_adapter(tmp_path: Path, tiny_model: str, divtool: Any) -> None:
    lines = (json.dumps(GROUP) + "\n" + '{"prompt": "broken"}\n').encode()
    arguments = ("train", "--method", "possibility", "--model", tiny_model, "-o", "out", "--max-steps", "1")
    done = divtool(*arguments, "--on-error", "skip", "--number-scheme", "rank", stdin=lines)
    said = done.stderr.decode()
    assert (done.returncode, done.stdout) == (0, b""), said
    for text in ("1 bad lines left out, 1 read", "self-check: rows are packed", "update 1/1: CE ", "adapter in out"):
        assert text in said
    manifest = json.loads((tmp_path / "out" / "possibility.json").read_bytes())
    assert (manifest["pool"], manifest["scheme"], manifest["arm"]) == (4, "rank", "possibility")


def test_the_method_is_never_called_like_the_library(divtool: Any) -> None:
    """PEFT is a library; the method's own texts name it only as that."""
    package = files("divtool")
    shown = divtool("train", "--help").stdout.decode() + divtool("select", "--help").stdout.decode()
    shown += divtool("sample", "--help").stdout.decode() + divtool("methods").stdout.decode()
    texts = [line for line in shown.splitlines() if "PEFT" in line]
    assert all("plain PEFT loads" in line for line in texts), texts
    own = [
        path
        for folder in ("core/possibility", "core/training/possibility", "prompts/possibility")
        for path in Path(str(package.joinpath(folder))).rglob("*")
        if path.suffix in (".py", ".txt", ".jsonl")
    ]
    own += Path(str(package.joinpath("core"))).rglob("*possibility*.py")
    assert len(own) > 10
    assert [path for path in own if "PEFT" in path.read_text(encoding="utf-8")] == []
