"""DivPO: sets, criteria, guards."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest

from divtool.core.errors import InputError, UsageError
from divtool.core.selection.divpo import good_and_bad, matched
from divtool.core.selection.divpo_options import DivpoOptions

REWARDS = [1, 0.9, 0.75, 0.5, 0.2, 0]
DIVERSITY = [0.1, 0.6, 0.9, 0.5, 0.3, 0.05]


def made(respond: Any, rewards: Any = REWARDS, diversity: Any = DIVERSITY, prompt: str = "p", **more: Any) -> list[Any]:
    return [
        respond(prompt, i, scores={"reward": s, "d": d}, **more)
        for i, (s, d) in enumerate(zip(rewards, diversity, strict=True))
    ]


def sides(pairs: list[Any]) -> list[tuple[int, int]]:
    return [(pair["chosen_sample_index"], pair["rejected_sample_index"]) for pair in pairs]


@pytest.mark.parametrize(
    ("rho", "mode", "expected"),
    [
        (0.3, "range", (2, 5)),
        (0.0, "range", (0, 5)),
        (0.1, "range", (1, 5)),
        (0.5, "range", (2, 5)),
        (0.3, "rank", (0, 5)),
        (0.5, "rank", (2, 5)),
    ],
)
def test_vectors(choose: Any, respond: Any, rho: float, mode: str, expected: tuple[int, int]) -> None:
    out = choose(made(respond), "divpo", criterion="d", rho=rho, rho_mode=mode)
    assert sides(out.records) == [expected]
    assert out.records[0]["weight"] == 1.0
    assert out.records[0]["gaps"] == {"d": pytest.approx(DIVERSITY[expected[0]] - DIVERSITY[expected[1]])}


def test_sets() -> None:
    rewards = np.array(REWARDS)
    assert good_and_bad(rewards, 0.3) == ([0, 1, 2], [4, 5])
    assert good_and_bad(np.array([1.0, 0, 1, 0, 1]), 0.3) == ([0, 2, 4], [1, 3])
    assert good_and_bad(np.arange(12.0), 0.25, "rank", least=2) == ([11, 10, 9], [2, 1, 0])
    assert good_and_bad(np.arange(4.0), 0.25, "rank", least=2) == ([3, 2], [1, 0])
    assert good_and_bad(np.arange(3.0), 0.25, "rank", least=2) == ([2], [0])
    assert list(matched([2, 1, 0], [1, 3])) == [(2, 1), (0, 3)]


def test_minus_turns_the_criterion(choose: Any, respond: Any) -> None:
    assert sides(choose(made(respond), "divpo", criterion="-d").records) == [(0, 4)]


def test_more_pairs_use_each_response_once(choose: Any, respond: Any) -> None:
    assert sides(choose(made(respond), "divpo", criterion="d", pairs=5).records) == [(2, 5), (1, 4)]


def test_no_pair_violates_a_guard(choose: Any, respond: Any) -> None:
    draw = random.Random(0)
    records = []
    for n in range(150):
        size = draw.randint(1, 7)
        rewards = [draw.choice([0, 0.5, 1, draw.random(), None]) for _ in range(size)]
        group = made(respond, rewards, [draw.choice([0.1, 0.2, None]) for _ in range(size)], f"p{n:03d}")
        if draw.random() < 0.3:
            group[-1]["response"] = group[0]["response"]
        records += group
    for more in ({}, {"rho": 0.5, "pairs": 3}, {"rho_mode": "rank", "allow_ties": True}):
        out = choose(records, "divpo", criterion="d", **more)
        assert len(out.records) > 30
        for pair in out.records:
            high, low = pair["chosen_scores"], pair["rejected_scores"]
            assert pair["chosen"] != pair["rejected"]
            assert high["d"] is not None
            assert low["d"] is not None
            assert high["reward"] >= low["reward"] if more.get("allow_ties") else high["reward"] > low["reward"]
        stages = {stage.name: stage for stage in out.selected.stages}
        assert stages["prompts"].entered == 150
        assert stages["prompts"].kept == len({pair["prompt_id"] for pair in out.records})


def test_all_tied_is_dropped_unless_allowed(choose: Any, respond: Any) -> None:
    tied = made(respond, [1, 1, 1], [0.2, 0.9, 0.1])
    assert choose([*tied, *made(respond, prompt="q")], "divpo", criterion="d").dropped["no gap"] == 1
    assert sides(choose(tied, "divpo", criterion="d", allow_ties=True).records) == [(1, 2)]


def test_equal_diversity_is_settled_by_the_seed(choose: Any, respond: Any) -> None:
    records = made(respond, [1, 1, 1, 0], [0.5, 0.5, 0.5, 0.5])
    found = {sides(choose(records, "divpo", criterion="d", seed=seed).records)[0] for seed in range(30)}
    assert found == {(0, 3), (1, 3), (2, 3)}


def test_log_probabilities(choose: Any, respond: Any) -> None:
    records = made(respond, [1, 1, 0, 0], DIVERSITY[:4])
    for record, logprob, tokens in zip(records, (-10, -30, -40, -50), (10, 100, 20, 50), strict=True):
        record |= {"logprob": logprob, "n_tokens": tokens}
    # Nats a token: -1, -.3, -2, -1.
    assert sides(choose(records, "divpo").records) == [(0, 3)]
    assert sides(choose(records, "divpo", criterion="prob-sum").records) == [(1, 2)]
    records[3]["logprob"] = None
    with pytest.raises(InputError, match=r"made:4: .*'logprob'.*local model, or use --criterion freq"):
        choose(records, "divpo")


def test_frequency_of_words_and_of_values(choose: Any, respond: Any) -> None:
    words = ["a b", "a c", "a b", "z"]
    records = [
        respond("p", i, text=text, scores={"reward": r})
        for i, (text, r) in enumerate(zip(words, (1, 1, 1, 0), strict=True))
    ]
    pair = choose(records, "divpo", criterion="freq").records[0]
    assert (pair["chosen_sample_index"], pair["rejected_sample_index"]) == (1, 3)
    cities = ["Rome", "rome ", "Oslo", "Rome"]
    answers = [json.dumps({"city": city, "name": str(i)}) for i, city in enumerate(cities)]
    records = [respond("p", i, text=text, scores={}) for i, text in enumerate([*answers, "no JSON"])]
    out = choose(records, "divpo", attribute="city", quality_metric="valid_json:city,name", rho=0.0)
    assert out.dropped["a set is empty"] == 1  # what does not parse has no value to count
    records[4]["response"] = json.dumps({"city": "Rome"})
    pair = choose(records, "divpo", attribute="city", quality_metric="valid_json:city,name").records[0]
    assert (pair["chosen_sample_index"], pair["rejected_sample_index"]) == (2, 4)
    assert pair["gap"] == pytest.approx(-1 / 5 + 4 / 5)
    assert pair["chosen_scores"]["valid_json:city,name"] == 1.0


def test_the_vector_of_word_frequencies() -> None:
    from divtool.core.selection.encoders import RARITY, Encoders

    encoders = Encoders(DivpoOptions().sources, str.split, print)
    found = encoders.signal(RARITY, ["a b", "a c", "a b"])
    assert found == pytest.approx([-0.4166667, -0.3333333, -0.4166667], abs=1e-6)


@pytest.mark.usefixtures("circle")
def test_nearest_neighbours_over_the_pool_and_inside_the_sets(choose: Any, respond: Any) -> None:
    """Degrees 0, 30, 95 are good; 100, 140, 143 bad."""
    records = [
        respond("p", i, text=f"word {angle}", scores={"reward": r})
        for i, (angle, r) in enumerate([(0, 1), (30, 1), (95, 1), (100, 0), (140, 0), (143, 0)])
    ]
    over_all = choose(records, "divpo", criterion="knn").records[0]
    assert over_all["chosen_sample_index"] in (0, 1)
    assert over_all["rejected_sample_index"] in (4, 5)
    inside = choose(records, "divpo", criterion="knn", within_set=True).records[0]
    assert inside["chosen_sample_index"] == 2


def test_deviation_as_criterion_and_as_weight(choose: Any, respond: Any) -> None:
    semantic = [0.2, 0.6, 0.9, 0.5, 0.3, 0.1]
    records = [
        respond("p", i, scores={"reward": s, "semantic_deviation": d, "style_deviation": d / 2})
        for i, (s, d) in enumerate(zip(REWARDS, semantic, strict=True))
    ]
    pair = choose(records, "divpo", criterion="deviation", weights="deviation").records[0]
    assert (pair["chosen_sample_index"], pair["rejected_sample_index"]) == (2, 5)
    assert pair["gap"] == pytest.approx(1.0)
    assert pair["weight"] == pytest.approx(1 / np.mean([(d - 0.1) / 0.8 for d in semantic]))
    assert (pair["weight_rejected"], pair["pool_size"], pair["min_weight"]) == (0.1, 6, 0.1)
    assert choose(records, "divpo", criterion="deviation").records[0]["weight"] == 1.0


@pytest.mark.usefixtures("circle")
def test_the_baseline_of_the_ddpo_code(choose: Any, respond: Any) -> None:
    """Three best of twelve; the two that lie farthest from the others of their set, matched at random."""
    angles = [0, 40, 45, 50, 60, 70, 80, 90, 100, 140, 141, 170]
    records = [respond("p", i, text=f"word {a}", scores={"reward": -i}) for i, a in enumerate(angles)]
    found = set()
    for seed in range(20):
        pairs = choose(records, "divpo", preset="ddpo-baseline", signals="semantic_deviation", seed=seed).records
        assert {pair["chosen_sample_index"] for pair in pairs} == {0, 2}
        assert {pair["rejected_sample_index"] for pair in pairs} == {9, 10}
        found.add(frozenset(sides(pairs)))
    assert len(found) == 2


class ScriptedJudge:
    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.sets: list[Any] = []
        self.asked = self.calls = self.unparsed = 0

    def most_least_diverse(self, items: Any) -> list[Any]:
        self.sets += [texts for _, texts in items]
        self.asked += len(items)
        self.calls += 2 * len(items)
        return [self.answers.pop(0) for _ in items]


def test_the_judge_names_one_of_each_set(choose: Any, respond: Any, monkeypatch: Any) -> None:
    records = made(respond)
    asked = {"criterion": "judge", "judge": "http://127.0.0.1:1", "judge_model": "m"}
    judge = ScriptedJudge((1, 0), (0, 1))
    monkeypatch.setattr("divtool.core.selection.pool_engine.judge_of", lambda *_: judge)
    out = choose(records, "divpo", **asked)
    assert sides(out.records) == [(1, 5)]
    assert [len(texts) for texts in judge.sets] == [3, 2]
    assert "judge m: 2 judgements, 4 calls, 0 unparsed" in out.selected.notes

    judge = ScriptedJudge((1, 0), None)
    out = choose(records, "divpo", **asked)
    assert out.selected.report["counts"] == {"the judge did not agree with itself: freq": 1}
    assert sides(out.records) == sides(choose(records, "divpo", criterion="freq").records)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"rho": 0.51}, "--rho"),
        ({"rho": -0.1}, "--rho"),
        ({"criterion": "judge"}, "--judge URL"),
        ({"judge": "http://h", "judge_model": "m"}, "--criterion judge"),
        ({"judge": "http://h", "judge_model": "m", "criterion": "judge", "pairs": 2}, "--pairs 1"),
        ({"attribute": "city", "criterion": "knn"}, "--attribute"),
        ({"within_set": True}, "--within-set needs a criterion of the pool"),
        ({"preset": "ddpo-baseline", "rho": 0.1}, "--preset ddpo-baseline sets --rho"),
        ({"signals": "a"}, "--signals needs --weights deviation"),
        ({"quality_metric": "valid_json:"}, "valid_json"),
    ],
)
def test_options_that_do_not_fit(options: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        DivpoOptions(**options)


def test_pairs_are_no_input(choose: Any, make_pairs: Any) -> None:
    with pytest.raises(InputError, match=r"made:1: a preference pair.*--method deviation weighs pairs"):
        choose(make_pairs(2), "divpo")


def test_a_null_criterion_leaves_its_response_out_and_the_order_whole(choose: Any, respond: Any) -> None:
    """NaN among what is sorted would leave the rest in the order they came in."""
    rewards, diversity = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0], [0.1, None, 0.9, 0.6, None, 0.2]
    assert sides(choose(made(respond, rewards, diversity), "divpo", criterion="d").records) == [(2, 5)]
    nothing = [0.1, 0.2, 0.3, None, None, None]
    assert choose(made(respond, rewards, nothing), "divpo", criterion="d").dropped == {"a set is empty": 1}


def test_signals_inside_the_sets_are_demanded_as_any_other(choose: Any, respond: Any) -> None:
    options = {"criterion": "deviation", "within_set": True, "weights": None}
    assert sides(choose(made(respond), "divpo", signals="d", **options).records) == [(2, 5)]
    with pytest.raises(InputError, match="no score 'e' in the record"):
        choose(made(respond), "divpo", signals="d,e", **options)
