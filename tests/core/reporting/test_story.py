from __future__ import annotations

from typing import Any

import pytest

from divtool.core.reporting.load import Inputs
from divtool.core.reporting.measures import uniform
from divtool.core.reporting.story import Claim, claims

from .conftest import Record, measure, quality


def _claim(*records: Record) -> Claim:
    found = claims(Inputs(), uniform(records))
    assert len(found) == 1
    return found[0]


def test_more_diverse_at_equal_quality_and_length() -> None:
    claim = _claim(measure(), quality())
    assert claim.kicker == "tuned against base"
    assert claim.sentence == (
        "More diverse on story (semantic distance +0.030 [0.010, 0.050]), quality not worse, length +2\u202f%."
    )
    assert claim.tone == "good"


def test_not_shown_is_never_no_difference() -> None:
    claim = _claim(measure(verdict="not shown", p_adjusted=0.4, detectable_delta=0.04), quality())
    assert claim.sentence.startswith("More diversity is not shown on story (semantic distance +0.030 ")
    assert claim.tone == "open"
    assert claim.notes == ["story, semantic distance: a difference of 0.040 would be found 4 times in 5."]


def test_mixed_verdicts_are_all_named() -> None:
    rows = [
        measure(),
        measure(task="dat", verdict="not shown"),
        measure(task="persona", verdict="less"),
        quality("worse"),
    ]
    claim = _claim(*rows)
    assert claim.sentence == (
        "More diverse on story, less diverse on persona, not shown on dat, quality worse (story, usable rate), "
        "length +2\u202f%."
    )
    assert claim.tone == "bad"
    assert claim.tasks[0] == (
        "story: more diverse (semantic distance +0.030 [0.010, 0.050]); "
        "usable rate worse (\u22120.010 [\u22120.030, 0.010]); length +2\u202f%."
    )
    assert len(claim.tasks) == 3


@pytest.mark.parametrize(
    ("verdicts", "words", "tone"),
    [
        (["equivalent", "not worse"], "quality not worse", "good"),
        (["not worse", "undecided"], "quality undecided", "open"),
        (["undecided", "worse"], "quality worse", "bad"),
        ([], "quality not measured", "open"),
        ([None], "quality not judged", "open"),
    ],
)
def test_the_weakest_quality_verdict_speaks(verdicts: list[Any], words: str, tone: str) -> None:
    claim = _claim(measure(), *(quality(verdict) for verdict in verdicts))
    assert words in claim.sentence
    assert claim.tone == tone


def test_length_is_always_named() -> None:
    claim = _claim(measure(mean_words=80.0, length_flag=True, note="length effect"), quality())
    assert "length \u221220\u202f%" in claim.sentence
    assert len(claim.notes) == 2
    assert "length not known" in _claim(measure(mean_words=None)).sentence
    spread = _claim(measure(), measure(task="dat", mean_words=110.0))
    assert "length +2\u202f% to +10\u202f% by task" in spread.sentence


def test_too_few_units_are_not_judged() -> None:
    row = measure(verdict=None, p_value=None, p_adjusted=None, delta_ci_low=None, note="too few units: 4 of 6")
    claim = _claim(row)
    assert claim.sentence.startswith("Not judged on story")
    assert claim.notes == ["story: too few units: 4 of 6"]


def test_verdicts_are_worked_out_where_the_file_has_none() -> None:
    bare = {"task": "story", "value": 1.0, "baseline": "base", "delta": 0.2, "model": "m"}
    rows = uniform([
        {**bare, "metric": "semantic_distance", "direction": "+", "p_value": 0.02},
        {**bare, "metric": "self_bleu", "direction": "\u2212", "p_value": 0.03},
        {**bare, "metric": "mean_words", "p_value": 0.001},
    ])  # fmt: skip
    assert [row.role for row in rows] == ["headline", "headline", "detail"]
    assert [row.p_adjusted for row in rows] == [0.04, 0.04, None]  # Holm over the two headline rows
    assert [row.verdict for row in rows] == ["more", "less", ""]


