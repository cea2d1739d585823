"""Rows of Diversity Deciles."""

from __future__ import annotations

from pathlib import Path
from statistics import mean
from typing import Any

import orjson
import pytest

from divtool.core.evaluation.runs import Run
from divtool.core.evaluation.sides import every_record
from divtool.core.metrics.catalog import METRICS
from divtool.core.metrics.decile_map import DecileMap
from divtool.core.metrics.deciles import DecileBuilder
from divtool.core.metrics.definition import Setup, definition
from divtool.core.metrics.plain import Calculator

NAMES = ("ttr", "word_entropy", "maas")
DEFINITIONS = {name: definition(metric, Setup()) for name, metric in METRICS.items()}


def _scores(run: Run) -> list[tuple[dict[str, Any], int, dict[str, Any]]]:
    calculator = Calculator([METRICS[name] for name in ("words", *NAMES)], "word", {})
    found = []
    for record in every_record([run]):
        scores = {name: values[0] for name, values in calculator.values([record]).items()}
        found.append((record, scores["words"], scores))
    return found


@pytest.fixture
def chart(make_run: Any, tmp_path: Path) -> DecileMap:
    reference = make_run("reference", prompts=80, length=lambda p, i: 55 + (3 * p + i) % 11, seed=9)
    builder = DecileBuilder([METRICS[name] for name in NAMES])
    for record, n, scores in _scores(reference):
        builder.add(n, scores, record["prompt_id"], "reference")
    path = tmp_path / "map.json"
    path.write_bytes(orjson.dumps(builder.build(DEFINITIONS, tokenizer="word", sha256="ab" * 32)))
    return DecileMap.read(path, DEFINITIONS, "word")


def test_rows_are_means_of_the_responses_deciles(make_run: Any, measure: Any, chart: DecileMap) -> None:
    run = make_run("one")
    rows = measure(run, None, "distinct_1", deciles=chart)
    by_prompt: dict[str, list[dict[str, Any]]] = {}
    for record, n, scores in _scores(run):
        by_prompt.setdefault(record["prompt_id"], []).append(chart.scores(n, scores))
    for name in ("dd_ttr", "dd_word_entropy", "dd_maas", "dd_mean"):
        expected = mean(mean(row[name] for row in group) for group in by_prompt.values())
        assert rows[name]["value"] == pytest.approx(expected, abs=1e-12)
        assert 1 <= rows[name]["value"] <= 10
        assert (rows[name]["direction"], rows[name]["role"], rows[name]["null_share"]) == ("+", "detail", 0)
        assert "map of 320 reference texts, sha256 abababababab" in rows[name]["definition"]
    assert "ttr: V / N; tokenizer word" in rows["dd_ttr"]["definition"]
    assert "mean of dd_ttr, dd_word_entropy" in rows["dd_mean"]["definition"]
    assert not any(name.startswith("dd_") and name.endswith("_trunc") for name in rows)


def test_base_against_itself_has_no_delta(make_run: Any, measure: Any, chart: DecileMap) -> None:
    one = make_run("one")
    row = measure(Run("two", "two", one.responses), one, "distinct_1", deciles=chart)["dd_mean"]
    assert row["delta"] == row["delta_ci_low"] == row["delta_ci_high"] == 0
    assert row["p_value"] == 1


def test_richer_texts_of_equal_length_gain(make_run: Any, measure: Any, chart: DecileMap) -> None:
    rows = measure(make_run("rich", 300), make_run("base", seed=1), "distinct_1", deciles=chart)
    for name in ("dd_ttr", "dd_word_entropy", "dd_maas", "dd_mean"):
        assert rows[name]["delta_ci_low"] > 2


def test_lengths_off_the_map_are_null_counted_and_warned_of(make_run: Any, measure: Any, chart: DecileMap) -> None:
    def lengths(off: int) -> Any:
        return make_run("one", prompts=20, samples=5, length=lambda p, i: 200 if i < off else 60)

    few, many = (measure(lengths(off), None, "distinct_1", deciles=chart)["dd_ttr"] for off in (1, 2))
    assert few["null_share"] == 0.2
    assert "no decile for 20.0% of the responses" in few["note"]
    assert "left the map" not in few["note"]
    assert many["null_share"] == 0.4
    assert "no decile for 40.0% of the responses; the lengths have left the map" in many["note"]
    away = make_run("away", length=200)
    assert measure(away, None, "distinct_1", deciles=chart)["dd_mean"]["value"] is None


def test_baseline_off_the_map_is_warned_of_too(make_run: Any, measure: Any, chart: DecileMap) -> None:
    one, away = make_run("one"), make_run("away", length=lambda p, i: 60 if i else 200, seed=1)
    note = measure(one, away, "distinct_1", deciles=chart)["dd_mean"]["note"]
    assert "no decile for 25.0% of the responses; the lengths have left the map" in note
