"""Responses that could not be read from an answer count as unusable, whoever drew them and wherever they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from divtool.core.errors import InputError
from divtool.core.evaluation.collection import drawn_run
from divtool.core.evaluation.measure import Measurer
from divtool.core.evaluation.references import base_of
from divtool.core.evaluation.runs import Run, SamplePlan, read_run, sample_run
from divtool.core.evaluation.sides import paired
from divtool.core.evaluation.tasks.pool import POOL, asking
from divtool.core.evaluation.unread import chat_of, filled, with_unread
from divtool.core.metrics.catalog import METRICS
from divtool.core.metrics.supplies import Supplies
from divtool.core.sampling.backend import Decoding, Draw, Request


def _record(index: int, asked: int, read: int, **more: Any) -> dict[str, Any]:
    return {"prompt": "p", "prompt_id": "a", "sample_index": index, "turn": 1, "response": f"text {index}",
            "model": "m", "params": {"strategy": "list"}, "listed": {"asked": asked, "read": read}} | more  # fmt: skip


def test_a_list_that_is_too_short_is_filled_up() -> None:
    records = [_record(0, 4, 2), _record(1, 4, 2), _record(4, 4, 3), _record(5, 4, 3), _record(6, 4, 3)]
    found = with_unread(records)
    assert [record["sample_index"] for record in found] == list(range(8))
    assert [bool(record["response"]) for record in found] == [True, True, False, False, True, True, True, False]
    assert [chat_of(record) for record in found] == [0] * 4 + [4] * 4


def test_nothing_of_another_response_stands_in_an_empty_one() -> None:
    record = _record(0, 2, 1, response_raw="1. text", stated_probability=0.4, scores={"ttr": 0.5, "judge": 7},
                     n_tokens=3, logprob=-2.0, finish_reason="stop", words=["a"])  # fmt: skip
    _, empty = with_unread([record])
    assert empty["words"] == ["a"]
    assert empty["scores"] == {"ttr": None, "judge": None}
    assert not {"response_raw", "stated_probability"} & empty.keys()
    assert [empty[key] for key in ("n_tokens", "logprob", "finish_reason")] == [None] * 3


@pytest.mark.parametrize(
    "listed", [None, 3, {}, {"asked": 10**15, "read": 1}, {"asked": "4", "read": 1}, {"asked": 1, "read": 4},
               {"asked": 4, "read": 0}, {"asked": 4, "read": -1}]
)  # fmt: skip
def test_what_a_record_cannot_mean_is_left_alone(listed: Any) -> None:
    record = _record(0, 1, 1, listed=listed)
    assert with_unread([record]) == [record]


def test_a_prompt_without_any_response_is_filled_whole() -> None:
    prompt = {"prompt": "p", "prompt_id": "a", "words": ["x"]}
    found = filled((), prompt, 3)
    assert [(record["sample_index"], record["response"], record["words"]) for record in found] == [
        (n, "", ["x"]) for n in range(3)
    ]


def _file(path: Path, records: list[dict[str, Any]]) -> str:
    path.write_bytes(b"\n".join(map(orjson.dumps, records)))
    return str(path)


def test_a_file_says_how_many_and_they_are_unusable(tmp_path: Path) -> None:
    short = [_record(n, 4, 2, prompt_id=f"p{k}", response=f"word{n} number {k}") for k in range(8) for n in range(2)]
    whole = [_record(n, 4, 4, prompt_id=f"p{k}", response=f"word{n} number {k}") for k in range(8) for n in range(4)]
    run = read_run("short", _file(tmp_path / "s.jsonl", short))
    assert run.notes == (
        "16 responses could not be read from the answers that were to hold them, and count as unusable",
    )
    base = read_run("whole", _file(tmp_path / "w.jsonl", whole))
    assert base.notes == ()
    rows = Measurer(task=POOL, metrics=[METRICS["distinct_1"]], supplies=Supplies()).measure([run, base], base)
    rates = {row["run"]: row for row in rows if row["metric"] == "usable_rate"}
    assert (rates["short"]["value"], rates["short"]["parse_rate"]) == (0.5, 0.5)
    assert (rates["short"]["delta"], rates["short"]["verdict"]) == (-0.5, "worse")
    (headline,) = (row for row in rows if row["run"] == "short" and row["metric"] == "distinct_1" and "delta" in row)
    assert headline["delta"] == 0  # on as many usable responses of both


class _Silent:
    """A model that lists something to every second prompt."""

    name, parameters = "silent", None

    def __init__(self, answers: str) -> None:
        self.answers = answers

    def draw(self, requests: Sequence[Request], decoding: Decoding, on_tokens: Any) -> list[Draw]:
        return [Draw(self.answers, 9, "stop", -9.0) for _ in requests]


@pytest.mark.parametrize("lists", ["", "I cannot."])
def test_a_model_that_lists_nothing_has_unusable_responses(lists: str, tmp_path: Path) -> None:
    prompts = tmp_path / "p.jsonl"
    prompts.write_text('{"prompt": "Name a bird."}\n{"prompt": "Name a tree."}\n')
    plan = SamplePlan(preset="quick", prompt_file=prompts, strategy="list")
    path = tmp_path / "r.jsonl"
    sample_run(_Silent(lists), asking(), plan, path, resume=False, on_tokens=lambda n: None, on_done=lambda n: None)
    assert path.read_bytes() == b""
    run = drawn_run("l", "silent", path, plan.demand(asking()))
    assert (run.model, [len(own) for own in run.responses.values()]) == ("silent", [4, 4])
    assert run.notes == (
        "8 responses could not be read from the answers that were to hold them, and count as unusable",
    )
    rows = Measurer(task=asking(), metrics=[METRICS["distinct_1"]], supplies=Supplies()).measure([run], None)
    values = {row["metric"]: row["value"] for row in rows}
    assert (values["usable_rate"], values["distinct_1"]) == (0.0, None)


def test_what_a_server_refuses_is_missing_and_not_unusable(tmp_path: Path) -> None:
    prompts = tmp_path / "p.jsonl"
    prompts.write_text('{"prompt": "Name a bird."}\n')
    plan = SamplePlan(preset="quick", prompt_file=prompts, strategy="list", gaps=True)
    path = tmp_path / "r.jsonl"
    path.touch()
    with pytest.raises(InputError, match="no records"):
        drawn_run("l", "m", path, plan.demand(asking()))


def test_made_runs_come_from_the_whole_baseline_whatever_the_order_of_the_runs() -> None:
    def run(name: str, n: int) -> Run:
        return Run(name, name, {p: [_record(k, 9, 9, prompt_id=p) for k in range(n)] for p in "abc"[: n // 2]})

    short, long, base = run("short", 2), run("long", 6), run("base", 6)
    for runs in ([short, long], [long, short]):
        pairs = paired([*runs, base], base)
        chosen = pairs[base_of(pairs, compared=True)][-1]
        assert sum(map(len, chosen.responses.values())) == 18
        assert base_of(paired(runs, None), compared=False) == 0
    assert base_of(paired([short, replace(long, name="l")], base), compared=True) == 1
