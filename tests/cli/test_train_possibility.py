"""`divtool train --method possibility` as a user types it."""

from __future__ import annotations

import json
import re
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
    (["short.jsonl", "-o", "x"], 1, "short.jsonl:1: 'numbers' has 1 entries for 2 responses"),
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
    write(tmp_path / "short.jsonl", {**GROUP, "numbers": [2]})
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


# Where the LoRA library is meant.
LIBRARY = re.compile(r"plain PEFT loads|(trained|transformers or|[Aa]) PEFT model|PEFT and TRL")


def test_the_method_is_never_called_like_the_library(divtool: Any) -> None:
    """PEFT is a library; help, messages, templates and docs name it only as that."""
    commands = ("sample", "score", "select", "train", "eval", "random-audit", "report", "methods", "tasks", "prompts")
    shown = "\n".join(divtool(command, "--help").stdout.decode() for command in commands)
    shown += divtool("--help").stdout.decode() + divtool("methods").stdout.decode()
    texts = {"help": shown}
    root = Path(str(files("divtool")))
    for folder in ("cli", "core", "prompts", "docs", "examples", "benchmarks"):
        paths = (path for path in (root / folder).rglob("*") if path.is_file() and path.suffix not in (".pyc", ".png"))
        texts |= {str(path): path.read_text(encoding="utf-8") for path in paths}
    texts |= {str(path): path.read_text(encoding="utf-8") for path in root.glob("*.md")}
    assert sum("ossibility fine-tuning" in text for text in texts.values()) > 5
    named = [(name, line) for name, text in texts.items() for line in text.splitlines() if "PEFT" in line]
    assert any(name == "help" for name, _ in named)
    assert [both for both in named if not LIBRARY.search(both[1])] == []


PROMPTS = (
    "Name a colour. Answer with one word.",
    "Name a fruit. Answer with one word.",
    "Which weekday shall we meet on? Answer with one word.",
    "Name an animal. Answer with one word.",
)


@pytest.mark.model
def test_from_prompts_to_an_adapter_and_its_responses(tmp_path: Path, divtool: Any) -> None:
    from safetensors.torch import load_file

    def run(*arguments: str, stdin: bytes = b"") -> Any:
        done = divtool(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr.decode()
        return done

    write(tmp_path / "prompts.jsonl", *({"prompt": prompt} for prompt in PROMPTS))
    few = ("-n", "4", "--max-new-tokens", "24")
    drawn = run("sample", "prompts.jsonl", *few).stdout
    scored = run("score", "--metrics", "lexical", stdin=drawn).stdout
    groups = run("select", "--method", "possibility", stdin=scored).stdout
    train = ("train", "--method", "possibility", "--epochs", "1")
    run(*train, "-o", "whole", stdin=groups)
    run(*train, "-o", "begun", "--max-steps", "1", stdin=groups)
    records = [json.loads(line) for line in run(
        "sample", "prompts.jsonl", "--strategy", "possibility", "--adapter", "whole", *few
    ).stdout.splitlines()]  # fmt: skip
    assert [record["possibility"] for record in records] == [1, 2, 3, 4] * len(PROMPTS)
    # The first update moves what begins at nothing, the second the rest.
    begun, whole = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("begun", "whole"))
    assert json.loads((tmp_path / "whole" / "divtool_train.json").read_bytes())["result"]["steps"] == 2
    assert len(whole) == 2 * 7 * 30
    assert [name for name in whole if "lora_B" in name and not begun[name].abs().max() > 0] == []
    assert [name for name in whole if (whole[name] == begun[name]).all()] == []
