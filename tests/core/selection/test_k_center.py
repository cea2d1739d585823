"""Farthest first."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from divtool.core.errors import DivtoolError, UsageError
from divtool.core.selection.k_center import farthest_first, nearest_to_mean
from divtool.core.selection.k_center_run import KCenterOptions

LINE = np.array([[0.0], [1], [2], [10], [11]])


def test_vectors_on_a_line() -> None:
    assert [place for place, _ in farthest_first(LINE, 3, [0])] == [0, 4, 2]
    start = nearest_to_mean(LINE)
    assert farthest_first(LINE, 3, [start]) == [(2, None), (4, 9.0), (0, 2.0)]


def test_never_worse_than_twice_the_best() -> None:
    draw = np.random.default_rng(0)
    for _ in range(50):
        points, k = draw.normal(size=(8, 3)), int(draw.integers(2, 5))

        def radius(centres: Any, points: Any = points) -> float:
            far = np.linalg.norm(points[:, None] - points[None, list(centres)], axis=2)
            return float(far.min(axis=1).max())

        picked = [place for place, _ in farthest_first(points, k, [nearest_to_mean(points)])]
        assert radius(picked) <= 2 * min(radius(c) for c in combinations(range(8), k)) + 1e-9


def test_repeats_end_it_early() -> None:
    points = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    picked = [place for place, _ in farthest_first(points, 9, [0])]
    assert picked == [0, 4, 8]


@pytest.mark.usefixtures("circle")
def test_by_prompt_records_stay_as_they_were(choose: Any, respond: Any) -> None:
    records = [respond("p", i, text=f"word {angle}", mine=i) for i, angle in enumerate((0, 10, 20, 100, 110))]
    records += [respond("q", 0, text="word 5"), respond("q", 1, text="  ")]
    out = choose(records, "k-center", k=3)
    assert [(r["prompt_id"], r["sample_index"], r["kcenter_rank"]) for r in out.records] == [
        ("p", 0, 2), ("p", 2, 0), ("p", 4, 1), ("q", 0, 0)
    ]  # fmt: skip
    for record in out.records:
        bare = {key: value for key, value in record.items() if not key.startswith("kcenter_")}
        assert bare in records
    assert out.records[1]["kcenter_distance"] is None
    assert out.records[2]["kcenter_distance"] == pytest.approx(2 * np.sin(np.deg2rad(45)))
    assert out.dropped["no content, or too long for the model"] == 1
    assert any("1 prompts have fewer than 3" in note for note in out.selected.notes)


@pytest.mark.usefixtures("circle")
def test_over_the_whole_input(choose: Any, respond: Any) -> None:
    records = [respond(f"p{i}", 0, text=f"word {angle}") for i, angle in enumerate((0, 10, 20, 100, 110))]
    out = choose(records, "k-center", k=3, scope="global")
    assert [r["prompt_id"] for r in out.records] == ["p0", "p2", "p4"]
    seeded = choose(records, "k-center", k=3, scope="global", init=2)
    assert [r["kcenter_distance"] for r in seeded.records].count(None) == 2
    assert choose(records, "k-center", k=9, scope="global").records[-1]["prompt_id"] == "p4"
    with pytest.raises(DivtoolError, match="no response has content"):
        choose([respond("p", 0, text="  ")], "k-center", k=1, scope="global")


def test_mean_hidden_states(choose: Any, respond: Any, tiny_model: str) -> None:
    from divtool.core.metrics.supplies import chat_and_text
    from divtool.core.models.hidden import mean_states
    from divtool.core.models.language import load

    texts = ("the river", "the river", "it was cold and quiet", "")
    records = [respond("p", i) | {"response": text} for i, text in enumerate(texts)]
    lm = load(tiny_model)
    items = [chat_and_text(record) for record in records]
    found = mean_states(lm, items)
    alone = np.concatenate([mean_states(lm, [item]) for item in items])
    assert found == pytest.approx(alone, abs=1e-5)
    assert not found[3].any()
    out = choose(records, "k-center", k=3, space="model", model=tiny_model)
    assert len(out.records) == 2
    assert {r["sample_index"] for r in out.records} & {0, 1}


@pytest.mark.parametrize("options", [{}, {"k": 0}, {"k": 3, "init": 2}, {"k": 3, "init": 4, "scope": "global"}])
def test_wrong_values(options: Any) -> None:
    with pytest.raises(UsageError, match=r"-k|--init"):
        KCenterOptions(**options)
