"""Which scores a run reads, and what it says if they are not there."""

from __future__ import annotations

from typing import Any

import pytest

from divtool.core.errors import InputError
from divtool.core.jsonl import Row
from divtool.core.selection.needs import Needs, scored_check
from divtool.core.selection.recipe import SelectOptions
from divtool.core.selection.run import pair_recipe


def settled(method: str, scores: dict[str, float | None], **options: Any) -> Needs:
    row = Row({"scores": scores}, "made:7")
    return Needs.settled(pair_recipe(method, SelectOptions(**options)), SelectOptions(**options), row)


LEXICAL = {"ttr": 0.5, "maas": 0.03, "word_entropy": 5.0}


def test_lite_reads_ttr_and_maas() -> None:
    assert settled("diverse-ns-lite", LEXICAL).all == ("ttr", "maas")


@pytest.mark.parametrize(
    ("scores", "diversity", "quality", "gate"),
    [
        ({"dsi": 1.0, "dsi_lite": 1.0, "reward": 1.0, "judge": 1.0, "perplexity": 9.0}, "dsi", "reward", None),
        ({"dsi_lite": 1.0, "judge": 1.0, "perplexity": 9.0}, "dsi_lite", "judge", None),
        ({"dsi_lite": 1.0, "perplexity": 9.0}, "dsi_lite", None, "perplexity"),
        ({"dsi_lite": 1.0}, "dsi_lite", None, None),
    ],
)
def test_full_takes_the_first_that_is_there(scores: Any, diversity: str, quality: Any, gate: Any) -> None:
    needs = settled("diverse-ns", {**LEXICAL, **scores})
    assert (needs.diversity, needs.quality, needs.gate) == ((diversity, "word_entropy"), quality, gate)


def test_what_the_user_names_comes_first() -> None:
    needs = settled(
        "diverse-ns", {**LEXICAL, "reward": 1.0, "kind": 2.0}, diversity=("ttr", "maas"), quality_metric="kind"
    )
    assert (needs.diversity, needs.quality, needs.gate) == (("ttr", "maas"), "kind", None)
    assert needs.judged


def test_maas_only_stands_in_for_a_judgement() -> None:
    assert not settled("diverse-ns-lite", LEXICAL).judged


@pytest.mark.parametrize(
    ("method", "scores", "options", "said"),
    [
        ("diverse-ns-lite", {"ttr": 0.5}, {}, r"made:7: no score 'maas' in the record \(known: ttr\); run .*lexical"),
        ("diverse-ns-lite", {"tr": 0.5, "maas": 1.0}, {}, "no score 'ttr'.*did you mean 'tr'"),
        ("diverse-ns", LEXICAL, {}, "no score 'dsi_lite'.*run divtool score --metrics lexical,dsi_lite,perplexity"),
        ("quality-only", LEXICAL, {}, "no score 'reward or judge or perplexity'.*known: ttr, maas"),
        ("quality-only", LEXICAL, {"quality_metric": "kind"}, "no score 'kind'"),
        ("diverse-ns-lite", {}, {}, r"no score 'ttr' in the record \(it has none\)"),
    ],
)
def test_a_missing_score_is_named_with_those_that_are_there(method: str, scores: Any, options: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        settled(method, scores, **options)


def test_random_reads_no_score() -> None:
    assert settled("random", {}).all == ()


def test_every_record_must_hold_what_the_first_one_did() -> None:
    needs = settled("diverse-ns-lite", LEXICAL)
    with pytest.raises(InputError, match="made:9: no score 'maas'"):
        needs.check(Row({"scores": {"ttr": 0.5}}, "made:9"))


def test_a_score_that_is_mostly_null_is_told_with_its_rule() -> None:
    needs = settled("diverse-ns-lite", LEXICAL)
    for value in (None, None, None, 0.5):
        needs.check(Row({"scores": {"ttr": 0.5, "maas": value}}, "made:1"))
    assert needs.warnings() == ["maas is null for 75% of the responses (null: under 2 words)"]


def test_half_of_the_records_is_not_most() -> None:
    needs = settled("diverse-ns-lite", LEXICAL)
    for value in (None, 0.5):
        needs.check(Row({"scores": {"ttr": value, "maas": value}}, "made:1"))
    assert needs.warnings() == []


def test_tokens_must_be_counted_if_they_are_the_unit() -> None:
    needs = settled("diverse-ns-lite", LEXICAL, length_unit="tokens")
    needs.check(Row({"scores": LEXICAL, "n_tokens": 3}, "made:1"))
    for data in ({"scores": LEXICAL}, {"scores": LEXICAL, "n_tokens": None}):
        with pytest.raises(InputError, match=r"made:2: no 'n_tokens'.*words or chars"):
            needs.check(Row(data, "made:2"))


@pytest.mark.parametrize(
    ("method", "metrics"), [("diverse-ns-lite", "lexical"), ("diverse-ns", "lexical,dsi_lite,perplexity")]
)
def test_a_record_without_scores_says_what_this_method_needs(respond: Any, method: str, metrics: str) -> None:
    record = respond("p", 0)
    del record["scores"]
    with pytest.raises(InputError, match=f"made:3: the key 'scores' is missing; run divtool score --metrics {metrics}"):
        scored_check(pair_recipe(method, SelectOptions()))(Row(record, "made:3"))
