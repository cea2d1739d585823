"""Reference rows of responses by humans."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from divtool.core.errors import InputError
from divtool.core.evaluation.choice import choose_measures
from divtool.core.evaluation.measure import Measurer
from divtool.core.evaluation.references import human_beside, read_human
from divtool.core.evaluation.tasks.persona import PERSONA
from divtool.core.evaluation.tasks.pool import POOL, following
from divtool.core.metrics.supplies import Sources, Supplies, Supply


def _rows(encoder: Any, runs: Any, baseline: Any, human: Any, *names: str, task: Any = POOL) -> list[dict[str, Any]]:
    chosen = choose_measures(names or None, task, Sources(), None).metrics
    supplies = Supplies(embed=Supply(lambda record: record["response"], encoder))
    measurer = Measurer(task=task, metrics=chosen, supplies=supplies)
    return measurer.measured(runs, baseline, references=True, human=human).records


def _of_humans(records: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {record["metric"]: record for record in records if record["run"] == "[human]"}


def test_rows_stand_on_common_prompts_with_as_many_responses_of_both(make_run: Any, encoder: Any) -> None:
    run, human = make_run("run", samples=4), make_run("people", prompts=10, samples=3, seed=1, length=30)
    del human.responses["p00"][1:]  # one response by humans says nothing
    rows = _of_humans(_rows(encoder, [run], None, human, "semantic_distance", "distinct_1"))
    assert list(rows) == ["semantic_distance", "usable_rate", "words"]
    assert {row["role"] for row in rows.values()} == {"reference"}
    assert {row["n_prompts"] for row in rows.values()} == {9}
    note = "3 responses of each of 9 prompts that have 2 by humans or more, matched_value on as many of run"
    assert note in rows["semantic_distance"]["note"]
    assert (rows["words"]["value"], rows["words"]["matched_value"]) == (30, 60)
    shared = sorted(set(human.responses) - {"p00"})

    def alone(of: Any) -> Any:
        cut = replace(of, responses={p: of.responses[p][:3] for p in shared})
        return _rows(encoder, [cut], None, None, "semantic_distance")[0]["value"]

    assert rows["semantic_distance"]["matched_value"] == pytest.approx(alone(run), abs=1e-12)
    assert rows["semantic_distance"]["value"] == pytest.approx(alone(human), abs=1e-12)


def test_they_change_no_other_row(make_run: Any, encoder: Any) -> None:
    run, base = make_run("run"), make_run("base", seed=1)
    human = make_run("people", samples=9, seed=2, length=6)
    human.responses["p00"][0]["response"] = ""  # not usable, and shorter than all others
    names = ("semantic_distance", "distinct_1", "utility_k")
    supplies = Supplies(embed=Supply(lambda record: record["response"], encoder))
    measurer = Measurer(task=POOL, metrics=choose_measures(names, POOL, Sources(), None).metrics, supplies=supplies)
    without = measurer.measured([run, base], base, references=True).records
    beside = measurer.measured([run, base], base, references=True, human=human).records
    assert [record for record in beside if record["run"] != "[human]"] == without
    assert _of_humans(beside)["words"]["matched_value"] == 60
    assert "as many of base" in _of_humans(beside)["words"]["note"]  # as the other references: of the baseline


def test_what_counts_of_many_is_drawn_by_seed(make_run: Any) -> None:
    run, human = make_run("run", samples=4), make_run("people", samples=12, seed=1)
    drawn = [human_beside(human, run, seed) for seed in (0, 0, 1)]
    texts = [[[r["sample_index"] for r in rs] for rs in pair[0].responses.values()] for pair in drawn]
    assert texts[0] == texts[1] != texts[2]
    assert all(own == sorted(set(own)) and len(own) == 4 for own in texts[0])
    assert len({tuple(own) for own in texts[0]}) > 6
    assert human_beside(human, make_run("lone", samples=1), 0) == ()


def test_a_protocol_shows_all_its_metrics_of_them(make_run: Any, encoder: Any) -> None:
    task = following("2503.17126", from_file=False)
    rows = _of_humans(_rows(encoder, [make_run("run")], None, make_run("people", seed=1), task=task))
    assert list(rows) == [*task.metrics, "usable_rate", "words"]
    del rows["style_distance"]  # words without style
    assert all(row["value"] is not None and row["matched_value"] is not None for row in rows.values())


def test_people_of_one_prompt_are_blocks_too(make_run: Any, encoder: Any) -> None:
    def answers(name: str, count: int) -> Any:
        run = make_run(name, prompts=1, samples=count)
        for number, record in enumerate(run.responses["p00"]):
            record["response"] = orjson.dumps(
                {"first_name": f"N{number % 7}", "city": f"C{number % 4}", "occupation": "cook"}
            ).decode()
        return run

    rows = _of_humans(_rows(encoder, [answers("run", 100)], None, answers("people", 43), task=PERSONA))
    row = rows["field_distinct"]
    assert (row["unit"], row["n_units"], row["n_responses"]) == ("block", 10, 40)
    assert row["value"] is not None
    assert row["matched_value"] == pytest.approx((4 / 4 + 4 / 4 + 1 / 4) / 3)


def test_files_without_a_common_prompt_are_refused(make_run: Any, tmp_path: Path) -> None:
    def write(samples: int) -> str:
        run = make_run("people", prompts=2, samples=samples)
        lines = [orjson.dumps(record) + b"\n" for records in run.responses.values() for record in records]
        (tmp_path / "h.jsonl").write_bytes(b"".join(lines))
        return str(tmp_path / "h.jsonl")

    assert sorted(read_human(write(2), {"p01", "x"}).responses) == ["p00", "p01"]
    with pytest.raises(
        InputError, match=r"h.jsonl: no prompt with 2 responses .* asked: p00, p01 against x; give both"
    ):
        read_human(write(2), {"x"})
    with pytest.raises(InputError, match="no prompt has 2 responses or more by humans"):
        read_human(write(1), {"p01"})
