"""Groups of a few different good responses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from divtool.core.errors import InputError, UsageError
from divtool.core.selection.possibility import Candidate, above_floor, drawn, mean_distance, near_median
from divtool.core.selection.possibility_options import PossibilityOptions

pytestmark = pytest.mark.usefixtures("circle")


def _planted(respond: Any) -> list[dict[str, Any]]:
    """Three clusters around 0, 120 and 240 degrees; two repeats, one empty, one cut."""
    texts = ["red 0", "Red  0", "blue 120", "red 4", "  ", "cut 60", "RED 4", "blue 116", "green 240", "green 244"]
    records = [respond("p", i, text=text) for i, text in enumerate(texts)]
    records[5]["finish_reason"] = "length"
    return records


def _candidates(*qualities: float | None) -> list[Candidate]:
    return [Candidate("word " * (i + 1), (i, 1), quality, False, {}) for i, quality in enumerate(qualities)]


def test_one_response_of_each_cluster_and_the_funnel(choose: Any, respond: Any) -> None:
    out = choose(_planted(respond), "possibility", k=3)
    assert [record["responses"] for record in out.records] == [["red 0", "blue 120", "green 240"]]
    assert out.dropped["repeat"] == 2
    assert out.dropped["empty"] == 1
    assert out.dropped["cut at the token limit"] == 1
    assert {stage.name: stage.kept for stage in out.selected.stages} == {
        "usable": 8, "different": 6, "quality": 6, "pick": 3, "group": 1
    }  # fmt: skip


def test_group_record_holds_what_its_responses_share(choose: Any, respond: Any) -> None:
    shared = {"mine": [1], "listed": {"asked": 2}, "possibility": 1, "params": {}, "turn": 1, "n_tokens": None}
    records = [respond("p", i, text=f"word {90 * i}", **shared, own=i, logprob=None) for i in range(2)]
    group = choose(reversed(records), "possibility").records[0]
    assert group == {
        "prompt_id": "p",
        "prompt": records[0]["prompt"],
        "responses": ["word 0", "word 90"],
        "n_candidates": 2,
        "method": "possibility",
        "model": "made",
        "mine": [1],
    }


def test_spread_begins_at_the_best_and_leaves_the_low_out(choose: Any, respond: Any) -> None:
    angles = (0, 90, 180, 270, 45)
    qualities = (0.5, 0.9, 0.6, None, 0.1)
    records = [
        respond("p", i, text=f"word {angle}", scores={"quality": value})
        for i, (angle, value) in enumerate(zip(angles, qualities, strict=True))
    ]
    out = choose(records, "possibility", k=2)
    assert out.records[0]["responses"] == ["word 90", "word 270"]
    assert out.dropped["quality under the floor"] == 1
    plain = choose(records, "possibility", k=2, quality_key="reward")
    assert plain.records[0]["responses"] == ["word 0", "word 180"]
    assert any("no score 'reward'" in note and "quality" in note for note in plain.selected.notes)


def test_floor_and_median_of_the_prompt_itself() -> None:
    assert len(above_floor(_candidates(1.0, 2.0, 3.0, 4.0, 5.0), 0.25)) == 4
    assert len(above_floor(_candidates(1.0, 2.0, 3.0, 4.0, None), 0.5)) == 3
    assert len(above_floor(_candidates(None, None), 0.25)) == 2
    assert [one.words for one in near_median(_candidates(*[None] * 5), 1)] == [2, 3, 4]
    assert near_median([], 1) == []


def test_spread_takes_no_second_text_with_the_same_vector(choose: Any, respond: Any) -> None:
    records = [respond("p", i, text=text) for i, text in enumerate(("a 0", "b 0", "c 90"))]
    assert choose(records, "possibility", k=3).records[0]["responses"] == ["a 0", "c 90"]


def test_first_and_random(choose: Any, respond: Any) -> None:
    records = [respond("p", i, text=f"word {i}") for i in range(20)]
    assert choose(records, "possibility", pick="first").records[0]["responses"] == [f"word {i}" for i in range(4)]
    some = choose(records, "possibility", pick="random").records
    assert some == choose(records, "possibility", pick="random").records
    assert some != choose(records, "possibility", pick="random", seed=1).records
    places = [int(text.split()[1]) for text in some[0]["responses"]]
    assert places == sorted(places)
    assert drawn(20, 4, 0, "p", "pick") == places != drawn(20, 4, 0, "p", "reference")


def test_prompt_with_one_different_response_is_dropped(choose: Any, respond: Any) -> None:
    records = [respond("p", i, text="word 1") for i in range(3)] + [respond("q", i, text=f"word {i}") for i in (1, 2)]
    out = choose(records, "possibility")
    assert [record["prompt_id"] for record in out.records] == ["q"]
    assert out.dropped["under 2 responses left"] == 1
    alone = choose(records[:3], "possibility")
    assert alone.selected.failure == "no prompt is left with at least 2 different responses"
    assert alone.records == []


def test_audit_by_hand(choose: Any, respond: Any) -> None:
    texts = ("long words here 0", "some more words 10", "these are words 20", "odd 180")
    out = choose([respond("p", i, text=text) for i, text in enumerate(texts)], "possibility", k=2)
    audit = out.selected.report["pick_audit"]
    assert audit["pool"]["words_mean"] == 3.5
    assert audit["pool"]["words_sd"] == pytest.approx(1.0)
    assert audit["picked"] == {"responses": 2, "words_mean": 3.0, "words_sd": pytest.approx(2**0.5), "distance": 2.0}
    assert audit["random pick of the same size"]["responses"] == 2
    pairs = [1 - np.cos(np.deg2rad(gap)) for gap in (10, 10, 20, 160, 170, 180)]
    assert audit["pool"]["distance"] == pytest.approx(np.mean(pairs))
    assert "14% shorter than their pool" in out.selected.warnings[0]
    kept = choose([respond("p", i, text=text) for i, text in enumerate(texts)], "possibility", length_tolerance=1)
    assert kept.dropped["far from the median"] == 1
    assert kept.selected.warnings == []
    assert mean_distance(np.eye(2)[:1]) is None


def test_dialogues_and_groups_are_read(choose: Any) -> None:
    dialogue = {"context": "one\ntwo\nthree", "candidates": ["a 0", "b 90", "A 0", " "], "mine": 1}
    out = choose([dialogue], "possibility", input_format="dialogue", pick="first")
    assert out.records[0]["prompt"] == "Person A: one\nPerson B: two\nPerson A: three"
    assert out.records[0]["responses"] == ["a 0", "b 90"]
    assert out.records[0]["n_candidates"] == 4
    assert out.records[0]["mine"] == 1
    assert "context" not in out.records[0]
    group = {"prompt": "x", "responses": ["a 0", "b 90", "c 180"], "numbers": [1, 2, 3], "mine": 2}
    thinned = choose([group], "possibility", k=2).records[0]
    assert thinned["responses"] == ["a 0", "c 180"]
    assert "numbers" not in thinned
    assert thinned["mine"] == 2


def test_input_that_is_none(choose: Any, respond: Any) -> None:
    for record, fault in (
        ({"prompt": "x", "responses": ["a", 3]}, "made:1: response 2 of 'responses' is a whole number"),
        ({"prompt": "x", "response": 3}, "'response' is a whole number"),
        ({"prompt": "x", "chosen": [], "rejected": []}, "a preference pair"),
    ):
        with pytest.raises(InputError, match=fault):
            choose([record], "possibility")
    with pytest.raises(InputError, match="but another prompt"):
        choose([respond("p", 0), respond("p", 1, prompt="Another.")], "possibility")
    with pytest.raises(InputError, match="'context' is missing"):
        choose([respond("p", 0)], "possibility", input_format="dialogue")


@pytest.mark.parametrize(
    "options",
    [
        {"k": 0},
        {"k": 1},
        {"min_k": 5},
        {"min_k": 0},
        {"quality_floor": 1.5},
        {"length_tolerance": -1},
        {"quality_key": ""},
    ],
)
def test_wrong_values(options: Any) -> None:
    with pytest.raises(UsageError, match="--"):
        PossibilityOptions(**options)
