"""What records add up to: score, spread, format, and the comparison with a baseline (random-audit.md A7, A8)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from divtool.core.audit.comparison import comparison
from divtool.core.audit.record import compare_keys
from divtool.core.audit.score import aggregates
from divtool.core.resampling import sign_flip_p

from .make import audited, bounds, exact, sampled, task


def _row(name: str, family: str, wording: str, tv: float, valid: float = 1.0, **settings: Any) -> dict[str, Any]:
    """A record of two options with this TV and valid mass."""
    return audited(task(2, name, family), exact([0.5 - tv, valid - 0.5 + tv]), wording, **settings)


def test_score_by_hand() -> None:
    rows = [
        _row("coin", "dice", "w1", 0.1),
        _row("coin", "dice", "w2", 0.3),
        _row("die", "dice", "w1", 0.4, 0.8),  # p = .1, .7: TV of the valid answers .375
        _row("digit", "numbers", "w1", 0.5),
        _row("digit", "numbers", "w0", 0.0),
        _row("digit", "numbers", "w1", 0.0, arm="system"),
    ]
    found = aggregates(rows)
    # dice: (.2 + .4)/2 = .3, numbers: .5
    assert found["score"] == pytest.approx(100 * (1 - (0.3 + 0.5) / 2))
    assert found["spread"] == pytest.approx(100 * (1 - ((0.2 + 0.375) / 2 + 0.5) / 2))
    assert found["format"] == pytest.approx(100 * ((1 + 0.8) / 2 + 1) / 2)
    assert found["families"]["dice"] == {
        "score": pytest.approx(70),
        "spread": pytest.approx(100 - 28.75),
        "format": pytest.approx(90),
        "tasks": 2,
    }
    assert found["tasks"]["coin"]["worst_wording"] == {"wording": "w2", "tv": pytest.approx(0.3), "verdict": "fail"}
    assert found["tasks"]["coin"]["tv"] == pytest.approx(0.2)
    # w1: dice (.1 + .4)/2, numbers .5; w2: .3
    assert found["worst_wording"] == {"wording": "w1", "score": pytest.approx(100 * (1 - (0.25 + 0.5) / 2))}
    assert found["habit"]["score"] == pytest.approx(100)
    assert found["habit"]["asking_gains"] == pytest.approx(-50)
    assert (found["n_tasks"], found["n_records"], found["missing"]) == (3, 6, [])
    assert found["verdicts"] == {"pass": 0, "warn": 1, "fail": 3}


def test_a_task_without_a_result_counts_as_the_worst() -> None:
    rows = [_row("coin", "dice", "w1", 0.0), _row("die", "dice", "w0", 0.0)]
    found = aggregates(rows, planned={"coin": "dice", "die": "dice", "digit": "numbers"})
    assert (found["score"], found["format"], found["missing"]) == (25, 25, ["die", "digit"])
    assert found["families"]["numbers"] == {"score": 0, "spread": 0, "format": 0, "tasks": 1}
    assert (found["families"]["dice"]["score"], found["families"]["dice"]["tasks"]) == (50, 2)


def test_perfect_and_silent_models() -> None:
    assert aggregates([audited(task(10), exact(np.full(10, 0.1)))])["score"] == pytest.approx(100)
    silent = aggregates([audited(task(10), exact(np.zeros(10)))])
    assert (silent["score"], silent["spread"], silent["format"]) == (0, 0, 0)
    assert aggregates([])["score"] is None


def test_bounds_count_the_highest_and_samples_the_corrected_tv() -> None:
    low = audited(task(2), bounds([0.4, 0.5], 0.1))
    assert aggregates([low])["score"] == pytest.approx(90)
    drawn = audited(task(100), sampled(task(100), [5] * 90 + [0] * 5 + [10] * 5))
    assert aggregates([drawn])["score"] == pytest.approx(100 * (1 - drawn["tv_corrected"]))
    assert drawn["tv_corrected"] != drawn["tv"]


def test_intervals_over_tasks_and_over_wordings() -> None:
    rng = np.random.default_rng(0)
    tvs = rng.uniform(0, 0.4, (12, 3))
    rows = [_row(f"t{i}", f"f{i % 2}", f"w{j + 1}", tv) for i, tasks in enumerate(tvs) for j, tv in enumerate(tasks)]
    found = aggregates(rows, seed=3)
    assert found["score_ci_low"] < found["score"] < found["score_ci_high"]
    # The standard error of a stratified mean, by its formula.
    means = tvs.mean(axis=1)
    error = 100 * np.sqrt(sum(means[i::2].var() / 6 for i in (0, 1)) / 4)
    assert found["score_ci_high"] - found["score_ci_low"] == pytest.approx(2 * 1.96 * error, rel=0.15)
    one = found["tasks"]["t0"]
    assert tvs[0].min() <= one["tv_ci_low"] <= one["tv"] <= one["tv_ci_high"] <= tvs[0].max()
    assert aggregates(rows, seed=3) == found != aggregates(rows, seed=4)


def test_no_interval_from_too_little() -> None:
    found = aggregates([_row("a", "f", "w1", 0.1), _row("a", "f", "w2", 0.2), _row("b", "g", "w1", 0.3)])
    assert (found["score_ci_low"], found["tasks"]["a"]["tv_ci_low"]) == (None, None)
    assert aggregates([_row("a", "f", "given", 0.1)])["worst_wording"] is None


def _compared(pairs: dict[str, tuple[float, float]], wording: str = "w1") -> list[dict[str, Any]]:
    rows = []
    for name, (now, before) in pairs.items():
        row = _row(name, "f", wording, now)
        rows.append(row | {"compare": compare_keys(row, _row(name, "f", wording, before))})
    return rows


def test_comparison_by_hand() -> None:
    pairs = {"a": (0.0, 0.4), "b": (0.1, 0.3), "c": (0.2, 0.1), "d": (0.3, 0.3)}
    rows = [*_compared(pairs), *_compared({"a": (0.1, 0.3)}, "w2"), *_compared({"a": (0.5, 0.0)}, "w0")]
    found = comparison([*rows, _row("e", "f", "w1", 0.5)])
    deltas = [-0.3, -0.2, 0.1, 0.0]
    assert (found["n_tasks"], found["delta_tv"]) == (4, pytest.approx(np.mean(deltas)))
    assert (found["better"], found["worse"], found["same"]) == (2, 1, 1)
    assert found["p_value"] == sign_flip_p(deltas)
    assert found["delta_tv_ci_low"] < found["delta_tv"] < found["delta_tv_ci_high"]
    assert found["verdicts_changed"] == 4  # a twice, b, c


def test_a_model_against_itself() -> None:
    found = comparison(_compared({"a": (0.2, 0.2), "b": (0.0, 0.0)}))
    assert (found["delta_tv"], found["p_value"], found["same"], found["verdicts_changed"]) == (0, 1, 2, 0)
    assert (found["delta_tv_ci_low"], found["delta_tv_ci_high"]) == (0, 0)
    nothing = comparison([_row("a", "f", "w1", 0.1)])
    assert (nothing["n_tasks"], nothing["delta_tv"], nothing["p_value"]) == (0, None, None)


def test_samples_are_compared_by_the_corrected_tv() -> None:
    made = task(20)
    row, before = (audited(made, sampled(made, counts)) for counts in ([5] * 20, [10] * 10 + [0] * 10))
    found = comparison([row | {"compare": compare_keys(row, before)}])
    assert found["delta_tv"] == row["tv_corrected"] - before["tv_corrected"]
    assert (found["delta_tv_ci_low"], found["p_value"]) == (None, 1)
