from __future__ import annotations

from math import exp
from typing import Any

import pytest

from divtool.core.audit.listed import STATED, weighted_prompts, weighted_tasks
from divtool.core.audit.weighted import calibration, weighted_summary

CHANCES = [float(chance) for chance in STATED]


def record(stated: float, p: tuple[float, float], wording: str = "urn") -> dict[str, Any]:
    options = [{"text": "A", "target": stated, "p": p[0]}, {"text": "B", "target": 1 - stated, "p": p[1]}]
    return {"model": "m", "task": f"weighted-ab/{stated:g}", "wording": wording, "format": "bare", "options": options}


def test_faithful_and_half_hearted() -> None:
    same = calibration(CHANCES, CHANCES)
    assert [same[key] for key in ("mean_absolute_error", "slope", "intercept")] == pytest.approx([0, 1, 0], abs=1e-12)

    def squeezed(p: float) -> float:
        odds = (p / (1 - p)) ** 0.5 * exp(0.3)
        return odds / (1 + odds)

    found = calibration(CHANCES, [squeezed(p) for p in CHANCES])
    assert found["slope"] == pytest.approx(0.5)
    assert found["intercept"] == pytest.approx(0.3)
    assert found["mean_absolute_error"] == pytest.approx(sum(abs(squeezed(p) - p) for p in CHANCES) / 11)


def test_chances_that_have_no_logit() -> None:
    found = calibration([0.1, 0.5], [0.0, 0.5])
    assert found == {"mean_absolute_error": pytest.approx(0.05), "slope": None, "intercept": None}
    assert calibration([], []) == {"mean_absolute_error": None, "slope": None, "intercept": None}


def test_curve_of_records() -> None:
    rows = [
        record(0.7, (0.06, 0.02)),
        record(0.1, (0.2, 0.2)),
        record(0.1, (0.0, 0.4)),
        record(0.5, (0.0, 0.0)),
        record(0.1, (0.1, 0.9), "odds"),
        {**record(0.5, (0.5, 0.5)), "task": "loaded-die"},
    ]
    urn, odds = weighted_summary(rows)
    assert urn["curve"] == [
        {"stated": 0.1, "p": pytest.approx(0.25)},
        {"stated": 0.5, "p": None},
        {"stated": 0.7, "p": pytest.approx(0.75)},
    ]
    assert urn["mean_absolute_error"] == pytest.approx(0.1)
    assert urn["slope"] is not None
    assert (odds["wording"], odds["slope"], odds["model"]) == ("odds", None, "m")


def test_tasks_and_prompts() -> None:
    tasks = {task.id: task for task in weighted_tasks()}
    assert len(tasks) == 13
    assert all(sum(option.target for option in task.options) == pytest.approx(1) for task in tasks.values())
    prompts = weighted_prompts(tasks["weighted-ab/0.05"])
    texts = {(prompt.wording, prompt.arm): prompt.chat[0][1] for prompt in prompts}
    assert len(texts) == len(set(texts.values())) == 8
    assert "A with 5%, B with 95%" in texts["percent", "order-01"]
    assert "B with 95%, A with 5%" in texts["percent", "order-10"]
    assert "A or B. The odds are 1 to 19" in texts["odds", "order-01"]
    assert "B or A. The odds are 19 to 1" in texts["odds", "order-10"]
    assert "5 with the mark A, 95 with the mark B" in texts["urn", "order-01"]
    assert "95 of kind B, 5 of kind A" in texts["implied", "order-10"]
    assert [len(weighted_prompts(tasks[name])) for name in ("weighted-abc", "loaded-die")] == [24, 2]
    assert "6 with 50%" in weighted_prompts(tasks["loaded-die"])[0].chat[0][1]
    assert all("{" not in prompt.chat[0][1] for task in tasks.values() for prompt in weighted_prompts(task))
