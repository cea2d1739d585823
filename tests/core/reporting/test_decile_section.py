from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from divtool.core.metrics.deciles import FORMAT, VERSION, decile_rows
from divtool.core.reporting.blocks import Drawer, Section
from divtool.core.reporting.decile_section import deciles
from divtool.core.reporting.load import Inputs, kind_of, load
from divtool.core.reporting.measures import uniform
from divtool.core.reporting.page import render

from .conftest import Record, Writer, measure, response


def scored(run: str, shift: float = 0.0, prompts: int = 10, **extra: float | None) -> list[Record]:
    """Ten responses a prompt, one in each decile, or higher by a shift, and none above 10."""
    return [
        response(i, j, run=run, scores={"ttr": 0.5, "dd_ttr": min(10.0, 1 + j + shift), **extra})
        for i in range(prompts)
        for j in range(10)
    ]


def decile_map(**changes: Any) -> Record:
    lengths = np.repeat(np.arange(20, 80), 20)
    values = np.random.default_rng(0).random(len(lengths)) - lengths / 100
    rows = [list(row) for row in decile_rows(lengths, values)]
    reference = {"n_responses": 1200, "n_prompts": 60, "model": "tiny", "sha256": "ab" * 32, "divtool": "0.0.9"}
    return {
        "format": FORMAT, "version": VERSION, "unit": "words", "tokenizer": "word", "reference": reference,
        "window": {"min_items": 60, "max_halfwidth": 40},
        "metrics": {"ttr": {"direction": 1, "definition": "ttr: V / N", "rows": rows}},
    } | changes  # fmt: skip


def section(inputs: Inputs) -> Section:
    return deciles(inputs, uniform(inputs.measures), Drawer())


def titles(found: Section) -> list[str]:
    return [figure.title for figure in found.figures]


def test_a_run_like_the_reference_is_uniform_with_mean_five_and_a_half(write: Writer) -> None:
    found = section(load([write("a.jsonl", scored("base"))]))
    means, spread = found.figures
    assert means.table is not None
    assert means.table.rows == [("ttr", "5.500 [5.500, 5.500]", "10", "100", "0.0\u202f%")]
    assert [row[2] for row in spread.sheet.rows] == pytest.approx([0.1] * 10)
    assert "fill every tenth alike" in found.lead


def test_ties_count_half_in_both_neighbours(write: Writer) -> None:
    rows = [response(i, 0, scores={"dd_ttr": value}) for i, value in enumerate((1.0, 1.5, 10.0, 9.5, 4.0))]
    spread = section(load([write("a.jsonl", rows)])).figures[-1]
    shares = [row[2] for row in spread.sheet.rows]
    assert shares == pytest.approx([0.3, 0.1, 0, 0.2, 0, 0, 0, 0, 0.1, 0.3])


def test_the_change_is_paired_by_prompt_against_the_baseline_of_the_measures(write: Writer) -> None:
    tuned = [*scored("tuned", 0.5), response(99, 0, run="tuned", scores={"dd_ttr": 1.0})]
    row = measure("dd_ttr", role="detail", delta=0.4, delta_ci_low=0.1, delta_ci_high=0.7, note="a note")
    inputs = load([write("a.jsonl", tuned), write("b.jsonl", scored("base")), write("m.jsonl", [row])])
    found = section(inputs)
    assert titles(found)[:4] == [
        "Mean decile: base", "Mean decile: tuned", "Change of the mean decile: tuned against base",
        "Delta-DD as measured: tuned against base",
    ]  # fmt: skip
    change, measured = found.figures[2], found.figures[3]
    assert change.sheet.rows == [("ttr", pytest.approx(0.45), pytest.approx(0.45), pytest.approx(0.45))]
    assert change.table is not None
    assert change.table.rows[0][4:6] == ("0.002", "10")  # of 1,024 flips two are as far from 0
    assert measured.sheet.rows == [("ttr", 0.4, 0.1, 0.7)]
    assert measured.table is not None
    assert measured.table.rows[0][-1] == "a note"


def test_a_run_against_itself_changes_nothing(write: Writer) -> None:
    files = [write(f"{run}.jsonl", scored(run)) for run in ("a", "b")]
    change = section(load(files)).figures[2]
    assert change.sheet.rows[0][1:] == (0.0, 0.0, 0.0)
    assert change.table is not None
    assert change.table.rows[0][4] == "1"


def test_what_is_not_there_is_said(write: Writer) -> None:
    far = scored("far", dd_maas=None)
    plain = [response(i, 0, run="plain") for i in range(3)]
    found = section(load([write("a.jsonl", far), write("b.jsonl", plain)]))
    assert "Without deciles: plain." in found.lead
    assert "far: more than 20\u202f% of the responses have no decile in some metric" in found.lead
    assert section(Inputs()).figures == []
    assert section(load([write("b.jsonl", plain)])).lead == ""


def test_the_mean_comes_first_and_has_no_distribution_of_its_own(write: Writer) -> None:
    found = section(load([write("a.jsonl", scored("base", dd_mean=4.25, dd_maas=3.0, dd_hdd=2.0, dd_mtld=7.0))]))
    assert [row[0] for row in found.figures[0].sheet.rows] == ["mean of the metrics", "ttr", "maas", "hdd", "mtld"]
    assert titles(found)[1:] == ["ttr", "maas", "hdd"]
    assert [figure.title for folder in found.folders for figure in folder.figures] == ["mtld"]


def test_a_map_is_drawn_by_length(write: Writer) -> None:
    assert kind_of(decile_map()) == "decile map"
    found = section(load([write("map.json", [decile_map()])]))
    assert "No response has deciles; divtool score --deciles MAP adds them." in found.lead
    (figure,) = found.folders[0].figures
    assert figure.sheet.head[:3] == ("words", "ttr, 10 %", "ttr, 20 %")
    assert [row[0] for row in figure.sheet.rows] == list(range(20, 80))
    assert figure.sheet.rows[0][1:] == tuple(decile_map()["metrics"]["ttr"]["rows"][0][3])
    assert found.tables[0].rows[0][:7] == ("map.json", "1,200", "60", "tiny", "1", "20", "79")


@pytest.mark.parametrize(
    "metrics",
    [[], {"x": 5}, {"x": {"rows": [5, [1], [1, 2, 3, 4], [1, 2, 3, [9, 8]], ["a", 1, 1, [1] * 9], None]}}],
)
def test_a_broken_map_is_no_reason_to_stop(metrics: Any, write: Writer) -> None:
    found = section(load([write("map.json", [decile_map(metrics=metrics, reference=None, window="x")])]))
    assert found.folders == []
    assert found.tables[0].rows[0][4] == "0"


def test_odd_values_are_no_deciles(write: Writer) -> None:
    rows = [
        response(i, 0, scores={"dd_ttr": value}) for i, value in enumerate((0.5, 11, -3, "a", True, None, 1e300, 3.0))
    ]
    found = section(load([write("a.jsonl", rows)]))
    assert found.figures[0].table is not None
    assert found.figures[0].table.rows[0][3:] == ("1", "87.5\u202f%")


def test_hostile_names_stay_text(write: Writer) -> None:
    evil = "</svg><script>alert(1)</script>\x00=1+1"
    rows = scored(evil, **{f"dd_{evil}": 3.0})
    html = render(
        load([write("a.jsonl", rows), write("m.json", [decile_map(metrics={evil: decile_map()["metrics"]["ttr"]})])])
    )
    assert "<script>alert" not in html
    assert not re.search("[\x00]", html)
