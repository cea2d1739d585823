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
    assert "More diverse on story" in claim.sentence
    assert "less diverse on persona" in claim.sentence
    assert "not shown on dat" in claim.sentence
    assert "quality worse (story, usable rate \u22120.010 [\u22120.030, 0.010])" in claim.sentence
    assert claim.tone == "bad"


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
