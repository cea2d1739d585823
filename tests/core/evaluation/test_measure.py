from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from divtool.core.errors import InputError
from divtool.core.evaluation.choice import choose_measures
from divtool.core.evaluation.measure import Measurer
from divtool.core.evaluation.runs import Run, read_run
from divtool.core.evaluation.tasks.pool import POOL
from divtool.core.metrics.ngrams import distinct
from divtool.core.metrics.supplies import Sources, Supplies, Supply
from divtool.core.metrics.text import words

WORDS = [f"w{n}" for n in range(400)]


def _embed(texts: list[str]) -> Any:
    rows = np.array([[hash_of(text, k) for k in range(16)] for text in texts])
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def hash_of(text: str, k: int) -> float:
    return sum(ord(c) * (i + k + 1) % 97 for i, c in enumerate(text)) % 101 / 50 - 1


def _run(name: str, vocabulary: int, prompts: int = 12, samples: int = 4, length: int = 60, seed: int = 0) -> Run:
    numbers = np.random.default_rng(seed)
    responses = {
        f"p{p:02d}": [
            {
                "prompt_id": f"p{p:02d}",
                "sample_index": i,
                "response": " ".join(numbers.choice(WORDS[:vocabulary], length)),
            }
            for i in range(samples)
        ]
        for p in range(prompts)
    }
    return Run(name, name, responses)


def _measure(run: Run, baseline: Run | None, *names: str, **more: Any) -> dict[str, dict[str, Any]]:
    chosen = choose_measures(names or None, POOL, Sources(), None).metrics
    supplies = Supplies(embed=Supply(lambda record: record["response"], _embed))
    records = Measurer(task=POOL, metrics=chosen, supplies=supplies, **more).measure([run], baseline)
    return {record["metric"]: record for record in records}


def test_run_against_itself_changes_nothing() -> None:
    one = _run("one", 100)
    rows = _measure(Run("two", "two", one.responses), one)
    for row in rows.values():
        if row["unit"] == "run" or row["value"] is None:
            continue
        assert row["delta"] == row["delta_ci_low"] == row["delta_ci_high"] == 0
        assert row["p_value"] == 1
    assert rows["semantic_distance"]["verdict"] == "not shown"
    assert rows["usable_rate"]["verdict"] == "equivalent"


def test_value_is_the_mean_over_prompts() -> None:
    run = _run("one", 80)
    by_prompt = [distinct([words(r["response"]) for r in records], k=1) for records in run.responses.values()]
    row = _measure(run, None)["distinct_1"]
    assert row["value"] == pytest.approx(np.mean([v for v in by_prompt if v is not None]), abs=1e-12)
    assert row["ci_low"] < row["value"] < row["ci_high"]
    assert "delta" not in row
    assert row["n_prompts"] == 12
    assert row["n_responses"] == 48
    assert "12 prompts x 4 responses" in row["definition"]


def test_richer_vocabulary_is_shown_as_more_diverse() -> None:
    rows = _measure(_run("rich", 400), _run("poor", 40, seed=1))
    assert rows["distinct_1"]["delta_ci_low"] > 0
    assert rows["distinct_1"]["p_value"] < 0.001
    assert rows["self_bleu"]["delta_ci_high"] < 0
    assert rows["words"]["delta"] == 0
    assert not rows["distinct_1"]["length_flag"]


def test_length_stands_beside_every_number_and_is_flagged() -> None:
    rows = _measure(_run("short", 400, length=30), _run("long", 400, length=60, seed=1))
    assert all(
        row["mean_words"] == 30 and row["baseline_mean_words"] == 60 and row["length_flag"] for row in rows.values()
    )


def test_half_length_copies_look_alike_once_truncated() -> None:
    """Shorter text has the higher distinct_1; on equal words the difference is gone, and the twin leads."""
    whole = _run("whole", 60)
    halves = {
        p: [{**r, "response": " ".join(r["response"].split()[:30])} for r in rs] for p, rs in whole.responses.items()
    }
    rows = _measure(Run("half", "half", halves), whole)
    assert rows["distinct_1"]["delta"] > 0.05
    assert abs(rows["distinct_1_trunc"]["delta"]) < rows["distinct_1"]["delta"] / 3
    assert rows["semantic_distance_trunc"]["role"] == "headline"
    assert rows["semantic_distance"]["family_size"] == 2
    assert "cut to 30 words" in rows["distinct_1_trunc"]["definition"]


def test_twins_are_details_at_equal_length() -> None:
    rows = _measure(_run("one", 100), _run("two", 100, seed=1))
    assert rows["semantic_distance_trunc"]["role"] == "detail"
    assert rows["semantic_distance"]["family_size"] == 1


def test_both_sides_are_cut_to_common_prompts_and_samples() -> None:
    many, few = _run("many", 100, prompts=14, samples=6), _run("few", 100, prompts=10, samples=3, seed=1)
    row = _measure(many, few)["distinct_1"]
    assert row["n_prompts"] == 10
    assert row["n_responses"] == 30
    cut = Run("cut", "cut", {p: many.responses[p][:3] for p in few.responses})
    assert row["value"] == _measure(cut, few)["distinct_1"]["value"]


def test_few_prompts_give_the_value_alone() -> None:
    row = _measure(_run("one", 100, prompts=4), _run("two", 100, prompts=4, seed=1))["semantic_distance"]
    assert row["value"] is not None
    assert row["delta_ci_low"] is row["p_value"] is row["verdict"] is None
    assert "too few units: 4 of 6" in row["note"]


def _file(path: Path, records: list[dict[str, Any]]) -> str:
    path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
    return str(path)


def _response(prompt: str, index: int, text: str, turn: int = 1) -> dict[str, Any]:
    return {"prompt": prompt, "prompt_id": prompt, "response": text, "sample_index": index, "turn": turn, "model": "m"}


def test_file_is_read_by_prompt_and_index(tmp_path: Path) -> None:
    records = [
        _response("b", 1, "x"),
        _response("a", 0, "y"),
        _response("b", 0, "z"),
        _response("b", 0, "second", turn=2),
    ]
    run = read_run("r", _file(tmp_path / "r.jsonl", records))
    assert {p: [r["response"] for r in rs] for p, rs in run.responses.items()} == {"b": ["z", "x"], "a": ["y"]}


def test_one_response_twice_with_other_text_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path / "r.jsonl", [_response("a", 0, "x"), _response("a", 0, "x"), _response("a", 0, "y")])
    with pytest.raises(InputError, match=r"r.jsonl:3: another response"):
        read_run("r", path)


def test_no_common_prompt_is_refused() -> None:
    one, other = _run("one", 100), _run("two", 100)
    renamed = Run("two", "two", {f"x{p}": records for p, records in other.responses.items()})
    with pytest.raises(InputError, match=r"no common prompts.*p00.*xp00"):
        _measure(one, renamed)
