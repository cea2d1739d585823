from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from divtool.core.audit.score import aggregates
from divtool.core.errors import InputError
from divtool.core.reporting import gather
from divtool.core.reporting.load import kind_of, load

from .audits import asked, distribution_log, exact, law
from .conftest import Record, Writer, bias_report, measure, pair, response, selection, training


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        ({"prompt": "x"}, "prompt"),
        (response(0, 0), "response"),
        (response(0, 0, scores={"maas": 0.1}), "scored response"),
        (pair(0), "pair"),
        (measure(), "measure"),
        (selection(), "selection report"),
        (bias_report(), "length-bias report"),
        (training()[0], "training step"),
        (training()[-1], "training summary"),
        ({"prompt": "x", "responses": ["a", "b"]}, "possibility group"),
        ({"prompt": "x", "targets": {"a": 1}}, "target"),
        ({"task": "die", "mode": "exact", "options": [], "value": 1}, "audit"),
        (distribution_log()[0], "distribution step"),
        (exact(asked(), law(7, 0.9)), "audit"),
        (aggregates([exact(asked(), law(7, 0.9))]), "audit summary"),
        ({"name": "x"}, None),
        ({}, None),
    ],
)
def test_kinds_are_told_by_keys(record: Record, kind: str | None) -> None:
    assert kind_of(record) == kind


def test_every_file_is_read_and_counted(stage_files: list[Path]) -> None:
    inputs = load(stage_files)
    assert [dict(file.kinds) for file in inputs.files] == [
        {"scored response": 36},
        {"scored response": 36},
        {"pair": 12},
        {"selection report": 1},
        {"measure": 3},
        {"training step": 8, "training summary": 1},
    ]
    assert {name: run.responses for name, run in inputs.responses.runs.items()} == {"base": 36, "tuned": 36}
    assert inputs.responses.runs["base"].bias.names == {"maas"}  # words are the length, null is no score
    assert inputs.pairs.score_sums["maas"] == [12, pytest.approx(0.24), pytest.approx(0.36)]


def test_one_stream_may_hold_several_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "\n".join(json.dumps(record) for record in (response(0, 0), pair(0), measure()))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(lines.encode())))
    assert dict(load(["-"]).files[0].kinds) == {"response": 1, "pair": 1, "measure": 1}


def test_gzip_by_name(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(pair(0)).encode()))
    assert load([path]).pairs.n == 1


def test_a_record_of_no_kind_names_its_line_and_keys(write: Writer) -> None:
    path = write("odd.jsonl", [response(0, 0), {"foo": 1, "bar": 2}])
    with pytest.raises(InputError, match=r"odd\.jsonl:2: cannot tell what kind .*foo, bar") as caught:
        load([path])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("x.json", "[1, 2]", "item 1 is not a JSON object"),
        ("x.json", "[]", "no records"),
        ("x.jsonl", "", "no records"),
        ("x.jsonl", "not json", "x.jsonl:1: not valid JSON"),
        ("x.json", '{"a"', "x.json:1: not valid JSON"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, content: str, fault: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=fault):
        load([tmp_path / name])


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load([tmp_path / "absent.json"])


def test_scored_repeats_of_responses_count_once(write: Writer) -> None:
    plain = [response(i, 0) for i in range(5)]
    scored = [record | {"scores": {"maas": 0.1}} for record in plain]
    run = load([write("a.jsonl", plain), write("b.jsonl", scored)]).responses.runs["base"]
    assert (run.responses, len(run.bias)) == (5, 5)


def test_files_of_one_model_are_told_apart_by_name(write: Writer) -> None:
    cold = write("cold.jsonl", [response(i, 0, run=None, text=f"cold {i}") for i in range(4)])
    hot = write("hot.jsonl", [response(i, 0, run=None, text=f"hot {i}") for i in range(4)])
    runs = load([cold, hot]).responses.runs
    assert {name: run.responses for name, run in runs.items()} == {"tiny": 4, "tiny (hot)": 4}


def test_kept_prompts_are_few_and_the_same_in_any_order(write: Writer) -> None:
    rows = [response(i, j) for i in range(60) for j in range(5)]
    forward = load([write("a.jsonl", rows)]).responses.examples
    backward = load([write("b.jsonl", rows[::-1])]).responses.examples
    assert forward.keys() == backward.keys()
    assert len(forward) == gather.SAMPLE_PROMPTS
    example = next(iter(forward.values()))
    assert sorted(example.responses["base"]) == [(0, 1), (1, 1), (2, 1)]


def test_reservoir_is_uniform() -> None:
    hits = [0] * 40
    reservoir = gather.Reservoir(10)
    for _ in range(600):
        reservoir.items.clear()
        reservoir.seen = 0
        for item in range(40):
            if (place := reservoir.slot()) is not None:
                reservoir.items[place] = item
        for item in reservoir.items:
            hits[item] += 1
    assert all(110 < n < 195 for n in hits)  # 150 expected, sd 10.6


def test_odd_types_of_optional_keys_do_not_stop_it(write: Writer) -> None:
    odd = [
        response(0, 0) | {"model": ["a"], "seed": {"x": 1}, "params": "hot", "scores": [1], "prompt_id": None},
        {"prompt": 5, "response": None},
        pair(0) | {"gap": "wide", "gaps": 3, "chosen_scores": None, "chosen": "a text", "rejected": None},
    ]
    inputs = load([write("odd.jsonl", odd)])
    assert inputs.pairs.n == 1
    assert sum(run.responses for run in inputs.responses.runs.values()) == 2