def test_reference_rows_make_no_claim() -> None:
    rows = [measure(), measure(run="[unrelated]", role="reference", delta=0.4)]
    assert _claim(*rows).kicker == "tuned against base"


def test_several_runs_get_a_claim_each() -> None:
    found = claims(Inputs(), uniform([measure(run="a"), measure(run="b", verdict="not shown")]))
    assert [claim.kicker for claim in found] == ["a against base", "b against base"]


def test_without_a_baseline_nothing_is_claimed() -> None:
    alone = {
        "task": "story",
        "metric": "vendi",
        "role": "headline",
        "value": 3.1,
        "ci_low": 2.9,
        "ci_high": 3.3,
        "model": "m",
    }
    claim = _claim(alone)
    assert claim.sentence == "Measured: story, vendi 3.10 [2.90, 3.30]."
    assert "No baseline" in claim.notes[0]


def test_pieces_put_the_numbers_aside() -> None:
    pieces = _claim(measure(), quality()).pieces
    assert [aside for _, aside in pieces] == [False, True, False]
    assert "".join(text for text, _ in pieces) == _claim(measure(), quality()).sentence


def test_each_task_says_what_could_have_been_found_and_what_the_guard_found() -> None:
    rows = [
        measure(verdict="not shown", detectable_delta=0.04, tradeoff="nothing shown"),
        measure("nll", task="guard", role="guard", verdict="worse", delta=0.3, delta_ci_low=0.2, delta_ci_high=0.4),
        measure("format", task="guard", role="guard", verdict=None),
        measure(task="dat", delta=None, value=None, verdict=None, note="too few units: 0 of 6"),
    ]
    claim = _claim(*rows)
    assert list(claim.tasks) == [
        "story: a difference is not shown (semantic distance +0.030 [0.010, 0.050]), one of 0.040 would be found "
        "4 times in 5; nothing shown; length +2\u202f%.",
        "guard: nll worse (+0.30 [0.20, 0.40]); format not judged (+0.030 [0.010, 0.050]).",
        "dat: semantic distance has no value (too few units: 0 of 6); length +2\u202f%.",
    ]
    assert claim.tone == "bad"


_EQUAL = "the baseline at a setting of equal quality on story"


@pytest.mark.parametrize(
    ("value", "low", "high", "more", "words"),
    [
        (0.02, 0.01, 0.03, {}, f"More diverse than {_EQUAL} (+0.020 [0.010, "),
        (-0.02, -0.03, -0.01, {}, f"Less diverse than {_EQUAL} (\u22120.020 "),
        (-0.02, -0.03, -0.01, {"direction": "-"}, f"More diverse than {_EQUAL} (\u22120.020 "),
        (0.02, -0.01, 0.05, {}, f"Not shown to differ from {_EQUAL} (+0.020 "),
        (0.02, None, None, {}, f"Not shown to differ from {_EQUAL} (+0.020)"),
        (None, None, None, {}, f"Not placed against {_EQUAL}, more diverse on story ("),
        (None, None, None, {"note": "outside the curve: below"}, "Of a quality that the baseline has at no setting"),
    ],
)
def test_the_difference_at_equal_quality_leads(value: Any, low: Any, high: Any, more: Record, words: str) -> None:
    row = {"value": value, "ci_low": low, "ci_high": high, "delta": None, "role": "matched"} | more
    claim = _claim(measure(), quality(), measure("diversity_at_matched_quality", **row))
    assert claim.sentence.startswith(words)
    assert "more diverse on story (semantic distance +0.030" in claim.sentence


def test_runs_without_a_baseline_get_a_claim_each() -> None:
    rows = [measure(run=run, delta=None, baseline=None, value=0.5) for run in ("a", "b")]
    found = claims(Inputs(), uniform([*rows, measure(run="[identical]", role="reference", delta=None, baseline=None)]))
    assert [(claim.kicker, len(claim.notes)) for claim in found] == [("a", 1), ("b", 0)]
