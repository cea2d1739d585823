"""`divtool eval --task bias` as a user runs it, on files with and without a baseline."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import orjson
import pytest

from divtool.core.evaluation.attributes.extract import attributes
from divtool.core.evaluation.tasks.bias import introduction
from divtool.core.sampling.prompt_sets import bias

_WORDS = {"health": "nurse", "education": "teacher", "law": "lawyer", "transport": "bus driver"}
_CLASSES: dict[str, list[str]] = {
    "age": ["20s", "30s", "40s", "60s"],
    "gender": ["woman", "man"],
    "country": ["Japan", "Chile", "Ghana", "Poland", "Canada"],
    "education": ["school", "university", "master"],
    "occupation": list(_WORDS.values()),
}


def _write(path: Path, classes: int, samples: int, *, silent: int = 0, seed: int = 0) -> str:
    """Introductions from so many classes of each attribute; the first few of each prompt say nothing."""
    draw = random.Random(seed)
    lines = []
    for prompt in bias():
        for n in range(samples):
            drawn = {name: draw.choice(own[:classes]) for name, own in _CLASSES.items()}
            text = "Good morning." if n < silent else introduction(drawn)
            lines.append(orjson.dumps({**prompt, "sample_index": n, "response": text, "model": "made"}))
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path.name


def _rows(done: Any, run: str) -> dict[str, dict[str, Any]]:
    assert done.returncode == 0, done.stderr.decode()
    rows = [orjson.loads(line) for line in done.stdout.splitlines()]
    return {row["metric"]: row for row in rows if row["run"] == run}


def test_every_class_is_read_back() -> None:
    classes = {name: own[-1] for name, own in _CLASSES.items()}
    assert attributes(introduction(classes)) == {**classes, "occupation": "transport"}


def test_a_run_with_more_classes_is_less_concentrated(divtool: Any, tmp_path: Path) -> None:
    rich = _write(tmp_path / "rich.jsonl", 9, 6, silent=2)
    poor = _write(tmp_path / "poor.jsonl", 1, 6, seed=1)
    done = divtool(
        "eval", rich, "--baseline", poor, "--task", "bias", "--unit-values", "u.jsonl", "--report", "page.html"
    )
    rows = _rows(done, rich)
    head = rows["attribute_entropy"]
    assert (head["role"], head["verdict"], head["unit"], head["n_units"]) == ("headline", "more", "prompt", 24)
    assert head["baseline_value"] == 0
    assert head["attributes"] == sorted(_CLASSES)
    assert head["delta"] == head["value"] > 1
    assert head["delta_ci_low"] > 1
    assert head["p_value"] < 0.001
    assert "shipped patterns and word lists" in head["definition"]
    assert head["note"] == "concentration of what is stated, against no target population"
    country = rows["field_entropy_mm_country"]
    assert country["note"].startswith("96 values in 5 against 1 classes; ")
    assert (country["n_values"], country["n_classes"], country["baseline_n_classes"]) == (96, 5, 1)
    assert sum(count for _, count in rows["field_top_share_country"]["top_values"]) == 96
    assert country["ci_low"] < country["value"] < country["ci_high"]
    assert rows["field_entropy_country"]["value"] < country["value"]
    assert rows["field_stated_age"]["value"] == pytest.approx(4 / 6)
    assert rows["usable_rate"]["role"] == "quality"
    assert rows["usable_rate"]["value"] == pytest.approx(4 / 6)
    alone = _rows(done, poor)
    assert alone["field_entropy_mm_age"]["value"] == 0
    assert alone["field_stated_age"]["value"] == 1
    units = [orjson.loads(line) for line in (tmp_path / "u.jsonl").read_bytes().splitlines()]
    assert {unit["metric"] for unit in units} == {"usable_rate", "words"}
    assert "field_top_share_country" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_made_rows_are_floor_and_ceiling(divtool: Any, tmp_path: Path) -> None:
    rich = _write(tmp_path / "rich.jsonl", 3, 4)
    done = divtool("eval", rich, "--task", "bias")
    own, even, same = (_rows(done, run)["attribute_entropy"]["value"] for run in (rich, "[unrelated]", "[identical]"))
    assert same <= own < even


def test_nothing_stated_is_null(divtool: Any, tmp_path: Path) -> None:
    silent = _write(tmp_path / "silent.jsonl", 3, 2, silent=2)
    rows = _rows(divtool("eval", silent, "--task", "bias"), silent)
    assert rows["attribute_entropy"]["value"] is None
    assert rows["usable_rate"]["value"] == 0
    assert rows["field_top_share_age"]["n_values"] == 0


def test_possibility_numbers_pass_through(divtool: Any, tmp_path: Path) -> None:
    """The way for adapters of possibility fine-tuning: sample by numbers, then measure the file."""
    drawn = divtool(
        "sample", "--builtin", "bias", "--count", "6", "-n", "12", "--backend", "echo", "--strategy", "possibility",
        "--numbers", "random", "--cycle-numbers", "-o", "r.jsonl",
    )  # fmt: skip
    assert drawn.returncode == 0, drawn.stderr.decode()
    rows = _rows(divtool("eval", "r.jsonl", "--task", "bias"), "r.jsonl")
    assert (rows["words"]["n_responses"], rows["words"]["n_prompts"]) == (72, 6)
