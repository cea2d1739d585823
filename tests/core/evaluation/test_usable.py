"""What is not usable is noise: it must not count as diversity."""

from __future__ import annotations

from typing import Any

import pytest

from divtool.core.evaluation.tasks.story import STORY

_LOOP = "again and again " * 20


def _spoilt(run: Any, *, every: int = 2) -> Any:
    for records in run.responses.values():
        for place in range(0, len(records), every):
            records[place]["response"] = _LOOP + str(place)
    return run


def test_distances_are_those_of_the_usable_responses(make_run: Any, measure: Any) -> None:
    clean = make_run("one", samples=6)
    only = make_run("one", samples=6)
    for records in only.responses.values():
        del records[0::2]
    names = ("semantic_distance", "self_bleu", "distinct_2", "vendi", "ttr", "corpus_distinct_1")
    noisy, half = measure(_spoilt(clean), None, *names), measure(only, None, *names)
    for name in names:
        assert noisy[name]["value"] == half[name]["value"]
    assert noisy["usable_rate"]["value"] == 0.5
    assert "usable responses of a prompt" in noisy["semantic_distance"]["definition"]


def test_all_responses_are_a_detail_where_some_are_not_usable(make_run: Any, measure: Any) -> None:
    clean = measure(make_run("one"), None, "semantic_distance", "ttr")
    assert "semantic_distance_all" not in clean
    rows = measure(_spoilt(make_run("one")), None, "semantic_distance", "ttr")
    assert rows["semantic_distance_all"]["role"] == "detail"
    assert rows["semantic_distance_all"]["value"] != rows["semantic_distance"]["value"]
    assert "also those that are not usable" in rows["semantic_distance_all"]["definition"]
    assert "ttr_all" not in rows


def test_counts_are_over_all_responses(make_run: Any, measure: Any) -> None:
    names = ("unique_share", "unique_first_1", "distinct_k_nb", "semantic_clusters")
    clean = measure(make_run("one", samples=10), None, *names)
    noisy = measure(_spoilt(make_run("one", samples=10)), None, *names)
    assert clean["unique_share"]["value"] == 1
    assert noisy["unique_share"]["value"] == 0.5
    assert noisy["unique_first_1"]["value"] < clean["unique_first_1"]["value"]
    assert (clean["distinct_k_nb"]["value"], noisy["distinct_k_nb"]["value"]) == (10, 5)
    assert (clean["semantic_clusters"]["value"], noisy["semantic_clusters"]["value"]) == (10, 5)


def test_nothing_usable_on_a_prompt_counts_nothing(make_run: Any, measure: Any) -> None:
    run = make_run("one", prompts=8, samples=10)
    for record in run.responses["p00"]:
        record["response"] = _LOOP
    rows = measure(run, None, "unique_share", "distinct_k_nb", "vendi")
    assert (rows["unique_share"]["value"], rows["distinct_k_nb"]["value"]) == (7 / 8, 10 * 7 / 8)
    assert (rows["vendi"]["n_units"], rows["unique_share"]["n_units"]) == (7, 8)


def test_nothing_usable_at_all_has_no_diversity(make_run: Any, measure: Any) -> None:
    run, base = _spoilt(make_run("one", samples=10), every=1), make_run("two", samples=10, seed=1)
    rows = measure(run, base, "unique_share", "distinct_k_nb", "vendi", "ttr")
    assert {rows[name]["value"] for name in ("unique_share", "distinct_k_nb", "vendi", "ttr")} == {None}
    assert rows["unique_share"]["verdict"] is None
    assert rows["usable_rate"]["value"] == 0
    assert "unreliable: null on 100.0% of prompts (under 2 usable texts" in rows["vendi"]["note"]


def test_nothing_usable_on_either_side_has_no_verdict(make_run: Any, measure: Any) -> None:
    """Two rates of 0 would lie inside any margin."""
    both = [_spoilt(make_run(name, samples=4, seed=n), every=1) for n, name in enumerate(("one", "two"))]
    row = measure(*both, "vendi")["usable_rate"]
    assert (row["value"], row["baseline_value"], row["delta"], row["margin"]) == (0, 0, 0, 0.05)
    assert row["verdict"] is None
    worse = measure(both[0], make_run("two", samples=4), "vendi")["usable_rate"]
    assert worse["verdict"] == "worse"


def test_both_sides_have_as_many_usable_responses(make_run: Any, measure: Any) -> None:
    """Distinct n-grams fall with the number of texts: half a run is compared with half of the other."""
    noisy, clean = _spoilt(make_run("one", samples=6)), make_run("two", samples=6, seed=1)
    row = measure(noisy, clean, "distinct_1", truncate="none")["distinct_1"]
    first = make_run("two", samples=6, seed=1)
    for records in first.responses.values():
        del records[3:]
    assert row["baseline_value"] == measure(first, None, "distinct_1")["distinct_1"]["value"]


def test_twins_are_of_usable_texts(make_run: Any, measure: Any) -> None:
    rows = measure(_spoilt(make_run("one", samples=4)), None, "distinct_1")
    assert rows["distinct_1_trunc"]["n_responses"] == 24
    assert "texts cut to 60 words" in rows["distinct_1_trunc"]["definition"]


def test_quality_is_that_of_all_responses(make_run: Any, measure: Any) -> None:
    rows = measure(_spoilt(make_run("one")), None, "chars")
    assert rows["chars"]["value"] == pytest.approx(
        sum(len(r["response"].strip()) for rs in _spoilt(make_run("one")).responses.values() for r in rs) / 48
    )


def test_most_frequent_opening_of_the_whole_run(make_run: Any, measure: Any) -> None:
    run = make_run("one", prompts=8, samples=2)
    for records in list(run.responses.values())[:6]:
        records[0]["response"] = "Once upon " + records[0]["response"]
    row = measure(run, None)["opening_share_run"]
    assert (row["value"], row["unit"], row["direction"]) == (6 / 16, "run", "-")
    assert "opening_share_run" not in measure(run, None, "distinct_1")


def test_story_of_the_wrong_words_is_no_story(make_run: Any, measure: Any) -> None:
    run = make_run("one", words=["stamp", "letter", "send"])
    rows = measure(run, None, "distinct_1", task=STORY)
    assert rows["usable_rate"]["value"] == rows["usable_rate"]["parse_rate"] == 0
    assert rows["distinct_1"]["value"] is None
    assert rows["distinct_1_all"]["value"] > 0
    assert "read leniently: the three words in any inflection" in rows["usable_rate"]["definition"]
