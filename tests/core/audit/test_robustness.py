from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from divtool.core.audit.choice import Choice
from divtool.core.audit.robustness import mean_js_bits, robustness_summary

from .make import audited, exact, task


def test_mean_divergence_by_hand() -> None:
    assert mean_js_bits(np.array([[1.0, 0.0], [0.0, 1.0]])) == pytest.approx(1)
    assert mean_js_bits(np.array([[0.5, 0.5]] * 3)) == pytest.approx(0, abs=1e-12)
    # Of three pairs two are of opposite laws.
    assert mean_js_bits(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])) == pytest.approx(2 / 3)


def _rows(laws: dict[tuple[str, str], list[float]]) -> list[dict[str, Any]]:
    return [audited(task(2), exact(law), wording, arm=arm) for (wording, arm), law in laws.items()]


def test_one_task_over_its_ways_of_asking() -> None:
    rows = _rows(
        {("w1", ""): [0.9, 0.1], ("w2", ""): [0.5, 0.5], ("w0", ""): [0.0, 1.0], ("w1", "order-10"): [0.0, 1.0]}
    )
    (found,) = robustness_summary(rows)
    assert (found["ways"], found["depth"]) == (2, None)
    assert found["worst"] == {"wording": "w1", "arm": "", "format": "bare", "tv": pytest.approx(0.4)}
    assert found["entropy_high_bits"] == pytest.approx(1)
    assert found["entropy_low_bits"] == pytest.approx(0.469, abs=1e-3)
    assert robustness_summary(rows[:1]) == []


def test_a_favourite_in_any_scenario_is_deep() -> None:
    laws = {("w1", ""): [0.8, 0.2], ("w1", "scenario-game"): [0.4, 0.1], ("w1", "scenario-raffle"): [0.6, 0.4]}
    (found,) = robustness_summary(_rows(laws))
    assert found["depth"] == {
        "direct": pytest.approx(0.8), "reframed": pytest.approx(0.7), "product": pytest.approx(0.56),
        "biased": True, "deep": True,
    }  # fmt: skip


def test_scenarios_are_put_around_the_prompt() -> None:
    asked = Choice(tasks=["coin"], arms=["scenarios"]).prompts()
    plain, arms = [p for p in asked if not p.arm], [p for p in asked if p.arm]
    assert (len(plain), len(arms), len({p.key for p in asked})) == (5, 25, 30)
    assert all(p.chat[0][1].endswith(plain[i % 5].chat[0][1]) and not p.scored for i, p in enumerate(arms))
    assert len({p.chat[0][1] for p in arms}) == 25
