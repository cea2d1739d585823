"""Near-equal reward, and more that the others do not say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from divtool.core.errors import UsageError
from divtool.core.selection.marginal import marginal_values, near_equal_pairs
from divtool.core.selection.options import MarginalOptions


def test_values() -> None:
    found = marginal_values(np.array([[1.0, 0], [1, 0], [0, 1]]))
    assert found == pytest.approx([-3.9169858, -3.9169858, 0.0099503], abs=1e-6)


def test_pairs_by_hand() -> None:
    rewards, values = np.array([1, 0.9, 0.5, 0.45, 0.0]), np.array([0.0, -2, -1, -3, -0.5])
    # The median is .5: the chosen is 0, 1 or 2; the rewards lie within .2 of each other.
    assert near_equal_pairs(rewards, values, 0.2, 0.05) == [(0, 1), (2, 3)]
    assert near_equal_pairs(rewards, values, 0.2, 2.5) == []
    assert near_equal_pairs(np.ones(3), np.array([0.0, -1, -2]), 0.2, 0.05) == [(0, 2), (0, 1), (1, 2)]


@pytest.mark.usefixtures("circle")
def test_a_run(choose: Any, respond: Any) -> None:
    """Two texts alike and one apart, with near-equal rewards, beside one that is worse."""
    records = [
        respond("p", i, text=f"word{i} {angle}", scores={"reward": r})
        for i, (angle, r) in enumerate([(0, 0.9), (1, 1.0), (80, 0.95), (60, 0.0)])
    ]
    out = choose(records, "marginal")
    (pair,) = out.records
    assert pair["chosen_sample_index"] == 2
    assert pair["rejected_sample_index"] in (0, 1)
    assert pair["gaps"].keys() == {"marginal"}
    assert pair["weight"] == 1.0
    tied = [record | {"scores": {"reward": 1.0}} for record in records[:3]]
    assert choose(tied, "marginal").records[0]["chosen_sample_index"] == 2
    assert choose(records, "marginal", min_margin=50.0).dropped["no rise at near-equal reward"] == 1


@pytest.mark.usefixtures("circle")
def test_a_response_without_a_reward_still_says_what_it_says(choose: Any, respond: Any) -> None:
    """80 degrees would be chosen, but a text of null reward repeats it; that one is in no pair itself."""
    records = [
        respond("p", i, text=f"word{i} {angle}", scores={"reward": r})
        for i, (angle, r) in enumerate([(0, 1.0), (40, 1.0), (80, 1.0), (80, None), (81, None)])
    ]
    (pair,) = choose(records, "marginal").records
    assert (pair["chosen_sample_index"], pair["rejected_sample_index"]) == (0, 2)


@pytest.mark.usefixtures("circle")
def test_large_pools_are_sampled_by_the_seed(choose: Any, respond: Any) -> None:
    records = [respond("p", i, text=f"word{i} {i / 10}", scores={"reward": i % 7}) for i in range(300)]
    options = {"pairs": 3, "min_margin": 1e-6}
    first = choose(records, "marginal", **options).records
    assert len(first) == 3
    assert choose(records, "marginal", **options).records == first
    assert choose(records, "marginal", seed=1, **options).records != first


@pytest.mark.parametrize("options", [{"quality_gap": -0.1}, {"min_margin": float("nan")}, {"combine": "add"}])
def test_wrong_values(options: Any) -> None:
    with pytest.raises(UsageError, match=r"--quality-gap|--min-margin|--weights deviation"):
        MarginalOptions(**options)
