from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from divtool.core.audit.numeric import law_names, law_prompts, law_task

TASKS = {name: law_task(name) for name in law_names()}


def test_whole_numbers_are_the_values() -> None:
    texts = [option.text for option in TASKS["law-binomial"].options]
    law = stats.binom.pmf([int(text) for text in texts], 10, 0.2)
    assert texts[0] == "0"
    assert [option.target for option in TASKS["law-binomial"].options] == pytest.approx(law / law.sum(), abs=1e-9)
    assert [len(TASKS[name].options) for name in ("law-normal", "law-geometric")] == [113, 26]
    (prompt,) = law_prompts(TASKS["law-poisson"], "json")
    assert (prompt.format, prompt.terminal) == ("json", "eos")
    assert "JSON" in prompt.chat[0][1]


def test_decimals_are_bins() -> None:
    unit = {option.text: option.target for option in TASKS["law-unit"].options}
    assert list(unit) == [f"0.{digit}" for digit in range(10)] + ["1.0"]
    # A value stands for what rounds to it, so the ends are half bins.
    assert list(unit.values()) == pytest.approx([0.095, *[0.1] * 9, 0.005], abs=2e-4)
    normal = {option.text: option.target for option in TASKS["law-standard-normal"].options}
    assert normal["-1.2"] == pytest.approx(stats.norm.cdf(-1.195) - stats.norm.cdf(-1.295), rel=1e-3)
    assert normal["-0.0"] == pytest.approx(normal["0.0"] - stats.norm.pdf(0) * 0.01, rel=1e-2)
    (prompt,) = law_prompts(TASKS["law-unit"], "json")
    assert (prompt.format, prompt.terminal) == ("bare", "none")


def test_every_law_is_in_order_and_sums_to_one() -> None:
    assert len(TASKS) == 7
    for task in TASKS.values():
        values = [float(option.text) for option in task.options]
        assert np.diff(values).min() >= 0
        assert sum(option.target for option in task.options) == pytest.approx(1)
        assert task.ordinal
