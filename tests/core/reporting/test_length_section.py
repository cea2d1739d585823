from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from divtool.core.reporting import gather
from divtool.core.reporting.blocks import Drawer, Section
from divtool.core.reporting.length_section import length_bias
from divtool.core.reporting.load import Inputs, load
from divtool.core.reporting.page import render

from .conftest import Record, Writer, bias_report, response

HOSTILE = "<script>alert(1)</script>\x00\u202e]]>{{7*7}}\"'"


def section(inputs: Inputs) -> Section:
    return length_bias(inputs, Drawer())


def given(*reports: Record) -> Section:
    return section(Inputs(length_reports=[(f"r{i}.json", report) for i, report in enumerate(reports)]))


def scored(run: str, n: int = 60, slope: float = 1.0) -> list[Record]:
    return [
        response(i % 15, i // 15, run=run, scores={"words": 40 + i, "ttr": slope * i + 9 * (i % 5), "maas": 1 - i / 90})
        for i in range(n)
    ]


def test_a_report_is_drawn_with_its_numbers() -> None:
    found = given(bias_report())
    forest, curves = found.figures
    assert forest.table is not None
    assert [row[0] for row in forest.table.rows] == ["ttr \u2191", "reward"]
    ttr = forest.table.rows[0]
    assert re.fullmatch(r"\u22120\.\d+ \[\u22120\.\d+, \u22120\.\d+\]", ttr[1])
    assert ttr[-1] == "favours short"
    assert "60 responses to 15 prompts: of 3 scores, 0 favour long text and 1 short text." in found.lead
    assert curves.table is not None
    assert len(curves.table.rows) == 20
    assert [row[1:] for row in found.tables[0].rows] == [("same", "60", "constant")]


def test_scored_responses_give_the_same_section(write: Writer) -> None:
    drawn = section(load([write("a.jsonl", scored("base"))]))
    assert [row[0] for row in drawn.figures[0].table.rows] == ["maas \u2193", "ttr \u2191"]  # type: ignore[union-attr]
    assert [row[-1] for row in drawn.figures[0].table.rows] == ["favours long"] * 2  # type: ignore[union-attr]


def test_fewer_than_thirty_scored_responses_give_none(write: Writer) -> None:
    assert not section(load([write("a.jsonl", scored("base", 29))])).figures


def test_runs_stand_beside_each_other_in_one_order(write: Writer) -> None:
    rows = scored("base", slope=0.02) + scored("tuned", slope=-2)
    drawn = section(load([write("a.jsonl", rows)]))
    assert [figure.title for figure in drawn.figures] == [
        "Which scores follow length: base", "Which scores follow length: tuned", "Scores along the length",
    ]  # fmt: skip
    orders = [[row[0] for row in figure.table.rows] for figure in drawn.figures[:2] if figure.table]
    assert orders[0] == orders[1]
    assert "tuned, 60 responses to 15 prompts: of 2 scores, 1 favour long text and 1 short text." in drawn.lead


def test_a_report_on_the_given_responses_is_shown_once(write: Writer, tmp_path: Path) -> None:
    records = write("a.jsonl", scored("base"))
    report = load([records]).responses.runs["base"].bias.report()
    (tmp_path / "bias.json").write_text(json.dumps(report, indent=2), encoding="utf-8")
    assert len(section(load([records, tmp_path / "bias.json"])).figures) == 2
    report["metrics"]["ttr"]["n"] -= 1
    (tmp_path / "bias.json").write_text(json.dumps(report), encoding="utf-8")
    assert len(section(load([records, tmp_path / "bias.json"])).figures) == 3


def test_units_are_not_mixed() -> None:
    found = given(bias_report(), bias_report(unit="tokens"))
    assert [figure.title for figure in found.figures].count("Scores along the length") == 2


@pytest.mark.parametrize("value", [None, HOSTILE, [], [[1]], -1, 1e300, True, {"value": "1", "ci_low": 2}])
def test_any_value_at_any_place_is_drawn_or_left_out(value: Any) -> None:
    whole = bias_report()
    ttr = whole["metrics"]["ttr"]
    paths: list[tuple[Any, ...]] = [(key,) for key in ttr]
    paths += [("spearman", key) for key in ttr["spearman"]] + [("bins", 0, key) for key in ttr["bins"][0]]
    broken = {f"m{i}": copy.deepcopy(ttr) for i in range(len(paths))}
    for metric, (*outer, last) in zip(broken.values(), paths, strict=True):
        place = metric
        for key in outer:
            place = place[key]
        place[last] = value
    drawn = given(whole | {"metrics": broken | {"whole": value}}, dict.fromkeys(whole, value))
    assert len(drawn.figures) == 2
    given(dict.fromkeys(whole, value) | {"metrics": whole["metrics"]})


def test_names_of_a_file_stay_text(tmp_path: Path) -> None:
    report = bias_report(unit=HOSTILE)
    report["metrics"] = {HOSTILE + name: metric | {"verdict": HOSTILE} for name, metric in report["metrics"].items()}
    (tmp_path / "x.json").write_text(json.dumps(report), encoding="utf-8")
    html = render(load([tmp_path / "x.json"]))
    assert "<script" not in html
    assert "\u202e" not in html
    assert "{{7*7}}" in html


def test_many_metrics_and_many_names_are_bounded(write: Writer) -> None:
    whole = bias_report()
    found = given(whole | {"metrics": {f"m{i}": whole["metrics"]["ttr"] for i in range(5_000)}})
    assert len(found.figures[0].table.rows) == 200  # type: ignore[union-attr]
    assert sum(len(figure.svg) for figure in found.figures) < 300_000
    rows = [response(i, 0, scores={f"n{i}_{j}": 1.0 for j in range(50)} | {"words": 33}) for i in range(40)]
    run = load([write("a.jsonl", rows)]).responses.runs["base"]
    assert len(run.bias.names) <= 2 * gather.SCORE_COLUMNS
    assert set(run.bias._lengths) == {33}
