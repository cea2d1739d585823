"""What a file's weights look like."""

from __future__ import annotations

from typing import Any

import pytest

from divtool.core.selection.weight_notes import weight_notes
from divtool.core.selection.weight_table import WeightTable


def table(make_pairs: Any, weights: list[float], lengths: list[int], prompts: list[str], **more: Any) -> WeightTable:
    made = WeightTable(str.split)
    for weight, length, prompt, pair in zip(weights, lengths, prompts, make_pairs(len(weights)), strict=True):
        chosen = [{"role": "assistant", "content": "word " * length}]
        pair["rejected"] = [{"role": "assistant", "content": "word " * 4}]
        keys = {"weight": weight, "chosen": chosen, "prompt_id": prompt, "chosen_scores": {"reward": -length}}
        made.add(pair | keys | more)
    return made


def test_spread_and_effective_share(make_pairs: Any) -> None:
    found = table(make_pairs, [0, 0, 1, 3], [5, 5, 6, 7], list("aabb"), min_weight=0.0).figures()
    assert (found["pairs"], found["mean"], found["min"], found["max"]) == (4, 1.0, 0.0, 3.0)
    assert found["sd"] == pytest.approx(2**0.5)
    assert (found["share_at_zero"], found["share_at_floor"]) == (0.5, 0.5)
    assert found["effective_share"] == pytest.approx(16 / (4 * 10))
    assert [pair["weight"] for pair in found["heaviest"]] == [3.0, 1.0, 0.0, 0.0]


def test_what_weights_follow_over_all_and_inside_prompts(make_pairs: Any) -> None:
    """Inside each prompt the weight falls with length; over all it rises."""
    weights = [0.3, 0.2, 0.1, 2.3, 2.2, 2.1]
    found = table(make_pairs, weights, [1, 2, 3, 11, 12, 13], list("aaabbb")).figures()["spearman"]
    assert found["winner words"]["within"] == pytest.approx(-1.0)
    assert found["winner words"]["overall"] == pytest.approx(19 / 35)
    assert found["length difference"] == found["winner words"]
    assert found["reward"]["overall"] == pytest.approx(-19 / 35)


def test_warnings(make_pairs: Any) -> None:
    follows = table(make_pairs, [1.0, 2.0, 3.0], [1, 2, 3], list("aaa")).figures()
    assert [line.split(" (")[0] for line in weight_notes(follows)] == [
        "the weight follows winner words",
        "the weight follows length difference",
    ]
    nothing = table(make_pairs, [0.0, 0.0, 0.0], [1, 2, 3], list("aaa")).figures()
    assert list(weight_notes(nothing)) == ["all weights are 0: nothing to learn; set --min-weight"]
    assert nothing["effective_share"] == 0.0
