"""The sections about an evaluation: planes, dots by prompt, frequent values, parse rates, raw responses."""

from __future__ import annotations

import re
from typing import Any

import pytest

from divtool.core.reporting.blocks import Drawer, Section
from divtool.core.reporting.load import Inputs, load
from divtool.core.reporting.measures import uniform
from divtool.core.reporting.page import render
from divtool.core.reporting.parse_section import parsing
from divtool.core.reporting.plane_section import length_plane, quality_plane
from divtool.core.reporting.prompt_section import by_prompt
from divtool.core.reporting.value_section import frequent_values

from .conftest import Record, Writer, evaluation, measure, quality, response, unit_values
from .test_page import HOSTILE, Page


def plane(*records: Record) -> Section:
    return quality_plane(uniform(records), Drawer())


def cells(section: Section, figure: int = 0) -> list[Any]:
    table = section.figures[figure].table
    assert table is not None
    return list(table.rows)


@pytest.fixture
def files(write: Writer) -> list[Any]:
    texts = [response(i, j, run=run) for run in ("base", "tuned") for i in range(8) for j in range(2)]
    rows = [write("texts.jsonl", texts), write("measures.jsonl", evaluation()), write("units.jsonl", unit_values())]
    return [rows[0], rows[1], rows[2]]


def test_the_page_of_an_evaluation_holds_every_section(files: list[Any]) -> None:
    html = render(load(files))
    ids = [attrs["id"] for tag, attrs in Page(html).elements if tag == "section"]
    assert ids == [
        "results", "plane", "prompts", "words", "values", "parsing", "examples", "responses",
        "run", "definitions", "made",
    ]  # fmt: skip
    for figure in re.findall(r"<figure>.*?</figure>", html, re.DOTALL):
        assert re.search(r'<svg[^>]* role="img".*?<desc id="[^"]+">[^<]{15,}</desc>', figure)
        assert "<table>" in figure
    for tag in ("div", "section", "figure", "table", "details", "svg", "article", "bdi", "ul", "li"):
        assert len(re.findall(rf"<{tag}[\s>]", html)) == html.count(f"</{tag}>"), tag


def test_the_plane_has_every_run_its_intervals_and_the_made_runs() -> None:
    (figure,) = plane(*evaluation()).figures
    assert figure.table is not None
    assert [row[:3] for row in figure.table.rows] == [
        ("tuned", "0.90 [0.80, 0.95]", "0.610 [0.590, 0.630]"),
        ("base (baseline)", "0.90 [0.80, 0.95]", "0.610 [0.590, 0.630]"),
        ("[identical]", "\u2013", "0.500"),
        ("[unrelated]", "\u2013", "0.700"),
    ]
    assert "[identical]" in figure.svg
    assert "Diamond: the baseline." in figure.caption


def test_the_baseline_has_a_point_without_rows_of_its_own() -> None:
    rows = [measure(), quality(value=0.9, baseline_value=0.8)]
    assert cells(plane(*rows))[0][:3] == ("base (baseline)", "0.800", "0.580")


def test_a_falling_metric_says_that_its_axis_is_turned() -> None:
    rows = [measure("self_bleu", direction="-"), quality(value=0.9)]
    assert "self bleu (turned: up is more diverse)" in plane(*rows).figures[0].svg


def test_points_of_a_sweep_are_one_curve_in_the_order_of_the_setting() -> None:
    def at(setting: float) -> list[Record]:
        own = {"run": f"[temperature={setting}]", "role": "reference", "baseline": None, "delta": None}
        return [measure(value=0.5 + setting / 10, **own), measure("usable_rate", value=1 - setting / 2, **own)]

    figure = plane(*evaluation(), *at(1.3), *at(0.5), *at(0.7)).figures[0]
    assert "the baseline at other values of temperature" in figure.caption
    shown = [part for part in re.findall(r"(\S+) at 0\.\d+ and", svg_label(figure.svg)) if part[0].isdigit()]
    assert shown == ["0.5", "0.7", "1.3"]


def svg_label(svg: str) -> str:
    return re.findall(r"<desc[^>]*>([^<]*)</desc>", svg)[0]


def test_the_front_and_its_words_are_told_where_they_are_known() -> None:
    rows = evaluation(front=False, front_share=0.125, tradeoff="trade")
    figure = plane(*rows).figures[0]
    assert figure.table is not None
    assert figure.table.rows[0][3:] == ("12\u202f%", "trade")
    assert "Ring: another run is at least as good on both." in figure.caption


def test_length_stands_beside_diversity() -> None:
    section = length_plane(uniform(evaluation()), Drawer())
    assert cells(section)[0] == ("tuned", "102 [90, 110]", "0.610 [0.590, 0.630]")


