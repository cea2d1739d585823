"""`divtool eval` on files, without a model."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import orjson
import pytest


def _lines(count: int = 8, samples: int = 3, *, vocabulary: int = 60, words: int = 40, seed: int = 0) -> bytes:
    draw = random.Random(seed)
    records = [
        {
            "prompt": f"question {p}", "prompt_id": f"q{p}", "sample_index": i, "model": "made",
            "response": " ".join(f"w{draw.randrange(vocabulary)}" for _ in range(words)),
        }
        for p in range(count)
        for i in range(samples)
    ]  # fmt: skip
    return b"".join(orjson.dumps(record) + b"\n" for record in records)


def _rows(done: Any) -> dict[str, dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return {record["metric"]: record for record in map(orjson.loads, done.stdout.splitlines())}


def test_pool_measures_a_pipe(divtool: Any) -> None:
    done = divtool("eval", "--task", "pool", "--metrics", "distinct_1,ttr,corpus_distinct_2", stdin=_lines())
    rows = _rows(done)
    assert list(rows) == [
        "distinct_1", "ttr", "corpus_distinct_2", "usable_rate", "words", "distinct_1_trunc", "ttr_trunc",
    ]  # fmt: skip
    assert all(row["task"] == "pool" for row in rows.values())
    assert b"few units" in done.stderr
    assert b"pool: -" in done.stderr


def test_files_are_compared_by_prompt(divtool: Any, tmp_path: Path) -> None:
    (tmp_path / "base.jsonl").write_bytes(_lines(vocabulary=20, seed=1))
    (tmp_path / "run.jsonl").write_bytes(_lines())
    given = ("--task", "pool", "--metrics", "distinct_1", "--truncate-words", "none", "--baseline", "base.jsonl")
    rows = _rows(divtool("eval", "run.jsonl", *given))
    assert "delta" not in rows["distinct_1"]  # the last row of that name is the baseline's own
    done = divtool("eval", "run.jsonl", *given, "-o", "m.jsonl")
    first = orjson.loads((tmp_path / "m.jsonl").read_bytes().splitlines()[0])
    assert done.stdout == b""
    assert (first["baseline"], first["verdict"], first["role"]) == ("base.jsonl", "more", "headline")


def test_all_names_what_it_leaves_out(divtool: Any) -> None:
    done = divtool("eval", "--task", "pool", "--metrics", "all,ttr", "--embedder", "./nowhere", stdin=_lines())
    assert done.returncode == 1
    assert b"left out: avgout_dullness (name a --quality-model)" in done.stderr
    assert done.stderr.count(b"avgout_dullness") == 1
    assert b"embedder './nowhere'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (
            ("--task", "pool", "--model", "m"),
            2,
            "task pool has no prompts of its own: name a file of them with --prompts",
        ),
        (("one.jsonl", "--task", "pool", "--baseline", "m"), 2, "task pool has no prompts of its own"),
        (("one.jsonl", "--metrics", "distinct1"), 2, "unknown metric 'distinct1': did you mean 'distinct_1'?"),
        (("one.jsonl", "--metrics", ","), 2, "no metric named"),
        (("one.jsonl", "--metrics", "avgout_dullness"), 2, "the metric avgout_dullness: name a --quality-model"),
        (("one.jsonl", "--metrics", "judge"), 2, "divtool score --metrics judge"),
        (("one.jsonl", "--tokenizer", "wrd"), 2, "unknown tokenizer 'wrd': did you mean 'word'?"),
        (("one.jsonl", "--truncate-words", "0"), 2, "give a number of 1 or more, auto or none"),
        (("one.jsonl", "--truncate-words", "some"), 2, "give a number of 1 or more, auto or none"),
        (("one.jsonl", "--partition", "other"), 2, "'linkage', 'greedy'"),
        (("one.jsonl", "--deciles", "none.json"), 1, "none.json: the decile map cannot be read"),
        (("one.jsonl", "--deciles", "one.jsonl"), 1, "one.jsonl: not valid JSON"),
        (("one.jsonl", "--deciles", "other.json"), 1, "other.json: the key 'format' is missing"),
        (("none.jsonl", "--metrics", "distinct_1"), 1, "none.jsonl: no such file"),
    ],
)
def test_wrong_use_is_one_line(divtool: Any, tmp_path: Path, arguments: Any, status: int, message: str) -> None:
    (tmp_path / "one.jsonl").write_bytes(_lines(count=2))
    (tmp_path / "other.json").write_text("{}")
    given = arguments if "--metrics" in arguments else (*arguments, "--metrics", "distinct_1")
    done = divtool("eval", *given)
    assert done.returncode == status, done.stderr
    text = done.stderr.decode()
    assert message in " ".join(text.replace("│", " ").split())
    assert "Traceback" not in text
    assert done.stdout == b""


def test_a_pair_classifier_decides_which_texts_are_one_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from divtool.core.evaluation.plan import MeasurePlan
    from divtool.core.evaluation.tasks.pool import POOL
    from divtool.core.metrics.supplies import Sources
    from divtool.core.models import equivalence

    class Classifier:
        def __init__(self, name: str, device: str) -> None:
            self.same = f"{name} on {device}"

    monkeypatch.setattr(equivalence, "PairClassifier", Classifier)
    sources = Sources(equivalence=str(tmp_path))
    measurer = MeasurePlan.settled(POOL, ["distinct_k_nb"], sources).open(lambda _: None)
    assert measurer.setup.settings == {"equivalent": f"{tmp_path} on auto"}
    assert f"pair classifier {tmp_path}" in measurer.setup.alike
    plain = MeasurePlan.settled(POOL, ["distinct_1"], sources).open(lambda _: None)
    assert plain.setup.settings == {}
