"""Pairing, orientation, and the baselines that propose one pair."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from divtool.core.errors import DivtoolError

Place = tuple[int, int]


@pytest.fixture
def group(respond: Any) -> Any:
    """Responses of one prompt from (sample_index, turn, ttr); Maas falls as TTR rises."""

    def made(*shapes: tuple[int, int, float], prompt_id: str = "p", **more: Any) -> list[dict[str, Any]]:
        return [respond(prompt_id, i, t, ttr=ttr, maas=0.1 - ttr / 10, **more) for i, t, ttr in shapes]

    return made


def test_all_first_with_all_second_turns(group: Any, select: Any) -> None:
    result = select(group((0, 1, 0.5), (1, 1, 0.6), (0, 2, 0.7), (1, 2, 0.8), (2, 2, 0.4)))
    assert result.stages["candidates"].entered == 6
    assert result.sides == [((1, 2), (0, 1))]


def test_own_pairs_each_chat_with_itself(group: Any, select: Any) -> None:
    records = group((0, 1, 0.5), (1, 1, 0.65), (0, 2, 0.7), (1, 2, 0.8), (2, 2, 0.9))
    result = select(records, pairing="own")
    assert result.stages["candidates"].entered == 2
    # .7 - .5 beats .8 - .65; across chats it would be .9 - .5.
    assert result.sides == [((0, 2), (0, 1))]
    assert select(records).sides == [((2, 2), (0, 1))]


def test_a_prompt_without_a_whole_chat_has_no_partner(group: Any, select: Any) -> None:
    result = select(group((0, 1, 0.5), (1, 2, 0.8)), pairing="own")
    assert result.stages["prompts"].dropped == Counter({"no partner": 1})


@pytest.mark.parametrize(
    ("orientation", "sides"), [("second", []), ("either", [((0, 1), (0, 2))]), ("any", [((0, 1), (1, 1))])]
)
def test_orientation(group: Any, select: Any, orientation: str, sides: Any) -> None:
    records = group((0, 1, 0.8), (1, 1, 0.5), (0, 2, 0.7))
    # Across chats (0, 2) would be chosen over (1, 1).
    assert select(records, orientation=orientation, pairing="own").sides == sides


def test_second_drops_a_pair_whose_second_turn_is_not_more_diverse(group: Any, select: Any) -> None:
    result = select(group((0, 1, 0.8), (0, 2, 0.7)))
    assert result.stages["diversity"].dropped == Counter({"ttr does not rise": 1})
    assert result.outcome.failure is not None
    assert "'diversity' kept 0 of 1" in result.outcome.failure
    assert "--orientation either" in result.outcome.failure


def test_any_needs_no_second_turn(group: Any, select: Any) -> None:
    records = group((0, 1, 0.5), (1, 1, 0.8), (2, 1, 0.6))
    assert select(records, orientation="any").sides == [((1, 1), (0, 1))]
    for orientation in ("second", "either"):
        with pytest.raises(DivtoolError, match=r"--strategy sequential.*--orientation any"):
            select(records, orientation=orientation)


def test_one_second_turn_in_the_whole_input_is_enough_to_go_on(group: Any, select: Any) -> None:
    records = group((0, 1, 0.5), (1, 1, 0.8), prompt_id="p") + group((0, 1, 0.5), (0, 2, 0.8), prompt_id="q")
    result = select(records)
    assert [pair["prompt_id"] for pair in result.pairs] == ["q"]
    assert result.stages["prompts"].dropped == Counter({"no partner": 1})


def test_later_turns_are_second_turns_too(group: Any, select: Any) -> None:
    result = select(group((0, 1, 0.5), (0, 2, 0.6), (0, 3, 0.7)))
    assert result.stages["candidates"].entered == 2
    assert result.sides == [((0, 3), (0, 1))]


@pytest.mark.parametrize("shapes", [[(0, 1, 0.5)], [(0, 2, 0.5), (1, 2, 0.6)], [(0, 1, 0.5), (1, 1, 0.6)]])
def test_no_partner(group: Any, select: Any, shapes: Any) -> None:
    result = select(group(*shapes) + group((0, 1, 0.5), (0, 2, 0.8), prompt_id="q"))
    assert result.stages["prompts"].dropped == Counter({"no partner": 1})
    assert len(result.pairs) == 1


def test_identical_responses(group: Any, select: Any, text: Any) -> None:
    result = select(group((0, 1, 0.5), (1, 1, 0.5), (0, 2, 0.5), text=text(80)))
    assert result.stages["prompts"].dropped == Counter({"identical": 1})


@pytest.mark.parametrize("quality", ["reward", "judge"])
def test_quality_only_takes_the_best_and_the_worst(respond: Any, select: Any, quality: str) -> None:
    values = [0.3, 0.9, 0.1, 0.9, 0.1, None]
    records = [respond("p", i, words=60 + 10 * i, scores={quality: value}) for i, value in enumerate(values)]
    (pair,) = select(records, "quality-only").pairs
    # Ties by the lowest sample_index; no length rule, or 70 against 80 words would have gone.
    assert (pair["chosen_sample_index"], pair["rejected_sample_index"]) == (1, 2)
    assert pair["gaps"] == {quality: pytest.approx(0.8)}


def test_quality_only_by_perplexity_takes_the_lowest(respond: Any, select: Any) -> None:
    records = [respond("p", i, perplexity=value) for i, value in enumerate([9.0, 5.0, 30.0])]
    assert select(records, "quality-only").sides == [((1, 1), (2, 1))]


def test_quality_only_skips_what_is_tied(respond: Any, select: Any) -> None:
    tied = [respond("p", i, reward=0.5) for i in range(3)] + [respond("q", i, reward=None) for i in range(2)]
    result = select(tied + [respond("r", i, reward=0.1 * i) for i in range(2)], "quality-only")
    assert result.stages["prompts"].dropped == Counter({"all tied in quality": 2})
    assert [pair["prompt_id"] for pair in result.pairs] == ["r"]


def many(respond: Any, n: int = 40, size: int = 4) -> list[dict[str, Any]]:
    return [respond(f"p{i:02d}", j, ttr=0.5 + 0.01 * j) for i in range(n) for j in range(size)]


def test_random_is_stable_under_a_seed_and_draws_anew_under_another(respond: Any, select: Any) -> None:
    records = many(respond)
    first = select(records, "random", seed=1).sides
    assert first == select(records, "random", seed=1).sides
    assert first != select(records, "random", seed=2).sides
    assert len(first) == 40


def test_random_depends_on_the_prompt_alone(respond: Any, select: Any) -> None:
    records = many(respond)
    assert select(records, "random").sides[20:] == select(records[80:], "random").sides


def test_random_draws_each_side_alike(respond: Any, select: Any) -> None:
    sides = select(many(respond, 200, 2), "random").sides
    assert all(chosen != rejected for chosen, rejected in sides)
    # 200 fair draws lie within 100 +- 28 but for 1 in 10,000 times; the seed is fixed.
    assert abs(sum(chosen[0] == 0 for chosen, _ in sides) - 100) < 28


def test_random_never_draws_one_text_twice(respond: Any, select: Any, text: Any) -> None:
    records = [
        respond(f"p{i}", j, text=text(60, i) if j < 3 else text(60, i, "other")) for i in range(30) for j in range(4)
    ]
    result = select(records, "random")
    assert len(result.pairs) == 30
    assert all({chosen[0], rejected[0]} == {0, 3} for chosen, rejected in result.sides)


@pytest.mark.parametrize("method", ["random", "quality-only"])
def test_baselines_run_the_clean_up(respond: Any, select: Any, method: str) -> None:
    cut = [respond("p", i, reward=0.1 * i, finish_reason="length" if i > 1 else "stop") for i in range(4)]
    assert {frozenset(sides) for sides in select(cut, method).sides} == {frozenset({(0, 1), (1, 1)})}


@pytest.mark.parametrize("method", ["random", "quality-only"])
def test_baselines_give_one_pair_a_prompt_and_at_most_so_many(respond: Any, select: Any, method: str) -> None:
    records = [respond(f"p{i}", j, reward=0.1 * i * j) for i in range(1, 6) for j in range(4)]
    result = select(records, method)
    assert Counter(pair["prompt_id"] for pair in result.pairs) == {f"p{i}": 1 for i in range(1, 6)}
    kept = [pair["prompt_id"] for pair in select(records, method, pairs=2).pairs]
    # The largest differences in quality; chance has none, so the lowest prompt_ids.
    assert kept == (["p4", "p5"] if method == "quality-only" else ["p1", "p2"])


@pytest.mark.parametrize("method", ["random", "quality-only"])
def test_baselines_know_no_near_duplicates(respond: Any, select: Any, text: Any, method: str) -> None:
    told = text(79)
    records = [respond(p, i, text=f"{told} {p}{i}", reward=float(i)) for p in "pqr" for i in range(2)]
    assert len(select(records, method).pairs) == 3
    # Equal texts teach nothing, whatever the method.
    records += [respond("s", i, text=told + "." * i, reward=float(i)) for i in range(2)]
    records += [respond("s", 2, reward=0.5)]
    ids = [pair["prompt_id"] for pair in select(records, method).pairs]
    assert ids == (["p", "q", "r", "s"] if method == "random" else ["p", "q", "r"])
