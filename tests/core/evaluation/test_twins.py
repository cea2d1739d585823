"""Rows of truncated texts."""

from __future__ import annotations

from collections import Counter
from statistics import mean
from typing import Any

import pytest

from divtool.core.metrics.catalog import METRICS
from divtool.core.metrics.lexical import ttr
from divtool.core.metrics.ngrams import distinct
from divtool.core.metrics.text import truncate_words, words


def test_which_metrics_have_one(make_run: Any, measure: Any) -> None:
    sets = [name for name, metric in METRICS.items() if metric.level == "set"]
    others = ["ttr", "word_entropy", "compression_ratio", "mattr", "chars", "semantic_deviation", "corpus_distinct_1"]
    rows = measure(make_run("one", samples=3), None, *sets, *others)
    assert {name.removesuffix("_trunc") for name in rows if name.endswith("_trunc")} == {*sets, *others[:3]}


def test_values_are_those_of_the_cut_texts(make_run: Any, measure: Any) -> None:
    run = make_run("one", length=lambda p, i: 40 + 10 * i)
    rows = measure(run, None, "distinct_1", "ttr", truncate=30)
    cut = {p: [words(r["response"])[:30] for r in rs] for p, rs in run.responses.items()}
    assert rows["distinct_1_trunc"]["value"] == pytest.approx(mean(distinct(texts, 1) for texts in cut.values()))  # type: ignore[type-var]
    expected = mean(mean(ttr(Counter(text)) for text in texts) for texts in cut.values())  # type: ignore[type-var]
    assert rows["ttr_trunc"]["value"] == pytest.approx(expected)
    assert "texts cut to 30 words (tokenizer word), 0 responses left out for it" in rows["ttr_trunc"]["definition"]


def test_automatic_length_is_the_tenth_percentile_of_both_sides(make_run: Any, measure: Any) -> None:
    """Word counts 20, 21, ..., 67 and 60 for all others: the 10th percentile of 96 lengths is the 10.5th, 29.5."""
    one, two = make_run("one", length=lambda p, i: 20 + 4 * p + i), make_run("two", seed=1)
    assert "texts cut to 29 words" in measure(one, two, "distinct_1")["distinct_1_trunc"]["definition"]
    assert (
        "texts cut to 5 words" in measure(make_run("x", length=3), None, "distinct_1")["distinct_1_trunc"]["definition"]
    )


def test_short_texts_are_left_out_and_sizes_equal_again(make_run: Any, measure: Any) -> None:
    one = make_run("one", length=lambda p, i: 20 if i == 0 else 60)
    two = make_run("two", seed=1)
    rows = measure(one, two, "distinct_1", truncate=50)
    row = rows["distinct_1_trunc"]
    assert (row["n_responses"], row["n_prompts"]) == (36, 12)
    assert "12 responses left out" in row["definition"]
    first_three = [
        [words(truncate_words(r["response"], 50) or "") for r in records[:3]] for records in two.responses.values()
    ]
    assert row["baseline_value"] == pytest.approx(mean(distinct(texts, 1) for texts in first_three))  # type: ignore[type-var]


def test_set_of_fewer_than_two_is_null(make_run: Any, measure: Any) -> None:
    run = make_run("one", length=lambda p, i: 60 if i == 0 or p > 1 else 20)
    rows = measure(run, None, "unique_share", "ttr", truncate=50)
    for name in ("unique_share_trunc", "ttr_trunc"):
        assert rows[name]["n_prompts"] == 10
        assert "unreliable: null on 16.7% of prompts (under 2 texts long enough, or no " in rows[name]["note"]


def test_nothing_long_enough_is_null_throughout(make_run: Any, measure: Any) -> None:
    rows = measure(make_run("one", length=3), make_run("two", length=3, seed=1), "unique_share", "semantic_distance")
    for name in ("unique_share_trunc", "semantic_distance_trunc"):
        assert rows[name]["value"] is rows[name]["delta"] is rows[name]["p_value"] is None
        assert rows[name]["n_prompts"] == 0


def test_none_asked_for(make_run: Any, measure: Any) -> None:
    assert not [name for name in measure(make_run("one"), None, "ttr", "vendi", truncate="none") if "_trunc" in name]


def test_twin_of_the_headline_leads_only_where_lengths_differ(make_run: Any, measure: Any) -> None:
    one, two, long = make_run("one"), make_run("two", seed=1), make_run("long", length=80, seed=2)
    assert measure(one, two)["semantic_distance_trunc"]["role"] == "detail"
    assert measure(one, long)["semantic_distance_trunc"]["role"] == "headline"
    assert measure(one, long)["vendi_trunc"]["role"] == "detail"