def test_best_and_worst_prompts_stand_side_by_side(files: list[Any]) -> None:
    inputs = load(files)  # the responses are named before the values that tell which of them to keep
    section = by_prompt(inputs, uniform(inputs.measures), Drawer())
    assert [(example.title, example.folded) for example in section.examples] == [
        ("story, best prompt: difference +0.060 (0.500 to 0.560)", False),
        ("story, second best prompt: difference +0.050 (0.500 to 0.550)", True),
        ("story, third best prompt: difference +0.040 (0.500 to 0.540)", True),
        ("story, worst prompt: difference \u22120.010 (0.500 to 0.490)", False),
        ("story, second worst prompt: difference 0.000 (0.500 to 0.500)", True),
        ("story, third worst prompt: difference +0.010 (0.500 to 0.510)", True),
    ]
    best = section.examples[0]
    assert best.prompt.text == "Write about 7."
    assert [(side.label, [label for label, _ in side.texts]) for side in best.sides] == [
        ("base", ["sample 0", "sample 1"]),
        ("tuned", ["sample 0", "sample 1"]),
    ]
    assert len(cells(section)) == 8
    assert "tuned more diverse on 6 of 8 units, less on 1" in section.figures[0].svg


def test_a_falling_metric_is_best_where_it_fell(write: Writer) -> None:
    rows = unit_values(direction="-")
    inputs = load([write("u.jsonl", rows), write("t.jsonl", [response(i, 0, run="tuned") for i in range(8)])])
    section = by_prompt(inputs, [], Drawer())
    assert section.examples[0].title == "story, best prompt: difference \u22120.010 (0.500 to 0.490)"


def test_of_several_runs_the_one_that_changed_most_is_read(write: Writer) -> None:
    rows = [*unit_values("near"), *(row | {"value": row["value"] - 0.3} for row in unit_values("far"))]
    texts = [response(i, 0, run=run) for run in ("near", "far", "base") for i in range(8)]
    inputs = load([write("u.jsonl", rows), write("t.jsonl", texts)])
    section = by_prompt(inputs, [], Drawer())
    assert {side.label for example in section.examples for side in example.sides} == {"base", "far"}
    assert "far (the run that changed most)" in section.examples[0].title


def test_files_are_known_by_the_runs_they_are_named_after(write: Writer) -> None:
    rows = unit_values("cold")
    texts = {"story.cold": "x", "base": "y"}
    paths = [write(f"{n}.jsonl", [response(i, 0, run=None, text=t) for i in range(8)]) for n, t in texts.items()]
    section = by_prompt(load([*paths, write("u.jsonl", rows)]), [], Drawer())
    assert [side.label for side in section.examples[0].sides] == ["base", "cold"]


def test_values_of_one_run_are_shown_without_a_baseline(write: Writer) -> None:
    rows = unit_values(baseline=None, baseline_value=None)
    section = by_prompt(load([write("u.jsonl", rows)]), [], Drawer())
    assert "semantic distance (higher is more diverse)" in section.figures[0].svg
    assert "less" not in section.figures[0].caption


def test_many_units_are_thinned_with_both_ends_kept(write: Writer) -> None:
    section = by_prompt(load([write("u.jsonl", unit_values(n=5_000))]), [], Drawer())
    assert "At most 2400 dots" in section.figures[0].caption
    assert len(section.figures[0].svg) < 700_000
    assert len(cells(section)) == 5_000


def test_frequent_values_are_shares_of_all() -> None:
    section = frequent_values(uniform(evaluation()), Drawer())
    assert cells(section) == [("ann", "75.0\u202f%", "75.0\u202f%"), ("bob", "25.0\u202f%", "25.0\u202f%")]
    assert section.figures[0].caption == "Values: base 8 and tuned 8."


def test_parse_rates_of_every_task_and_run() -> None:
    section = parsing(Inputs(), uniform([*evaluation(), *evaluation("dat")]), Drawer())
    assert [row[:4] for row in cells(section)] == [
        (task, run, "50\u202f%", "75\u202f%") for task in ("story", "dat") for run in ("tuned", "base")
    ]


@pytest.mark.parametrize("unit", ["p3", "p3/0"])
def test_where_nothing_is_usable_three_raw_responses_stand(write: Writer, unit: str) -> None:
    units = [row | {"unit_id": unit, "value": 0.0} for row in unit_values(n=2, metric="usable_rate", role="quality")]
    rows = evaluation(value=None, ci_low=None, ci_high=None, delta=None, verdict=None)
    rows = [row | {"value": 0.0} if row["metric"] == "usable_rate" and row["run"] == "tuned" else row for row in rows]
    texts = [response(i, j, run="tuned", text=f"raw {i} {j}") for i in range(40) for j in range(4)]
    inputs = load([write("t.jsonl", texts), write("u.jsonl", units), write("m.jsonl", rows)])
    (example,) = parsing(inputs, uniform(rows), Drawer()).examples
    assert example.title == "story, tuned: nothing usable; 3 responses as they are"
    assert [text.text for side in example.sides for _, text in side.texts] == ["raw 3 0", "raw 3 1", "raw 3 2"]
    assert "raw 3 2" in Page(render(inputs)).text


