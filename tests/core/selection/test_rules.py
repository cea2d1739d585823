"""Rules 2 to 5: what they look at in one candidate pair, and in the run's quantiles."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest


@pytest.fixture
def pair(respond: Any) -> Any:
    """A first and a second turn, the second the more diverse; changes for either."""

    def made(first: Any = (), second: Any = (), prompt_id: str = "p") -> list[dict[str, Any]]:
        return [
            respond(prompt_id, 0, 1, **{"ttr": 0.5, "maas": 0.05, **dict(first)}),
            respond(prompt_id, 0, 2, **{"ttr": 0.6, "maas": 0.04, **dict(second)}),
        ]

    return made


def test_the_plain_pair_passes_every_rule(pair: Any, select: Any) -> None:
    result = select(pair())
    assert result.sides == [((0, 2), (0, 1))]
    assert not result.reasons


# Rule 2


def test_equal_texts_but_for_case_and_marks(pair: Any, select: Any, text: Any) -> None:
    told = text(80)
    records = pair({"text": told}, {"text": told.title() + "!"})
    # All of its responses are equal, so the prompt goes as a whole ...
    assert select(records).stages["prompts"].dropped == Counter({"identical": 1})
    # ... and one more text does not save the equal pair.
    result = select([*records, pair()[0] | {"sample_index": 1}])
    assert result.stages["candidates"].dropped == Counter({"equal texts": 1})
    assert result.sides == [((0, 2), (1, 1))]


@pytest.mark.parametrize(("common", "kept"), [(54, 1), (55, 0)])
def test_five_gram_overlap_over_one_half(pair: Any, select: Any, text: Any, common: int, kept: int) -> None:
    # 80 words have 76 5-grams. With 54 words in common 50 are shared, 50 / 102 = .490; with 55, 51 / 101 = .505.
    start = text(common, "start")
    result = select(pair({"text": f"{start} {text(80 - common, 1)}"}, {"text": f"{start} {text(80 - common, 2)}"}))
    assert len(result.pairs) == kept
    assert result.stages["candidates"].dropped["nearly equal texts"] == 1 - kept


# Rule 3


@pytest.mark.parametrize(("words", "kept"), [(74, 0), (75, 1), (80, 1), (85, 1), (86, 0)])
def test_the_tolerance_is_inclusive_on_both_sides(pair: Any, select: Any, words: int, kept: int) -> None:
    result = select(pair(second={"words": words}))
    assert len(result.pairs) == kept
    assert result.stages["length"].dropped["over 5 words apart"] == 1 - kept


def test_a_wider_tolerance_lets_more_in(pair: Any, select: Any) -> None:
    assert len(select(pair(second={"words": 90}), length_tolerance=10).pairs) == 1
    assert len(select(pair(second={"words": 160}), length_tolerance=float("inf")).pairs) == 1


@pytest.mark.parametrize(("relative", "kept"), [(0.05, 1), (0.049, 0)])
def test_relative_length_is_a_share_of_the_longer(pair: Any, select: Any, relative: float, kept: int) -> None:
    # 76 against 80 words: 4 of 80 is .05; of the shorter it would be .0526.
    result = select(pair(second={"words": 76}), length_relative=relative)
    assert len(result.pairs) == kept


def test_relative_and_absolute_both_hold(pair: Any, select: Any) -> None:
    assert not select(pair(second={"words": 74}), length_relative=0.5).pairs


def test_length_in_tokens(pair: Any, select: Any) -> None:
    records = pair({"words": 80, "n_tokens": 100}, {"words": 110, "n_tokens": 104})
    result = select(records, length_unit="tokens")
    assert [(p["delta_tokens"], p["delta_words"], p["length_unit"]) for p in result.pairs] == [(4, 30, "tokens")]
    assert not select(records, length_unit="words").pairs
    assert "length_unit" not in select(pair()).pairs[0]
    far = pair({"n_tokens": 100}, {"n_tokens": 106})
    assert select(far, length_unit="tokens").stages["length"].dropped == Counter({"over 5 tokens apart": 1})
    assert len(select(far).pairs) == 1


def test_length_in_characters_leaves_outer_space_out(pair: Any, select: Any, text: Any) -> None:
    told = text(80)
    # The forms have four letters, so 80 words are 399 characters.
    assert len(told) == 399
    near = pair({"text": told}, {"text": text(79, 1) + " ninechars   \n\n\n\n"})
    assert len(select(near, length_unit="chars").pairs) == 1
    assert len(select(pair(second={"words": 82}), length_unit="chars").pairs) == 0
    assert len(select(pair(second={"words": 82}), length_unit="chars", length_tolerance=10).pairs) == 1


# Rule 4


@pytest.mark.parametrize("ttr", [0.5, 0.4])
def test_diversity_must_rise(pair: Any, select: Any, ttr: float) -> None:
    result = select(pair(second={"ttr": ttr}))
    assert result.stages["diversity"].dropped == Counter({"ttr does not rise": 1})


@pytest.mark.parametrize("orientation", ["second", "either"])
def test_all_gaps_zero(pair: Any, select: Any, orientation: str) -> None:
    result = select(pair(second={"ttr": 0.5, "maas": 0.05}), orientation=orientation)
    assert result.stages["diversity"].dropped == Counter({"ttr does not rise": 1})
    assert result.outcome.failure


@pytest.mark.parametrize(("first", "second"), [(None, 0.6), (0.5, None), (None, None)])
@pytest.mark.parametrize("orientation", ["second", "either"])
def test_a_null_on_either_side_drops_the_pair(
    pair: Any, select: Any, first: Any, second: Any, orientation: str
) -> None:
    result = select(pair({"ttr": first}, {"ttr": second}), orientation=orientation)
    assert result.stages["diversity"].dropped == Counter({"ttr is null": 1})


def test_every_metric_must_rise_each_in_its_own_direction(pair: Any, select: Any) -> None:
    up = {"ttr": 0.6, "scores": {"repetition": 0.1}}
    low, high = {"scores": {"repetition": 0.2}}, {"scores": {"repetition": 0.05}}
    assert len(select(pair(low, up), diversity=("ttr", "repetition")).pairs) == 1
    result = select(pair(high, up), diversity=("ttr", "repetition"))
    assert result.stages["diversity"].dropped == Counter({"repetition does not rise": 1})
    (only,) = select(pair(low, up), diversity=("repetition",)).pairs
    assert only["gaps"] == {"repetition": pytest.approx(0.1)}


def test_either_orients_by_the_first_metric_and_asks_the_rest(pair: Any, select: Any) -> None:
    records = pair({"ttr": 0.7, "scores": {"mattr": 0.7}, "maas": 0.01}, {"scores": {"mattr": 0.8}})
    options = {"orientation": "either"}
    assert select(records, diversity=("ttr",), **options).sides == [((0, 1), (0, 2))]
    assert not select(records, diversity=("ttr", "mattr"), **options).pairs
    # The second turn is chosen by mattr, and then its Maas is the worse one.
    assert select(records, diversity=("mattr",), **options).reasons == {"maas falls"}


# Rule 5


@pytest.mark.parametrize(("eps", "kept"), [(0.0, 0), (0.009, 0), (0.011, 1)])
def test_lite_lets_maas_rise_by_eps_at_most(pair: Any, select: Any, eps: float, kept: int) -> None:
    result = select(pair(second={"maas": 0.06}), quality_eps=eps)
    assert len(result.pairs) == kept
    assert result.stages["quality"].dropped["maas falls"] == 1 - kept


def test_equal_quality_passes(pair: Any, select: Any) -> None:
    assert len(select(pair(second={"maas": 0.05})).pairs) == 1


@pytest.mark.parametrize("side", ["first", "second"])
def test_a_null_quality_drops_the_pair(pair: Any, select: Any, side: str) -> None:
    assert select(pair(**{side: {"maas": None}})).stages["quality"].dropped == Counter({"maas is null": 1})


@pytest.fixture
def judged(respond: Any) -> Any:
    """Twenty prompts with rewards: prompt i has i / 20 on both sides."""

    def made(**more: Any) -> list[dict[str, Any]]:
        scores = {"word_entropy": 5.0, "dsi_lite": 0.5, **more}
        risen = {**scores, "word_entropy": 5.5, "dsi_lite": 0.6}
        return [
            respond(f"p{i:02d}", 0, turn, scores={**(risen if turn == 2 else scores), "reward": i / 20})
            for i in range(20)
            for turn in (1, 2)
        ]

    return made


def test_the_floor_is_a_quantile_of_the_run(judged: Any, select: Any) -> None:
    # 40 rewards, each of 0, .05, ... .95 twice; their .25-quantile is .2375, so .25 and more pass: 15 prompts.
    result = select(judged(), "diverse-ns")
    assert [pair["prompt_id"] for pair in result.pairs] == [f"p{i:02d}" for i in range(5, 20)]
    assert result.stages["quality"].dropped == Counter({"reward among the run's worst 25%": 5})


@pytest.mark.parametrize(("floor", "kept"), [(0.0, 20), (0.5, 10), (0.9, 2)])
def test_the_floor_is_the_users(judged: Any, select: Any, floor: float, kept: int) -> None:
    assert len(select(judged(), "diverse-ns", quality_floor=floor).pairs) == kept


def test_unfit_responses_do_not_move_the_floor(judged: Any, select: Any, respond: Any) -> None:
    cut = [
        respond(f"q{i}", 0, finish_reason="length", scores={"word_entropy": 5.0, "dsi_lite": 0.5, "reward": 9.0})
        for i in range(40)
    ]
    assert len(select(judged() + cut, "diverse-ns").pairs) == 15


def test_the_chosen_must_not_be_judged_worse(judged: Any, select: Any) -> None:
    records = judged()
    records[-1]["scores"]["reward"] = 0.9
    result = select(records, "diverse-ns")
    assert result.stages["quality"].dropped["reward falls"] == 1
    assert len(select(records, "diverse-ns", quality_eps=0.06).pairs) == 15


def test_lite_has_no_floor_but_with_a_judgement(judged: Any, select: Any) -> None:
    records = judged()
    assert len(select(records, diversity=("word_entropy",)).pairs) == 20
    assert len(select(records, diversity=("word_entropy",), quality_metric="reward").pairs) == 15


def test_the_perplexity_gate_leaves_the_worst_out_on_either_side(judged: Any, select: Any) -> None:
    records = judged()
    for number, record in enumerate(records):
        del record["scores"]["reward"]
        record["scores"]["perplexity"] = 10.0 + number % 2
    # 40 values: the 95th percentile lies between the 38th and 39th, 11.0; so two texts are over it.
    records[0]["scores"]["perplexity"] = 50.0
    records[3]["scores"]["perplexity"] = 60.0
    result = select(records, "diverse-ns")
    assert result.stages["quality"].dropped == Counter({"perplexity among the run's worst 5%": 2})
    assert [pair["prompt_id"] for pair in result.pairs] == [f"p{i:02d}" for i in range(2, 20)]
    # A gate is no comparison: the chosen may have the higher perplexity.
    assert all(p["chosen_scores"]["perplexity"] > p["rejected_scores"]["perplexity"] for p in result.pairs)


def test_without_any_quality_one_line_says_so(judged: Any, select: Any) -> None:
    records = judged()
    for record in records:
        del record["scores"]["reward"]
    result = select(records, "diverse-ns")
    assert len(result.pairs) == 20
    assert result.outcome.selection.warnings == ["no quality score (reward, judge, perplexity): that rule is skipped"]
