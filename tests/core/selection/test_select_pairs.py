"""Whole runs of `select` on made pools: what is chosen, what is reported, what is written."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from divtool.core.selection import engine
from divtool.core.selection.clean import Cleaner
from divtool.core.selection.funnel import Funnel, Stage
from divtool.core.selection.recipe import SelectOptions
from divtool.core.selection.rules import Rules

PLANTED = 3  # the sample_index of the planted text among the second turns


def mean_dlen(pairs: Iterable[dict[str, Any]]) -> float:
    return float(np.mean([pair["delta_words"] for pair in pairs]))


# The planted pool


def test_lite_finds_the_planted_texts(planted: Any, select: Any) -> None:
    result = select(planted, audit="fail")
    assert len(result.pairs) == 200
    assert {chosen for chosen, _ in result.sides} == {(PLANTED, 2)}
    assert abs(mean_dlen(result.pairs)) <= 0.25
    assert result.outcome.failure is None


def test_without_length_rules_the_short_decoys_win(planted: Any, select: Any) -> None:
    result = select(planted, "no-length", audit="fail")
    assert len(result.pairs) == 200
    assert PLANTED not in {chosen[0] for chosen, _ in result.sides}
    assert mean_dlen(result.pairs) <= -10
    assert result.outcome.audit.verdict == "warn"
    assert "words shorter on average" in result.outcome.audit.message
    assert "pairs outside the tolerance" not in {check.check for check in result.outcome.audit.checks}


def test_the_order_of_lines_and_groups_plays_no_part(planted: Any, select: Any) -> None:
    rng = random.Random(1)
    straight_on = planted[:480]
    groups = [straight_on[i : i + 8] for i in range(0, 480, 8)]
    shuffled = [record for group in rng.sample(groups, len(groups)) for record in rng.sample(group, 8)]
    several: dict[str, Any] = {"pairs": 50, "per_prompt": 2}
    for method in ("diverse-ns-lite", "no-length", "random"):
        for options in ({"pairs": 30}, several if method != "random" else {"pairs": 50}):
            straight, mixed = (select(pool, method, **options).pairs for pool in (straight_on, shuffled))
            # The same pairs to the last digit, in the order of each input's prompts.
            assert sorted(straight, key=str) == sorted(mixed, key=str)
            order = list(dict.fromkeys(record["prompt_id"] for record in shuffled))
            places = [order.index(pair["prompt_id"]) for pair in mixed]
            assert places == sorted(places)


def test_the_seed_changes_only_what_is_drawn(planted: Any, select: Any) -> None:
    for method, options, same in (
        ("diverse-ns-lite", {}, True),
        ("no-length", {}, True),
        ("random", {}, False),
        ("diverse-ns-lite", {"shuffle_labels": True}, False),
    ):
        one, other = (select(planted[:320], method, seed=seed, **options).pairs for seed in (0, 1))
        assert (one == other) is same, method


def test_shuffled_labels_swap_half_of_the_same_pairs(planted: Any, select: Any) -> None:
    plain, mixed = select(planted).pairs, select(planted, shuffle_labels=True).pairs
    swapped = 0
    for before, after in zip(plain, mixed, strict=True):
        if before == after:
            continue
        swapped += 1
        assert (before["chosen"], before["chosen_scores"]) == (after["rejected"], after["rejected_scores"])
        assert before["chosen_turn"] == after["rejected_turn"] == 2
        for key in ("delta_words", "delta_tokens", "gap"):
            assert before[key] == -after[key]
        assert before["gaps"]["ttr"] == -after["gaps"]["ttr"]
    # 200 fair draws; the seed is fixed.
    assert 70 < swapped < 130


def test_labels_of_several_pairs_of_a_prompt_are_swapped_each_on_its_own(planted: Any, select: Any) -> None:
    options = {"per_prompt": 3, "length_tolerance": 60.0}
    pairs = select(planted, shuffle_labels=True, **options).pairs
    turns: dict[str, set[int]] = {}
    for pair in pairs:
        turns.setdefault(pair["prompt_id"], set()).add(pair["chosen_turn"])
    assert {1, 2} in turns.values()


# Each rule removed alone


def lone(respond: Any, prompt_id: str, **better: Any) -> list[dict[str, Any]]:
    """A first turn, a good second one, and a better one that some rule forbids."""
    return [
        respond(prompt_id, 0, 1, ttr=0.5, maas=0.05),
        respond(prompt_id, 0, 2, ttr=0.6, maas=0.04),
        respond(prompt_id, 1, 2, **{"ttr": 0.7, "maas": 0.03, **better}),
    ]


def forbidden(respond: Any, text: Any, rule: str) -> list[dict[str, Any]]:
    """A prompt whose better second text only this rule forbids."""
    repeated = text(40, 1)
    changes: dict[str, Any] = {
        "cut at the token limit": {"finish_reason": "length"},
        "refusal or preamble": {"text": "Sure, here it is: " + text(76, 2)},
        "speaks of the answer before": {"text": text(77, 3) + " in this version"},
        "a given word is missing": {"words": ["nowhere"]},
        "under 50 words": {"text": text(49, 4)},
        "repeats itself": {"text": f"{repeated} {repeated}"},
        "same_text": {"text": respond("p", 0, 1)["response"]},
        "length": {"words": 100},
        "diversity": {"ttr": 0.7, "scores": {"mattr": 0.1}},
        "quality": {"maas": 0.06},
    }
    change = dict(changes[rule])
    # `words` sets the length in `respond`; the given words are put in behind it.
    given = change.pop("words") if isinstance(change.get("words"), list) else None
    records = lone(respond, "p", **change)
    if given:
        records[2]["words"] = given
    if rule == "under 50 words":
        records[0]["response"], records[1]["response"] = text(52, 5), text(52, 6)
    for record in records:
        record["scores"].setdefault("mattr", 0.1 * record["turn"])
    return records


CLEAN_RULES = [
    "cut at the token limit",
    "refusal or preamble",
    "speaks of the answer before",
    "a given word is missing",
    "under 50 words",
    "repeats itself",
]
PAIR_RULES = ["same_text", "length", "diversity", "quality"]


@pytest.mark.parametrize("rule", [*CLEAN_RULES, *PAIR_RULES])
def test_a_rule_removed_alone_lets_its_text_through(
    respond: Any, text: Any, select: Any, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    records = forbidden(respond, text, rule)
    metrics = ("ttr", "mattr") if rule == "diversity" else ("ttr",)
    # One prompt: the multiplier would go for its pair of equal length.
    assert select(records, diversity=metrics, balance=False).sides == [((0, 2), (0, 1))]
    if rule == "diversity":
        metrics = ("ttr",)
    elif rule in CLEAN_RULES:
        made = Cleaner.__post_init__

        def without(cleaner: Cleaner) -> None:
            made(cleaner)
            cleaner.rules = tuple(row for row in cleaner.rules if row[0] != rule)

        monkeypatch.setattr(Cleaner, "__post_init__", without)
    else:
        check = getattr(Rules, rule)
        # Called all the same: the rules also note what later stages need.
        monkeypatch.setattr(Rules, rule, lambda rules, pair: check(rules, pair) and None)
    assert select(records, diversity=metrics, balance=False).sides == [((1, 2), (0, 1))]


def leaning(respond: Any, n: int = 300) -> list[dict[str, Any]]:
    """Prompts with three second texts, where the longer ones tend to be the more diverse."""
    rng = random.Random(2)
    records = []
    for i in range(n):
        records.append(respond(f"p{i:03d}", 0, 1, words=80, ttr=0.5, maas=0.05))
        for index in range(3):
            dlen = rng.randint(-5, 5)
            ttr = 0.6 + 0.004 * dlen + rng.gauss(0, 0.02)
            records.append(respond(f"p{i:03d}", index, 2, words=80 + dlen, ttr=ttr, maas=0.04))
    return records


def test_without_the_multiplier_the_mean_is_off(respond: Any, select: Any) -> None:
    records = leaning(respond)
    result = select(records, audit="fail")
    assert abs(mean_dlen(result.pairs)) <= 0.25
    assert result.outcome.selection.multiplier > 0
    assert len(result.pairs) == 300
    plain = select(records, balance=False)
    assert plain.outcome.selection.multiplier == 0
    # The trim is a rule of its own, and has to drop what the multiplier would have exchanged.
    assert plain.stages["trim"].dropped.total() > 50
    assert not result.stages["trim"].dropped


def test_without_the_trim_the_tail_stays(respond: Any, select: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing to choose between: one candidate a prompt, 30 of 200 by 3 words longer.
    records = [
        respond(f"p{i:03d}", 0, turn, words=80 + 3 * (i < 30) * (turn == 2), ttr=0.4 + 0.1 * turn, maas=0.06)
        for i in range(200)
        for turn in (1, 2)
    ]
    result = select(records)
    # 90 / 200 = .45; after 14 of them 48 / 186 = .258, after 15 45 / 185 = .243.
    assert result.stages["trim"].dropped.total() == 15
    assert mean_dlen(result.pairs) == pytest.approx(45 / 185)
    monkeypatch.setattr(engine, "trimmed", lambda dlen, gap, limit: np.ones(len(dlen), dtype=bool))
    assert mean_dlen(select(records).pairs) == pytest.approx(0.45)


def test_near_duplicates_of_a_better_pair_go_and_none_takes_their_place(
    respond: Any, text: Any, select: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = text(80, "told")
    records = []
    for i, prompt_id in enumerate("abcd"):
        second = f"{told[:-4]}{i}" if prompt_id in "bd" else text(80, i)
        records += [respond(prompt_id, 0, 1), respond(prompt_id, 0, 2, text=second, ttr=0.6 + 0.01 * i)]
        records += [respond(prompt_id, 1, 2, ttr=0.55)]
    result = select(records)
    assert [pair["prompt_id"] for pair in result.pairs] == ["a", "c", "d"]
    assert result.stages["near-duplicates"].dropped.total() == 1
    monkeypatch.setattr(engine.SeenTexts, "repeats", lambda self, grams: False)
    assert len(select(records).pairs) == 4


# The funnel


def adds_up(stages: dict[str, Stage], pairs: int) -> None:
    flow = list(stages.values())
    for before, after in pairwise(flow):
        if before.unit == after.unit:
            assert before.kept == after.entered, (before.name, after.name)
    assert stages["best of each prompt"].kept == stages["near-duplicates"].entered
    assert flow[-1].kept == pairs
    assert all(0 <= stage.kept <= stage.entered for stage in flow)


def test_the_funnel_adds_up(planted: Any, select: Any) -> None:
    result = select(planted)
    adds_up(result.stages, 200)
    counts = {name: (stage.unit, stage.entered, stage.kept) for name, stage in result.stages.items()}
    assert counts == {
        "clean": ("responses", 1600, 1600),
        "prompts": ("prompts", 200, 200),
        "candidates": ("candidates", 3200, 3200),
        "length": ("candidates", 3200, 200),
        "diversity": ("candidates", 200, 200),
        "quality": ("candidates", 200, 200),
        "best of each prompt": ("candidates", 200, 200),
        "near-duplicates": ("pairs", 200, 200),
        "trim": ("pairs", 200, 200),
    }


@pytest.mark.parametrize("options", [{"pairs": 20}, {"per_prompt": 2}, {"quality_metric": "reward"}])
def test_the_funnel_adds_up_where_every_rule_drops_some(respond: Any, text: Any, select: Any, options: Any) -> None:
    records = leaning(respond, 60)
    for i, rule in enumerate([*CLEAN_RULES, *PAIR_RULES]):
        for record in forbidden(respond, text, rule):
            records.append(record | {"prompt_id": f"q{i:02d}", "prompt": rule})
    records += [respond("r", 0, turn, ttr=0.6 - 0.1 * turn) for turn in (1, 2)]
    for i, record in enumerate(records):
        record["scores"]["reward"] = i % 7
    result = select(records, **options)
    adds_up(result.stages, len(result.pairs))
    assert result.stages["clean"].dropped.keys() == set(CLEAN_RULES)
    assert all(result.stages[name].dropped for name in ("candidates", "length", "diversity", "quality"))


def test_the_worst_stage_is_the_one_that_removed_most() -> None:
    funnel = Funnel({"length": "--length-tolerance"})
    for name, entered, dropped in (("candidates", 1000, 100), ("length", 900, 880), ("diversity", 20, 20)):
        stage = funnel.stage(name, "candidates")
        stage.enter(entered)
        stage.drop("why", dropped)
    assert (funnel.worst().name, funnel.worst().remedy) == ("length", "--length-tolerance")
    # Had the length left more of them, diversity would be at fault.
    funnel.stage("length", "candidates").dropped.clear()
    funnel.stage("diversity", "candidates").entered = 900
    funnel.stage("diversity", "candidates").drop("why", 880)
    assert funnel.worst().name == "diversity"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"second": {"words": 120}}, r"'length' kept 0 of 30 candidates; try --length-tolerance"),
        ({"second": {"ttr": 0.4}}, r"'diversity' kept 0 of 30 candidates; try --orientation either"),
        ({"second": {"maas": 0.09}}, r"'quality' kept 0 of 30 candidates; try --quality-eps"),
        ({"second": {"finish_reason": "length"}}, r"'prompts' kept 0 of 30 prompts; try more samples"),
        ({"second": {"words": 30}, "first": {"words": 30}}, r"'clean' kept 0 of 60 responses; try --min-words"),
    ],
)
def test_no_pair_left_names_the_stage_and_what_to_relax(respond: Any, select: Any, change: Any, said: str) -> None:
    sides = {1: {"ttr": 0.5, "maas": 0.05, **change.get("first", {})}, 2: {"ttr": 0.6, "maas": 0.04}}
    sides[2] |= change["second"]
    records = [respond(f"p{i}", 0, turn, **sides[turn]) for i in range(30) for turn in (1, 2)]
    # Nothing to be lenient about either.
    for audit in ("fail", "warn"):
        result = select(records, audit=audit)
        assert not result.pairs
        assert re.match(f"no pair left: {said}", result.outcome.failure)


# Worked out by hand


def test_lite_by_hand(respond: Any, select: Any) -> None:
    # first turns      A0 80 words, ttr .50, maas .050     A1 84, .55, .045     A2 90, .40, .060
    # second turns     B0 82 words, ttr .60, maas .040     B1 85, .58, .046     B2 93, .62, .055
    # dlen within 5    B0: A0 +2, A1 -2     B1: A0 +5, A1 +1, A2 -5     B2: A2 +3
    # ttr gaps         .10, .05             .08, .03, .18               .22         all rise
    # maas not higher  yes, yes             yes, A1 no (.046 > .045), yes           yes (.055 < .060)
    # left             B0A0 .10 (+2), B0A1 .05 (-2), B1A0 .08 (+5), B1A2 .18 (-5), B2A2 .22 (+3)
    # One prompt, so one pair. Without a multiplier B2A2 wins, with mean dlen 3. A multiplier m takes 3m from it and
    # adds 5m to B1A2: with sd = .06375 their scaled gaps are 3.451 and 2.824, equal at m = .078, and B1A2's mean is
    # -5. Neither is within .25; the nearer to zero is B2A2, which stays.
    shapes = [(1, 80, 0.50, 0.050), (1, 84, 0.55, 0.045), (1, 90, 0.40, 0.060)]
    shapes += [(2, 82, 0.60, 0.040), (2, 85, 0.58, 0.046), (2, 93, 0.62, 0.055)]
    records = [
        respond("p", i % 3, turn, words=words, ttr=ttr, maas=maas) for i, (turn, words, ttr, maas) in enumerate(shapes)
    ]
    result = select(records)
    assert result.sides == [((2, 2), (2, 1))]
    assert result.stages["length"].kept == 6
    assert result.stages["quality"].dropped == Counter({"maas falls": 1})
    (pair,) = result.pairs
    assert pair["delta_words"] == 3
    assert pair["gaps"] == {"ttr": pytest.approx(0.22)}
    gaps = [0.10, 0.05, 0.08, 0.18, 0.22]
    assert pair["gap"] == pytest.approx(0.22 / np.std(gaps))
    # With three pairs allowed no response is used twice: B2A2, then B0A0 (.10), then nothing but B1 with A0 or A2.
    several = select(records, per_prompt=3, balance=False)
    assert sorted(several.sides) == [((0, 2), (0, 1)), ((2, 2), (2, 1))]


def test_two_pairs_a_prompt_share_no_response(planted: Any, select: Any) -> None:
    result = select(planted, per_prompt=2, length_tolerance=30.0)
    seen = Counter(
        (pair["prompt_id"], side, pair[f"{side}_sample_index"])
        for pair in result.pairs
        for side in ("chosen", "rejected")
    )
    assert set(seen.values()) == {1}
    assert max(Counter(pair["prompt_id"] for pair in result.pairs).values()) == 2
    assert len(result.pairs) > 200


def test_at_most_so_many_pairs_the_best_ones(respond: Any, select: Any) -> None:
    records = [respond(f"p{i}", 0, turn, ttr=0.5 + 0.01 * i * turn, maas=0.05) for i in range(9) for turn in (1, 2)]
    assert [pair["prompt_id"] for pair in select(records, pairs=3).pairs] == ["p6", "p7", "p8"]


# Degenerate cases


def test_one_surviving_pair_is_audited_and_warned_about(respond: Any, select: Any) -> None:
    records = [respond("p", 0, 1, ttr=0.5, maas=0.05), respond("p", 0, 2, ttr=0.6, maas=0.04)]
    result = select(records, audit="fail")
    (pair,) = result.pairs
    assert pair["gap"] == pytest.approx(0.1)
    assert result.outcome.audit.verdict == "warn"
    assert "1 pairs are few" in result.outcome.audit.message


def test_all_of_equal_length_needs_no_multiplier(respond: Any, select: Any) -> None:
    records = [respond(f"p{i}", 0, turn, ttr=0.4 + 0.1 * turn, maas=0.05) for i in range(120) for turn in (1, 2)]
    result = select(records, audit="fail")
    assert (len(result.pairs), result.outcome.selection.multiplier) == (120, 0)
    (share,) = [check for check in result.outcome.audit.checks if check.check == "share of longer chosen"]
    assert (share.verdict, share.limit) == ("pass", "not defined")


def test_the_number_of_responses_may_differ(respond: Any, select: Any) -> None:
    shapes = {"a": ((1, 3), (2, 1)), "b": ((1, 1), (2, 4)), "c": ((1, 2), (2, 0))}
    records = [
        respond(prompt_id, i, turn, ttr=0.4 + 0.1 * turn)
        for prompt_id, turns in shapes.items()
        for turn, n in turns
        for i in range(n)
    ]
    result = select(records)
    assert result.stages["candidates"].entered == 3 * 1 + 1 * 4
    assert result.stages["prompts"].dropped == Counter({"no partner": 1})
    assert len(result.pairs) == 2


def test_a_system_turn_is_kept_in_the_prompt(respond: Any, select: Any) -> None:
    prompt = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Tell me."}]
    records = [respond("p", 0, turn, ttr=0.4 + 0.1 * turn) | {"prompt": prompt} for turn in (1, 2)]
    assert select(records).pairs[0]["prompt"] == prompt


def test_text_without_spaces_is_told_what_to_do(respond: Any, select: Any) -> None:
    rng = random.Random(0)
    signs = [chr(0x4E00 + i) for i in range(400)]
    told = {(i, turn): "".join(rng.choices(signs, k=120)) for i in range(4) for turn in (1, 2)}
    records = [
        respond(f"p{i}", 0, turn, text=text + "。", ttr=0.4 + 0.1 * turn, maas=0.05, n_tokens=130)
        for (i, turn), text in told.items()
    ]
    result = select(records)
    assert not result.pairs
    assert [line for line in result.outcome.selection.warnings if "--length-unit tokens --tokenizer char" in line]
    followed = select(records, length_unit="tokens", tokenizer="char")
    assert len(followed.pairs) == 4
    assert followed.outcome.selection.warnings == []


def test_a_metric_that_is_mostly_null_is_told(respond: Any, select: Any) -> None:
    records = [
        respond(f"p{i}", 0, turn, ttr=0.4 + 0.1 * turn, scores={"mtld": 90.0 + turn if i == 0 else None})
        for i in range(3)
        for turn in (1, 2)
    ]
    result = select(records, diversity=("ttr", "mtld"))
    assert len(result.pairs) == 1
    assert result.outcome.selection.warnings == [
        "mtld is null for 67% of the responses (null: under 50 words, or no word repeated)"
    ]


def test_many_truncated_responses_are_told(respond: Any, select: Any) -> None:
    records = [
        respond(f"p{i}", j, turn, ttr=0.4 + 0.1 * turn, finish_reason="length" if j else "stop")
        for i in range(3)
        for j in range(2)
        for turn in (1, 2)
    ]
    assert "50% of the responses were cut" in select(records).outcome.audit.message


# The full method, and the ablations of both


def test_no_length_with_the_full_rules(respond: Any, select: Any) -> None:
    def scores(turn: int) -> dict[str, float]:
        return {"dsi_lite": 0.4 + 0.1 * turn, "word_entropy": 5.0 + turn, "reward": 0.5}

    records = [
        respond(f"p{i}", 0, turn, words=90 - 15 * turn, ttr=0.5, scores=scores(turn))
        for i in range(5)
        for turn in (1, 2)
    ]
    assert not select(records, "diverse-ns").pairs
    assert not select(records, "no-length").pairs
    full = select(records, "no-length", base="diverse-ns")
    assert [pair["delta_words"] for pair in full.pairs] == [-15] * 5
    assert full.pairs[0]["gaps"].keys() == {"dsi_lite", "word_entropy"}
    assert full.pairs[0]["method"] == "no-length"


def test_dsi_goes_before_dsi_lite(respond: Any, select: Any) -> None:
    records = [
        respond(
            "p", 0, turn, scores={"dsi": 0.5 + 0.1 * turn, "dsi_lite": 0.9 - 0.1 * turn, "word_entropy": 5.0 + turn}
        )
        for turn in (1, 2)
    ]
    assert select(records, "diverse-ns").pairs[0]["gaps"].keys() == {"dsi", "word_entropy"}


# What is written and reported


def test_a_pair_record(respond: Any, select: Any) -> None:
    records = [
        respond("p", 3, 1, words=80, ttr=0.5, maas=0.05),
        respond("p", 4, 2, words=82, ttr=0.6, maas=0.04),
    ]
    for number, record in enumerate(records):
        record |= {"topic": {"name": "river"}, "took": 0.1 * number, "logprob": -9.0, "seed": 5, "params": {"n": 1}}
    (pair,) = select(records).pairs
    assert pair == {
        "prompt": [{"role": "user", "content": "Tell me about p."}],
        "chosen": [{"role": "assistant", "content": records[1]["response"]}],
        "rejected": [{"role": "assistant", "content": records[0]["response"]}],
        "prompt_id": "p",
        "method": "diverse-ns-lite",
        "weight": 1.0,
        "chosen_scores": {"ttr": 0.6, "maas": 0.04},
        "rejected_scores": {"ttr": 0.5, "maas": 0.05},
        "model": "made",
        "delta_words": 2,
        "delta_tokens": 2,
        "gap": pytest.approx(0.1),
        "gaps": {"ttr": pytest.approx(0.1)},
        "chosen_sample_index": 4,
        "rejected_sample_index": 3,
        "chosen_turn": 2,
        "rejected_turn": 1,
        "chosen_n_tokens": 89,
        "rejected_n_tokens": 87,
        "chosen_finish_reason": "stop",
        "rejected_finish_reason": "stop",
        # Unknown keys pass through where the sides agree.
        "topic": {"name": "river"},
    }


def test_a_pair_without_token_counts_or_model(respond: Any, select: Any) -> None:
    records = [respond("p", 0, turn, ttr=0.4 + 0.1 * turn) for turn in (1, 2)]
    for record in records:
        for key in ("n_tokens", "model", "finish_reason"):
            del record[key]
    (pair,) = select(records).pairs
    assert (pair["delta_tokens"], pair["model"], pair["chosen_n_tokens"]) == (None, None, None)


def test_unknown_keys_never_overwrite_a_pairs_own(respond: Any, select: Any) -> None:
    records = [respond("p", 0, turn, ttr=0.4 + 0.1 * turn) | {"weight": 7, "chosen": "x"} for turn in (1, 2)]
    (pair,) = select(records).pairs
    assert pair["weight"] == 1.0
    assert pair["chosen"][0]["role"] == "assistant"


def test_the_report(planted: Any, select: Any) -> None:
    result = select(planted, seed=4)
    report = result.outcome.report("diverse-ns-lite", SelectOptions(seed=4))
    assert report["method"] == "diverse-ns-lite"
    assert report["seed"] == report["options"]["seed"] == 4
    assert report["options"]["length_tolerance"] == 5.0
    assert report["scores"] == {"diversity": ["ttr"], "quality": "maas"}
    assert [stage["stage"] for stage in report["funnel"]] == list(result.stages)
    length = report["funnel"][3]
    assert length == {
        "stage": "length",
        "unit": "candidates",
        "entered": 3200,
        "kept": 200,
        "dropped": {"over 5 words apart": 3000},
    }
    assert report["audit"]["pairs"] == 200
    assert report["audit"]["quality"]["chosen"] < report["audit"]["quality"]["rejected"]
    assert len(report["audit"]["largest_gaps"]) == 10