def test_a_run_whose_values_are_all_null_is_drawn_nowhere_and_named() -> None:
    null = dict.fromkeys(("value", "ci_low", "ci_high", "delta", "delta_ci_low", "delta_ci_high", "verdict"))
    rows = [*evaluation(), *([row | null for row in evaluation(run="dead")][:4])]
    section = plane(*rows)
    assert "Without a value: dead." in section.figures[0].caption
    assert "NaN" not in render(Inputs(measures=rows))
    alone = Page(render(Inputs(measures=[row | null for row in evaluation()[:1]]))).text
    assert "Not judged on story, " in alone


def test_one_run_alone_makes_a_page() -> None:
    alone = [{k: v for k, v in row.items() if "delta" not in k and k != "baseline"} for row in evaluation()[4:]]
    text = Page(render(Inputs(measures=alone))).text
    assert "Measured: story, semantic distance 0.610 [0.590, 0.630]." in text


def test_twelve_runs_and_eight_tasks_stay_a_page_that_can_be_sent(write: Writer) -> None:
    tasks = [f"task{i}" for i in range(8)]
    runs = [f"run{i}" for i in range(12)]
    rows = [row for task in tasks for run in runs for row in evaluation(task, run)]
    units = [row for task in tasks for run in runs for row in unit_values(run, task)]
    texts = [response(i, 0, run=run, text="word " * 400) for run in ("base", *runs) for i in range(8)]
    files = [write("m.jsonl", rows), write("u.jsonl", units), write("t.jsonl", texts)]
    html = render(load(files))
    assert len(html) < 4_000_000
    assert html.count("<figure>") == 8 * 5 + 3  # of each task; the forest is one a metric
    assert html.count('<ul class="tasks">') == 12
    assert len(re.findall(r"<h1[^>]*>12 comparisons: 12 more diverse at no shown cost</h1>", html)) == 1
    assert "<summary>4 more</summary>" in html
    assert len(re.findall(r'<li class="claim ', html)) == 12


def _infect(record: Record) -> Record:
    """Names and texts made hostile; roles stay, so that every section is drawn."""
    hostile = {key: HOSTILE + str(record[key]) for key in ("task", "run", "baseline", "note") if record.get(key)}
    hostile |= {"top_values": [[HOSTILE, 3]]} if "top_values" in record else {}
    return record | hostile | ({"tradeoff": HOSTILE} if record.get("role") == "headline" else {})


def test_hostile_names_stay_text(write: Writer) -> None:
    rows = [_infect(row) for row in evaluation()]
    units = [_infect(row) | {"unit_id": f"p{i}"} for i, row in enumerate(unit_values())]
    units += [_infect(row) | {"unit_id": HOSTILE} for row in unit_values()]
    texts = [response(i, 0, run=HOSTILE + run, text=HOSTILE) for run in ("base", "tuned") for i in range(8)]
    html = render(load([write("m.jsonl", rows), write("u.jsonl", units), write("t.jsonl", texts)]))
    found = Page(html)
    ids = [attrs["id"] for tag, attrs in found.elements if tag == "section"]
    assert {"plane", "prompts", "words", "values", "parsing"} <= set(ids)
    assert not found.tags() & {"script", "img", "iframe"}
    assert not [name for _, attrs in found.elements for name in attrs if name.startswith("on")]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", html)
    assert html.count("</style>") == 1


@pytest.mark.parametrize("value", [None, HOSTILE, [], {"a": 1}, [[1]], -1, 1e300, True])
def test_any_value_at_any_place_of_a_row_is_drawn_or_left_out(value: Any) -> None:
    keys = ("value", "ci_low", "front", "front_share", "tradeoff", "top_values", "parse_rate", "run", "baseline")
    broken = [
        row | {key: value}
        for key in keys
        for row in evaluation(run=f"run {key}", front=True, front_share=1.0, tradeoff="wins both")
    ]
    inputs = Inputs(measures=broken)
    for key in ("value", "baseline_value", "unit_id", "direction", "baseline", "run"):
        for row in unit_values(f"run {key}"):
            inputs.units.add(row | {key: value})
    found = Page(render(inputs))
    assert [tag for tag, _ in found.elements].count("figure") >= 7
