"""Deviation weights: the arithmetic, then whole runs."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from divtool.core.errors import InputError, UsageError
from divtool.core.metrics.semantic import semantic_deviation
from divtool.core.selection.deviation import combined, mean_one, scaled
from divtool.core.selection.options import DeviationOptions
from divtool.core.selection.signals import Signal, parse_signals
from divtool.core.selection.weighing import Weigher

SEMANTIC = np.array([0.20, 0.30, 0.50, 0.26])
STYLE = np.array([0.10, 0.40, 0.34, 0.22])
BOTH = {"semantic_deviation": SEMANTIC, "style_deviation": STYLE}


def delta(columns: dict[str, Any], signals: str, how: Any = "geometric", least: float = 0.0) -> Any:
    weigher = Weigher(signals=parse_signals(signals), combine=how, raw=False, least=least, counts=Counter())
    n = len(next(iter(columns.values())))
    return weigher.weigh(lambda name: np.asarray(columns[name], dtype=float), n).weight


@pytest.mark.parametrize(
    ("signals", "how", "expected"),
    [
        ("semantic_deviation,style_deviation", "geometric", [0, 1.3161829, 2.0390218, 0.6447953]),
        ("semantic_deviation", "geometric", [0, 0.8695652, 2.6086957, 0.5217391]),
        ("style_deviation", "geometric", [0, 1.8181818, 1.4545455, 0.7272727]),
        ("semantic_deviation:2,style_deviation:1", "geometric", [0, 1.1576998, 2.2354938, 0.6068064]),
        ("semantic_deviation,style_deviation", "add", [0, 1.4285714, 1.9285714, 0.6428571]),
        ("semantic_deviation:0,style_deviation", "mult", [0, 1.8181818, 1.4545455, 0.7272727]),
    ],
)
def test_vectors(signals: str, how: str, expected: list[float]) -> None:
    assert delta(BOTH, signals, how) == pytest.approx(expected, abs=1e-6)


def test_scaled_and_added() -> None:
    assert scaled(SEMANTIC) == pytest.approx([0, 1 / 3, 1, 0.2])
    assert combined([scaled(SEMANTIC), scaled(STYLE)], [1, 1], "add") == pytest.approx([0, 4 / 3, 1.8, 0.6])


def test_the_floor_of_small_pools() -> None:
    weigher = Weigher(
        signals=parse_signals(",".join(BOTH)), combine="geometric", raw=False, least=None, counts=Counter()
    )
    weights = weigher.weigh(BOTH.__getitem__, 4)
    assert weights.weight == pytest.approx([0.2, 1.3161829, 2.0390218, 0.6447953], abs=1e-6)
    assert weights.of_pair(2, 0) == {
        "weight": pytest.approx(2.0390218, abs=1e-6),
        "weight_rejected": 0.2,
        "weight_parts": {"semantic_deviation": 1.0, "style_deviation": pytest.approx(0.8)},
        "pool_size": 4,
        "min_weight": 0.2,
    }
    assert weigher.weigh(lambda name: np.append(BOTH[name], 0.3), 5).least == 0.1


@pytest.mark.parametrize(
    ("vectors", "distances", "expected"),
    [
        ([(1, 0), (0, 1), (0.6, 0.8), (0.8, 0.6)], [0.5333333, 0.5333333, 0.2133333, 0.2133333], [2, 2, 0, 0]),
        ([(1, 0), (1, 0), (0, 1), (0.6, 0.8)], [0.4666667, 0.4666667, 0.7333333, 0.3333333], [0.8, 0.8, 2.4, 0]),
        ([(1, 0), (0, 1), (0.6, 0.8)], [0.7, 0.6, 0.3], [1.7142857, 1.2857143, 0]),
    ],
)
def test_vectors_from_unit_vectors(vectors: Any, distances: Any, expected: Any) -> None:
    found = semantic_deviation(np.array(vectors, dtype=float))
    assert found == pytest.approx(distances, abs=1e-6)
    assert delta({"d": found}, "d") == pytest.approx(expected, abs=1e-6)


_columns = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=12)


@given(_columns, st.floats(-5, 5), st.floats(0.1, 10), st.randoms(use_true_random=False))
def test_weights_are_a_share_of_the_pool(pairs: Any, shift: float, scale: float, draw: random.Random) -> None:
    a, b = (np.array(column) / 50 for column in zip(*pairs, strict=True))
    found = delta({"a": a, "b": b}, "a,-b")
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(len(found), abs=1e-9)
    assert delta({"a": a * scale + shift, "b": b}, "a,-b") == pytest.approx(found, abs=1e-6)
    order = list(range(len(found)))
    draw.shuffle(order)
    assert delta({"a": a[order], "b": b[order]}, "a,-b") == pytest.approx(found[order], abs=1e-9)


def test_two_texts_weigh_one_each() -> None:
    draw = np.random.default_rng(0)
    for _ in range(1000):
        rows = draw.normal(size=(2, 8)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        assert delta({"d": semantic_deviation(rows.astype(np.float64))}, "d") == pytest.approx([1, 1])
    # Also where the clean-up left two of more, whose distances were measured over all.
    assert delta({"d": [0.3, 0.4]}, "d") == pytest.approx([1, 1])
    assert np.isnan(delta({"d": [0.3, np.nan]}, "d")).tolist() == [False, True]


def test_signals_that_cancel_or_are_flat_weigh_one() -> None:
    assert delta({"a": [0, 1], "b": [1, 0]}, "a,b") == pytest.approx([1, 1])
    assert delta({"a": [3, 3, 3]}, "a") == pytest.approx([1, 1, 1])
    assert delta({"a": [1e308, -1e308, 0]}, "a") == pytest.approx([2, 0, 1])
    assert mean_one(np.zeros(3)) == pytest.approx([1, 1, 1])


def test_a_signal_null_throughout_is_left_out_and_one_null_leaves_its_response_without_a_weight() -> None:
    counts: Counter[str] = Counter()
    weigher = Weigher(signals=parse_signals("a,b"), combine="geometric", raw=False, least=0.0, counts=counts)
    columns = {"a": np.array([0.0, 1.0, np.nan]), "b": np.full(3, np.nan)}
    weights = weigher.weigh(columns.__getitem__, 3)
    assert weights.weight[:2] == pytest.approx([0, 2])
    assert np.isnan(weights.weight[2])
    assert weights.pool_size == 3
    assert counts == {"b is null for a whole prompt": 1}


def test_signals_are_read_as_written() -> None:
    assert parse_signals("a, b:2,-c") == (Signal("a"), Signal("b", 2.0), Signal("c", 1.0, -1))
    for wrong in ("", "a:-1", "a:x", "a,a", "-", "a:nan", "a:inf"):
        with pytest.raises(UsageError, match="--signals"):
            parse_signals(wrong)


def test_raw_weights_and_contrast(choose: Any, respond: Any) -> None:
    records = pool(respond, [1, 2, 3, 4], SEMANTIC, STYLE)
    raw = choose(records, "deviation", raw_weights=True, combine="add", min_weight="0", pairing="all").records
    expected = {0: 0.0, 1: 4 / 3, 2: 1.8, 3: 0.6}
    assert {pair["chosen_sample_index"]: pair["weight"] for pair in raw} == {
        i: pytest.approx(expected[i]) for i in (1, 2, 3)
    }
    told = choose(records, "deviation", contrast=True, combine="add", raw_weights=True, min_weight="0", pairing="all")
    for pair in told.records:
        i, j = pair["chosen_sample_index"], pair["rejected_sample_index"]
        assert pair["weight"] == pytest.approx(max(0.0, expected[i] - expected[j]))
        assert pair["weight_rejected"] is None
    mean = choose(records, "deviation", contrast=True, min_weight="0", pairing="all").records
    assert sum(pair["weight"] for pair in mean) == pytest.approx(len(mean))


def pool(respond: Any, rewards: Any, semantic: Any, style: Any, prompt: str = "p", **more: Any) -> list[Any]:
    return [
        respond(prompt, i, scores={"reward": r, "semantic_deviation": a, "style_deviation": b}, **more)
        for i, (r, a, b) in enumerate(zip(rewards, semantic, style, strict=True))
    ]


def test_a_planted_outlier_weighs_most(choose: Any, respond: Any) -> None:
    """Nine alike and one apart, which has the top one of ten rewards."""
    semantic = [0.2 + 0.001 * i for i in range(9)] + [0.9]
    style = [0.1 + 0.001 * (i % 4) for i in range(9)] + [0.6]
    records = pool(respond, range(10), semantic, style)
    pairs = choose(records, "deviation").records
    heaviest = max(pairs, key=lambda pair: pair["weight"])
    assert heaviest["chosen_sample_index"] == 9
    assert min(pair["weight"] for pair in pairs) >= 0.1
    bare = choose(records, "deviation", min_weight="0").records
    assert min(min(pair["weight"], pair["weight_rejected"]) for pair in bare) == 0


@pytest.mark.usefixtures("circle")
def test_a_text_twelve_times_in_a_pool_of_sixteen(choose: Any, respond: Any, monkeypatch: Any) -> None:
    """Five texts, equally far from each other: over the pool the repeated one sits at the floor, over its texts not."""

    class Corners:
        def encode(self, texts: Any) -> Any:
            return np.eye(5)[[int(text.rsplit(" ", 1)[-1]) for text in texts]]

    monkeypatch.setattr("divtool.core.selection.encoders.open_embedder", lambda *_: Corners())
    corners = [0] * 12 + [1, 2, 3, 4]
    deviation = semantic_deviation(np.eye(5)[corners])
    records = [
        respond("p", i, text=f"the text of corner {corner}", scores={"reward": corner, "semantic_deviation": d})
        for i, (corner, d) in enumerate(zip(corners, deviation, strict=True))
    ]
    signals = {"signals": "semantic_deviation", "pairing": "all"}
    over_all = choose(records, "deviation", **signals).records
    repeated = {pair["weight_rejected"] for pair in over_all if pair["rejected"][0]["content"].endswith(" 0")}
    assert repeated == {0.1}
    assert {pair["pool_size"] for pair in over_all} == {16}
    anew = choose(records, "deviation", pool="pairs", **signals).records
    assert {pair["weight"] for pair in anew} == {1.0}
    assert {pair["pool_size"] for pair in anew} == {5}


@pytest.mark.usefixtures("circle")
def test_pairs_in_pairs_out(choose: Any, make_pairs: Any) -> None:
    """Winners at 0 and 90 degrees, the loser of both at 10: only keys on weight change."""

    def pair(winner: int, **more: Any) -> Any:
        sides = {"chosen": f"text {winner}", "rejected": "text 10"}
        made = make_pairs(1)[0] | {k: [{"role": "assistant", "content": v}] for k, v in sides.items()}
        return made | {"prompt_id": "p", "mine": {"a": 1}, "prompt": make_pairs(1)[0]["prompt"], **more}

    given_pairs = [pair(0, weight=3.0), pair(90, chosen_scores={"reward": 2.0}), pair(10)]
    out = choose(given_pairs, "deviation", signals="semantic_deviation", min_weight="0")
    assert len(out.records) == 2
    assert out.dropped == {"equal texts": 1}
    for before, after in zip(given_pairs, out.records, strict=False):
        changed = {key for key in after if after[key] != before.get(key, "absent")}
        assert changed <= {"weight", "weight_rejected", "weight_parts", "pool_size"}
        assert before.keys() <= after.keys()
    angles = np.deg2rad([0, 10, 90])
    unit = np.column_stack([np.cos(angles), np.sin(angles)])
    expected = delta({"d": semantic_deviation(unit)}, "d")
    assert [after["weight"] for after in out.records] == pytest.approx([expected[0], expected[2]])
    with pytest.raises(UsageError, match="leave out --pairing"):
        choose(given_pairs, "deviation", pairing="all")
    with pytest.raises(UsageError, match="--pool all"):
        choose(given_pairs, "deviation", pool="all")


def test_upvotes_make_pairs_of_texts_by_people(choose: Any, respond: Any, text: Any) -> None:
    """Without `sample_index`; the gap of the first round is 5, and the reward stays in the pair."""
    records = []
    for i, votes in enumerate((10, 9, 3, 1)):
        made = respond(
            "p", i, text="Sure, " + text(8, i), scores={"semantic_deviation": 0.1 * i, "style_deviation": 0.2}
        )
        del made["sample_index"], made["turn"]
        records.append(made | {"upvotes": votes})
    pairs = choose(records, "deviation").records
    assert len(pairs) == 2
    assert all(p["chosen_scores"]["upvotes"] - p["rejected_scores"]["upvotes"] >= 5 for p in pairs)
    assert {p["chosen_sample_index"] for p in pairs} == {None}


def test_cleaning_can_be_switched_off(choose: Any, respond: Any) -> None:
    records = pool(respond, [1, 2, 3], SEMANTIC[:3], STYLE[:3])
    records[2]["finish_reason"] = "length"
    cleaned = choose(records, "deviation", pairing="all")
    assert [pair["chosen_sample_index"] for pair in cleaned.records] == [1]
    assert cleaned.dropped["cut at the token limit"] == 1
    kept = choose(records, "deviation", pairing="all", clean=False)
    assert len(kept.records) == 3
    assert kept.selected.audit.verdict == "warn"


def test_the_summary_counts_over_winners(choose: Any, respond: Any) -> None:
    records = [record for n in range(12) for record in pool(respond, [1, 2, 3, 4], SEMANTIC, STYLE, f"p{n:02d}")]
    out = choose(records, "deviation", pairing="all", pairs=1)
    weights = out.selected.report["weights"]
    assert (weights["pairs"], weights["share_at_zero"]) == (12, 0.0)
    # The best reward weighs .6447953, above its floor of .2.
    assert weights["mean"] == pytest.approx(0.6447953, abs=1e-6)
    assert weights["effective_share"] == pytest.approx(1.0)
    assert weights["share_at_floor"] == 0
    assert len(weights["heaviest"]) == 10
    assert weights["heaviest"][0]["prompt_id"] == "p00"


def test_flat_and_single_and_tied_prompts_are_counted(choose: Any, respond: Any) -> None:
    flat = pool(respond, [1, 2], [0.3, 0.3], [0.2, 0.2], "flat")
    tied = pool(respond, [1, 1], SEMANTIC[:2], STYLE[:2], "tied")
    single = pool(respond, [1], SEMANTIC[:1], STYLE[:1], "single")
    same = pool(respond, [1, 2], SEMANTIC[:2], STYLE[:2], "same")
    same[1]["response"] = f"  {same[0]['response']}\n"
    null = pool(respond, [1, 2, None], SEMANTIC[:3], [0.1, None, 0.3], "null")
    out = choose([*flat, *tied, *single, *same, *null], "deviation")
    assert [pair["prompt_id"] for pair in out.records] == ["flat"]
    assert out.records[0]["weight"] == 1.0
    assert out.dropped == {"no gap": 1, "single": 2, "reward or signal null": 1}
    assert out.selected.report["counts"] == {"flat": 1}


def test_lambdas_of_zero_weigh_one_and_say_so(choose: Any, respond: Any) -> None:
    out = choose(pool(respond, [1, 2], SEMANTIC[:2], STYLE[:2]), "deviation", signals="semantic_deviation:0")
    assert out.records[0]["weight"] == 1.0
    assert "every lambda is 0: all weights are 1" in out.selected.notes


def test_a_missing_signal_names_the_way_and_the_nearest(choose: Any, respond: Any) -> None:
    records = pool(respond, [1, 2], SEMANTIC[:2], STYLE[:2])
    with pytest.raises(
        InputError, match=r"made:1: no score 'style_deviatoin'.*did you mean 'style_deviation'.*divtool score"
    ):
        choose(records, "deviation", signals="style_deviatoin")
    for record in records:
        del record["scores"]["reward"]
    with pytest.raises(InputError, match="no reward in the record"):
        choose(records, "deviation")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"pairs": 0}, "--pairs"),
        ({"min_weight": "1.5"}, "--min-weight"),
        ({"min_weight": "low"}, "--min-weight"),
        ({"min_weight": "nan"}, "--min-weight"),
        ({"min_gap": -1.0}, "--min-gap"),
        ({"signals": "a:-2"}, "--signals"),
        ({"length_tolerance": -1.0}, "--length-tolerance"),
        ({"pairing": "cross"}, "--pairing cross belongs to diverse-ns"),
    ],
)
def test_wrong_values(options: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        DeviationOptions(**options)


@pytest.mark.model
def test_nine_paraphrases_and_one_text_of_its_own(choose: Any, respond: Any) -> None:
    """With the real embedder, signals computed here: the one apart has the best reward and weighs most."""
    alike = [
        f"The {a} cat {b} on the mat by the {c} fire."
        for a, b, c in zip(
            ("old", "grey", "small", "old", "tired", "grey", "warm", "small", "old"),
            ("sat", "slept", "lay", "slept", "sat", "lay", "sat", "slept", "lay"),
            ("warm", "low", "bright", "low", "warm", "warm", "low", "low", "bright"),
            strict=True,
        )
    ]
    apart = "Why, she asked, would anybody tax the moons of Jupiter?! Nobody; nobody, then, answered."
    records = []
    for i, text in enumerate([*alike, apart]):
        made = respond("p", i, text=text)
        del made["sample_index"], made["scores"]
        records.append(made | {"upvotes": i})
    out = choose(records, "deviation", pool="pairs", pairing="all")
    heaviest = max(out.records, key=lambda pair: pair["weight"])
    assert heaviest["chosen"][0]["content"] == apart
    assert heaviest["weight"] > 3
    assert min(pair["weight"] for pair in out.records) >= 0.1
    assert out.selected.report["scores"]["signals"] == {"semantic_deviation": "minilm", "style_deviation": "style-lite"}
