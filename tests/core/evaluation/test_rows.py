"""Measure records of made columns."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import stdev
from typing import Any

import numpy as np
import pytest

from divtool.core.evaluation.columns import Column
from divtool.core.evaluation.rows import MARGINS, Side, adjusted, rows
from divtool.core.evaluation.runs import Run
from divtool.core.evaluation.statistics import compare, estimate

Values = Sequence[float | None]


def _column(metric: str, values: Values, **keys: Any) -> Column:
    units = {f"p{i:03d}": value for i, value in enumerate(values)}
    return Column(**{"metric": metric, "units": units, "direction": "+", "definition": metric, **keys})


def _side(name: str, *columns: Column, samples: int = 4) -> Side:
    prompts = max(len(column.units) for column in columns)
    responses: dict[str, list[Any]] = {
        f"p{p:03d}": [{"response": "a word", "sample_index": i} for i in range(samples)] for p in range(prompts)
    }
    return Side(Run(name, name, responses), columns, f"{prompts} prompts", 60.0)


def _against(run: Values, baseline: Values, metric: str = "m", margins: Any = None, **keys: Any) -> dict[str, Any]:
    two = _side("run", _column(metric, run, **keys)), _side("base", _column(metric, baseline, **keys))
    return rows("pool", [two], seed=0, margins=margins)[0]


def _normal(n: int, seed: int, mean: float = 0.5, sd: float = 0.1) -> list[float]:
    values: list[float] = np.random.default_rng(seed).normal(mean, sd, size=n).tolist()
    return values


def test_table_holds_what_each_column_gives_alone() -> None:
    a, b, base, other = (_normal(30, seed) for seed in range(4))
    holes: list[float | None] = [None, None, *b[2:]]
    one = _side("one", _column("x", a), _column("y", holes))
    two, three = _side("two", _column("x", b), _column("y", a)), _side("base", _column("x", base), _column("y", other))
    found = rows("pool", [(one, three), (three, None), (two, three)], seed=5)
    assert [(row["run"], row["metric"]) for row in found] == [
        (name, metric) for name in ("one", "base", "two") for metric in ("x", "y")
    ]
    pairs = {0: (a, base), 1: (holes, other), 4: (b, base), 5: (a, other)}
    for place, (values, against) in pairs.items():
        alone, row = compare(values, against, seed=5, task="pool"), found[place]
        assert [row[key] for key in ("value", "ci_low", "ci_high", "n_units", "delta", "delta_ci_low", "p_value")] == [
            alone.value, alone.ci_low, alone.ci_high, alone.n_units, alone.delta, alone.delta_ci_low, alone.p_value,
        ]  # fmt: skip
    alone_base = estimate(base, seed=5, task="pool")
    assert (found[2]["value"], found[2]["ci_low"], found[2]["ci_high"]) == (
        alone_base.value, alone_base.ci_low, alone_base.ci_high,
    )  # fmt: skip
    assert "delta" not in found[2]


def test_units_meet_by_prompt_whatever_their_order() -> None:
    values, base = _normal(12, 0), _normal(12, 1)
    one, turned = _column("m", values), _column("m", values)
    turned.units.clear()
    turned.units.update(reversed(one.units.items()))
    other = _side("base", _column("m", base))
    assert rows("pool", [(_side("run", one), other)], seed=0) == rows("pool", [(_side("run", turned), other)], seed=0)


def test_fewer_than_six_prompts_give_values_alone() -> None:
    row = _against([0.5] * 5, [0.4] * 5, "usable_rate", role="quality")
    assert (row["value"], row["baseline_value"], row["n_units"]) == (0.5, 0.4, 5)
    assert row["delta"] == pytest.approx(0.1)
    for key in ("ci_low", "ci_high", "delta_ci_low", "delta_ci_high", "p_value", "detectable_delta", "verdict"):
        assert row[key] is None
    assert row["note"] == "too few units: 5 of 6"


def test_few_prompts_are_noted_up_to_nineteen() -> None:
    assert _against(_normal(19, 0), _normal(19, 1))["note"] == "few units"
    assert _against(_normal(20, 0), _normal(20, 1))["note"] == ""


@pytest.mark.parametrize("paired", [False, True])
def test_sets_of_one_response_are_null(paired: bool) -> None:
    def side(name: str) -> Side:
        columns = _column("distinct_1", [0.5] * 8, level="set", role="headline"), _column("ttr", [0.7] * 8)
        return _side(name, *columns, samples=1)

    of_set, of_each = adjusted(rows("pool", [(side("run"), side("base") if paired else None)], seed=0))
    assert (of_set["value"], of_set["ci_low"], of_set["n_units"], of_set["note"]) == (None, None, 0, "k = 1")
    assert (of_each["value"], of_each["note"]) == (0.7, "few units")
    if paired:
        assert [of_set[key] for key in ("baseline_value", "delta", "p_value", "p_adjusted", "verdict")] == [None] * 5


def test_nothing_usable_has_a_rate_and_no_verdict_on_diversity() -> None:
    def side(name: str, rate: float, diversity: Values) -> Side:
        quality = _column("usable_rate", [rate] * 8, role="quality")
        return _side(name, quality, _column("vendi", diversity, level="set", role="headline"))

    sides = side("run", 0.0, [None] * 8), side("base", 0.9, _normal(8, 0))
    rate, diversity = adjusted(rows("pool", [sides], seed=0))
    assert (rate["value"], rate["ci_low"], rate["ci_high"], rate["verdict"]) == (0.0, 0.0, 0.0, "worse")
    for key in ("value", "baseline_value", "delta", "p_value", "p_adjusted", "verdict"):
        assert diversity[key] is None
    assert "too few units: 0 of 6; 8 undefined left out; unreliable: null on 100.0% of prompts" in diversity["note"]


def _shifted(by: float, noise: float) -> tuple[list[float], list[float]]:
    """A run whose mean is that of its baseline and `by`, exactly; the differences have this sd."""
    base, extra = np.array(_normal(40, 0)), np.array(_normal(40, 1))
    extra = (extra - extra.mean()) / extra.std(ddof=1)
    return (base + by + noise * extra).tolist(), base.tolist()


@pytest.mark.parametrize(
    ("in_margins", "noise", "verdict"),
    [(-0.5, 0.02, "not worse"), (-2, 0.02, "worse"), (-0.5, 3, "undecided"), (0, 0.02, "equivalent")],
)
@pytest.mark.parametrize(
    ("metric", "direction", "role"),
    [("usable_rate", "+", "quality"), ("judge", "+", "quality"), ("nll", "-", "guard"), ("mc", "+", "guard")],
)
def test_quality_verdicts(
    metric: str, direction: str, role: str, in_margins: float, noise: float, verdict: str
) -> None:
    margin = MARGINS[metric] or 0.0
    run, base = _shifted((-1 if direction == "-" else 1) * in_margins * margin, noise * margin)
    row = _against(run, base, metric, direction=direction, role=role)
    assert (row["margin"], row["verdict"]) == (margin, verdict)


def test_win_rate_stands_against_one_half() -> None:
    wins = np.random.default_rng(0).choice([0.0, 0.5, 1.0], p=[0.01, 0.98, 0.01], size=400).tolist()
    row = _against(wins, [0.5] * 400, "win_rate", role="quality")
    assert (row["margin"], row["baseline_value"], row["verdict"]) == (0.05, 0.5, "equivalent")
    assert _against([0.4] * 20, [0.5] * 20, "win_rate", role="quality")["verdict"] == "worse"


def test_margin_of_the_user_comes_first() -> None:
    run, base = _shifted(-0.08, 0.01)
    assert _against(run, base, "usable_rate", role="quality")["verdict"] == "worse"
    row = _against(run, base, "usable_rate", {"usable_rate": 0.2, "judge": 1.0}, role="quality")
    assert (row["margin"], row["verdict"]) == (0.2, "not worse")


def test_margin_of_a_reward_is_a_fifth_of_the_baselines_spread() -> None:
    run, base = _shifted(0.0, 0.001)
    row = _against(run, base, "reward", direction="0", role="quality")
    assert row["margin"] == pytest.approx(0.2 * stdev(base))
    assert row["verdict"] == "equivalent"
    assert _against(run, base, "reward", {"reward": 0.5}, role="quality")["margin"] == 0.5


def test_reward_without_spread_has_no_margin() -> None:
    row = _against(_normal(10, 0), [1.0] * 10, "reward", role="quality")
    assert (row["margin"], row["verdict"]) == (None, None)


def test_margins_are_for_quality_alone() -> None:
    assert "margin" not in _against(_normal(10, 0), _normal(10, 1), "vendi", role="headline")
    assert "margin" not in rows("pool", [(_side("run", _column("usable_rate", [1.0] * 9)), None)], seed=0)[0]


def _headlines(*p_values: float | None) -> list[dict[str, Any]]:
    return [{"role": "headline", "p_value": p, "delta": 0.1, "direction": "-"} for p in p_values]


def test_headline_rows_of_all_tasks_and_runs_are_one_family() -> None:
    detail, alone = {"role": "detail", "p_value": 0.001}, {"role": "headline", "value": 1.0}
    found = adjusted([*_headlines(0.04, 0.01), detail, *_headlines(None, 0.03, 0.02), alone])
    assert [row.get("p_adjusted") for row in found] == [0.06, 0.04, None, None, 0.06, 0.06, None]
    assert [row.get("verdict") for row in found] == [
        "not shown", "less", None, None, "not shown", "not shown", None,
    ]  # fmt: skip
    assert [row.get("family_size") for row in found] == [5, 5, None, 5, 5, 5, None]
    assert "p_adjusted" not in detail


def test_benjamini_hochberg_by_name() -> None:
    found = adjusted(_headlines(0.04, 0.01, None, 0.03, 0.02), "bh")
    assert [row["p_adjusted"] for row in found if row["p_adjusted"] is not None] == pytest.approx([0.04] * 4)
    assert {row["verdict"] for row in found} == {"less", None}
