"""Rows of single responses, of whole runs, of utility, and what settings change in them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from statistics import mean
from typing import Any

import numpy as np
import pytest

from divtool.core.evaluation.measure import Measurer
from divtool.core.evaluation.runs import Run
from divtool.core.evaluation.tasks.pool import POOL
from divtool.core.metrics.catalog import METRICS
from divtool.core.metrics.definition import Setup
from divtool.core.metrics.lexical import mattr, ttr
from divtool.core.metrics.ngrams import distinct
from divtool.core.metrics.novelty import utility_k
from divtool.core.metrics.supplies import Supplies
from divtool.core.metrics.text import words


def _ttr(record: dict[str, Any]) -> float:
    return ttr(Counter(words(record["response"])))  # type: ignore[return-value]


def test_metric_of_responses_is_the_mean_of_the_prompts_means(make_run: Any, measure: Any) -> None:
    run = make_run("one", 80, length=lambda p, i: 30 + 5 * i + p)
    run.responses["p00"] = run.responses["p00"][:1]  # one number a prompt, whatever its size
    row = measure(run, None, "ttr")["ttr"]
    assert row["value"] == pytest.approx(mean(mean(map(_ttr, rs)) for rs in run.responses.values()), abs=1e-12)
    assert row["ci_low"] < row["value"] < row["ci_high"]
    assert row["role"] == "headline"
    assert row["null_share"] == 0
    assert "mean over the responses of a prompt" in row["definition"]


def test_nulls_of_responses_are_left_out_counted_and_noted(make_run: Any, measure: Any) -> None:
    run = make_run("one", length=lambda p, i: 60 if i else 40)
    row = measure(run, None, "mattr")["mattr"]
    known = [[mattr(words(r["response"])) for r in rs[1:]] for rs in run.responses.values()]
    assert row["value"] == pytest.approx(mean(mean(values) for values in known), abs=1e-12)  # type: ignore[type-var]
    assert row["null_share"] == 0.25
    assert "unreliable: null for 25.0% of the responses (under 50 words)" in row["note"]


def test_null_prompts_beyond_a_tenth_are_noted(make_run: Any, measure: Any) -> None:
    def samples(short: int) -> Run:
        run = make_run("one", prompts=20, samples=2)
        for p in range(short):
            run.responses[f"p{p:02d}"] = run.responses[f"p{p:02d}"][:1]
        return run

    few, many = (measure(samples(n), None, "semantic_distance")["semantic_distance"] for n in (2, 3))
    assert few["note"] == "few units; 2 undefined left out"
    assert (
        many["note"] == "few units; 3 undefined left out; unreliable: null on 15.0% of prompts (under 2 usable texts)"
    )


def test_distance_of_a_metric_of_groups_is_that_of_its_set(make_run: Any, measure: Any) -> None:
    rows = measure(make_run("one"), None, "semantic_distance", "semantic_deviation")
    assert rows["semantic_deviation"]["value"] == pytest.approx(rows["semantic_distance"]["value"], abs=1e-12)


@pytest.mark.parametrize("k", [1, 2])
def test_metric_of_a_run_pools_all_its_texts(make_run: Any, measure: Any, k: int) -> None:
    run = make_run("one")
    row = measure(run, None, f"corpus_distinct_{k}", "vendi")[f"corpus_distinct_{k}"]
    texts = [words(r["response"]) for rs in run.responses.values() for r in rs]
    assert row["value"] == distinct(texts, k)
    assert (row["ci_low"], row["ci_high"], row["note"], row["role"], row["unit"]) == (None, None, "", "detail", "run")
    assert (row["n_prompts"], row["n_responses"]) == (12, 48)
    assert "without an interval" in row["definition"]


def test_metric_of_a_run_is_compared_by_value_alone(make_run: Any, measure: Any) -> None:
    rich, poor = make_run("rich", 400), make_run("poor", 40, seed=1)
    rows = measure(rich, poor, "corpus_distinct_1", "distinct_1")
    row = rows["corpus_distinct_1"]
    assert row["delta"] == row["value"] - row["baseline_value"] > 0
    assert row["delta_ci_low"] is row["p_value"] is row["verdict"] is None
    assert "corpus_distinct_1_trunc" not in rows
    assert rows["distinct_1"]["family_size"] == 1


def test_baseline_of_one_size_is_fed_once(make_run: Any) -> None:
    fed: list[str] = []

    def feed(records: Any) -> Any:
        fed.extend(record["response"] for record in records)
        return (np.array([0.5, 0.5]) for _ in records)

    one, two = make_run("one"), make_run("two", seed=1)
    metrics = [METRICS["avgout_dullness"]]
    measurer = Measurer(task=POOL, metrics=metrics, supplies=Supplies(), feeds={"next_tokens": feed})
    rows = measurer.measure([one, two], two)
    assert [row["value"] for row in rows if row["metric"] == "avgout_dullness"] == [0.5, 0.5]
    assert len(fed) == 96


def test_utility_takes_the_judges_ratings_where_all_have_one(make_run: Any, measure: Any) -> None:
    run = make_run("one", samples=10, scores=lambda p, i: {"judge": 1 + i})
    rows = measure(run, None, "utility_k", "utility_k_mean")
    assert rows["utility_k"]["value"] == pytest.approx(utility_k(range(10), range(1, 11)), abs=1e-12)
    assert rows["utility_k_trunc"]["value"] == rows["utility_k"]["value"]  # what a text is worth is that of the whole
    assert rows["utility_k_mean"]["value"] == pytest.approx(5.5, abs=0.3)
    for row in rows.values():
        if row["metric"].startswith("utility"):
            assert "ratings: scores.judge of the records" in row["definition"]
            assert "not comparable" in row["definition"]


def test_utility_is_null_where_a_rating_could_not_be_read(make_run: Any, measure: Any) -> None:
    run = make_run("one", samples=10, scores=lambda p, i: {"judge": None if (p, i) == (3, 3) else 5})
    rows = measure(run, None, "utility_k", "utility_k_mean", truncate="none")
    assert [rows[name]["n_units"] for name in ("utility_k", "utility_k_mean", "judge")] == [11, 11, 12]
    assert rows["utility_k"]["value"] == pytest.approx(5, abs=1e-12)


def test_utility_falls_back_to_whether_a_text_is_usable(make_run: Any, measure: Any) -> None:
    run = make_run("one", samples=10, scores=lambda p, i: {} if (p, i) == (3, 3) else {"judge": 5})
    for records in run.responses.values():
        records[0]["response"] = "again and again " * 20
    row = measure(run, None, "utility_k", truncate="none")["utility_k"]
    assert row["value"] == pytest.approx(utility_k(range(10), [1, *[10] * 9]), abs=1e-12)
    assert "ratings: 10 if usable (holds a word, and within_distinct_4 >= 0.80" in row["definition"]


def test_settings_change_the_number_and_its_definition(make_run: Any, measure: Any) -> None:
    run = make_run("one", samples=10)
    names = ("semantic_clusters", "cluster_entropy", "distinct_k_nb")
    usual = measure(run, None, *names)
    wide = measure(run, None, *names, setup=Setup(settings={"cut": 1.9, "partition": "greedy"}))
    assert [usual[name]["value"] for name in names] == [10, pytest.approx(3.3219281, abs=1e-6), 10]
    assert [wide[name]["value"] for name in names] == [1, 0, 1]
    assert "cut at 1.90" in wide["semantic_clusters"]["definition"]
    assert "greedy partition" in wide["distinct_k_nb"]["definition"]
    assert "alike where 1 - cos <= 1.90" in wide["distinct_k_nb"]["definition"]


def test_tokenizer_is_that_of_the_setup(make_run: Any, measure: Any) -> None:
    run = make_run("one")
    row = measure(run, None, "distinct_1", setup=Setup(tokenizer="char"))
    assert row["distinct_1"]["value"] < 0.02
    assert "tokenizer char" in row["distinct_1"]["definition"]
    assert "tokenizer char" in row["words"]["definition"]
    assert row["words"]["value"] > 100


def test_style_encoder_takes_the_place_of_style_lite(make_run: Any, measure: Any, encoder: Any) -> None:
    run = make_run("one")
    row = measure(run, None, "style_distance", style=encoder, setup=Setup(style="made-style"))["style_distance"]
    plain = measure(run, None, "style_distance", "semantic_distance")
    assert row["value"] == plain["semantic_distance"]["value"]
    assert plain["style_distance"]["value"] is None  # made words hold no function word
    assert "style vectors made-style" in row["definition"]


def test_each_text_is_encoded_once_in_one_call(make_run: Any, measure: Any, encoder: Any) -> None:
    one, two = make_run("one"), make_run("two", seed=1)
    two.responses["p00"][0] = {**two.responses["p00"][0], "response": one.responses["p00"][0]["response"]}
    measure(one, two, "semantic_distance", "vendi", "chamfer", "utility_k")
    assert len(encoder.calls) == 1
    assert len(encoder.calls[0]) == len(set(encoder.calls[0])) == 2 * 48 - 1


def test_nothing_is_encoded_for_metrics_of_words(make_run: Any, measure: Any, encoder: Any) -> None:
    measure(make_run("one"), None, "distinct_1", "ttr")
    assert not encoder.calls


def test_empty_responses_are_left_out_and_counted(make_run: Any, measure: Any) -> None:
    run = make_run("one")
    run.responses["p03"][2]["response"] = " ... "
    rows = measure(run, None, "semantic_distance", "unique_share")
    assert "12 prompts x 4 responses, 1 of them without a word" in rows["unique_share"]["definition"]
    assert rows["unique_share"]["value"] == pytest.approx(47 / 48)  # what is not usable adds nothing
    assert rows["unique_share_all"]["value"] == 1
    assert rows["usable_rate"]["value"] == pytest.approx(47 / 48)


def test_n_responses_counts_what_the_number_rests_on(make_run: Any, measure: Any) -> None:
    run = make_run("one", samples=6)
    for records in list(run.responses.values())[:2]:
        for record in records[:3]:
            record["response"] = ""
    found = measure(run, None, "distinct_1", "mattr", "ttr")
    whole = sum(map(len, run.responses.values()))
    assert found["words"]["n_responses"] == whole
    assert found["distinct_1"]["n_responses"] == found["ttr"]["n_responses"] == whole - 6
    assert found["mattr"]["n_responses"] == 0 or found["mattr"]["n_prompts"] > 0


def test_empty_responses_leave_equally_many_texts_on_both_sides(make_run: Any, measure: Any) -> None:
    run, base = make_run("one", samples=6), make_run("two", samples=6)
    short = replace(base, responses={p: records[:3] for p, records in base.responses.items()})
    for records in run.responses.values():
        for record in records[3:]:
            record["response"] = ""
    found = measure(run, base, "distinct_1")["distinct_1"]
    alone = measure(short, None, "distinct_1")["distinct_1"]
    assert found["baseline_value"] == pytest.approx(alone["value"])
    assert found["baseline_value"] > measure(base, None, "distinct_1")["distinct_1"]["value"]
