from __future__ import annotations

from typing import Any

import pytest

from divtool.core.errors import UsageError
from divtool.core.evaluation.frontier import MATCHED
from divtool.core.evaluation.thresholds import check_quality, check_thresholds, missed, parse_thresholds

KNOWN = {"pool": {"distinct_1": "+", "self_bleu": "-", "words": "0"}, "dat": {"dat": "+"}}


def _row(metric: str = "distinct_1", run: str = "a", **more: Any) -> dict[str, Any]:
    usual = {
        "task": "pool", "metric": metric, "run": run, "role": "detail", "value": 0.5, "ci_low": 0.4, "ci_high": 0.6,
        "n_units": 20, "definition": "how", "delta": 0.1, "delta_ci_low": -0.1, "delta_ci_high": 0.3,
    }  # fmt: skip
    return {**usual, **more}


def _passed(text: str, *rows: dict[str, Any], runs: tuple[str, ...] = ("a",)) -> list[bool]:
    checks = check_thresholds(parse_thresholds([text], KNOWN, compared=True), runs, rows)
    return [check.passed for check in checks]


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ("pool.distinct_1=0.5", True),
        ("pool.distinct_1=0.51", False),
        ("pool.distinct_1.ci_low=0.4", True),
        ("pool.distinct_1.ci_low=0.45", False),
        ("pool.distinct_1.delta=0.05", True),
        ("pool.distinct_1.delta_ci_low=-0.1", True),
        ("pool.distinct_1.delta_ci_low=0", False),
        ("pool.self_bleu=0.5", True),
        ("pool.self_bleu=0.49", False),
        ("pool.self_bleu.ci_high=0.6", True),
        ("pool.self_bleu.ci_high=0.5", False),
        ("pool.self_bleu.delta_ci_high=0.3", True),
        ("pool.self_bleu.delta_ci_high=0.2", False),
    ],
)
def test_a_bound_is_met_on_the_good_side_of_the_direction(text: str, passed: bool) -> None:
    assert _passed(text, _row(), _row("self_bleu")) == [passed]


def test_a_name_may_hold_a_dot() -> None:
    known = {"pool": {"vendi_q0.5": "+", "distinct_1": "+"}}
    texts = ["pool.vendi_q0.5=1", "pool.vendi_q0.5.delta_ci_low=-1"]
    found = parse_thresholds(texts, known, compared=True)
    assert [(bound.metric, bound.field) for bound in found] == [("vendi_q0.5", "value"), ("vendi_q0.5", "delta_ci_low")]
    with pytest.raises(UsageError, match=r"did you mean 'vendi_q0\.5'"):
        parse_thresholds(["pool.vendi_q0.6=1"], known, compared=True)


def test_null_and_unmeasured_and_few_units_are_missed() -> None:
    assert _passed("pool.distinct_1=0", _row(value=None)) == [False]
    assert _passed("pool.distinct_1=0") == [False]
    few = _row(n_units=5, ci_low=None, ci_high=None, delta_ci_low=None, delta_ci_high=None)
    assert _passed("pool.distinct_1=0.5", few) == [True]
    assert _passed("pool.distinct_1.ci_low=0", few) == [False]
    assert _passed("pool.distinct_1.delta=0", few) == [False]


def test_every_run_but_the_baseline_must_pass() -> None:
    own = _row(run="base", value=0.1)
    del own["delta"]
    ceiling = _row(run="a", value=0.9, role="reference")
    rows = (_row(run="a"), _row(run="b", value=0.4), own, ceiling)
    assert _passed("pool.distinct_1=0.45", *rows, runs=("a", "b")) == [True, False]
    checks = check_thresholds(parse_thresholds(["pool.distinct_1=0.45"], KNOWN, compared=True), ["a", "b"], rows)
    assert missed(checks) == "1 missed: pool.distinct_1 of b: 0.4 [0.4, 0.6], asked for >= 0.45"
    assert missed(checks[:1]) == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pol.distinct_1=1", r"unknown task of this call 'pol': did you mean 'pool'\? known: pool, dat"),
        ("pool.distinct1=1", r"unknown metric of task pool 'distinct1': did you mean 'distinct_1'\?"),
        ("pool.distinct_1.low=1", r"unknown field of distinct_1 \(direction \+\) 'low'.* value, ci_low, delta"),
        ("pool.self_bleu.ci_low=1", "lower is better for self_bleu, so set the bound on ci_high"),
        ("pool.distinct_1.delta_ci_high=1", "higher is better for distinct_1, so set the bound on delta_ci_low"),
        ("pool.words=50", "no better direction"),
        ("pool.distinct_1=much", "'much' is no number"),
        ("pool.distinct_1=nan", "'nan' is no number"),
        ("pool.distinct_1", "give TASK.METRIC=VALUE"),
        ("distinct_1=1", "give TASK.METRIC=VALUE"),
    ],
)
def test_wrong_bounds_are_said(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_thresholds([text], KNOWN, compared=True)


def test_differences_need_a_baseline() -> None:
    with pytest.raises(UsageError, match="needs a --baseline"):
        parse_thresholds(["pool.distinct_1.delta=0"], KNOWN, compared=False)


@pytest.mark.parametrize(
    ("verdict", "passed"),
    [("not worse", True), ("equivalent", True), ("worse", False), ("undecided", False), (None, False)],
)
def test_quality_must_be_shown_where_it_is_required(verdict: str | None, passed: bool) -> None:
    row = _row("usable_rate", role="quality", verdict=verdict, margin=0.05)
    assert [check.passed for check in check_quality([row], required=True)] == [passed]
    assert [check.passed for check in check_quality([row], required=False)] == [True]
    assert "delta 0.1 [-0.1, 0.3], margin 0.05" in check_quality([row], required=True)[0].finding


def test_a_bound_on_diversity_at_matched_quality() -> None:
    known = {"story": {"semantic_distance": "+", MATCHED: "+"}}
    row = _row(MATCHED, task="story", role="matched", ci_low=-0.02)
    del row["delta"], row["delta_ci_low"], row["delta_ci_high"]
    rows = [_row("semantic_distance", task="story", role="headline"), row]
    for text, passed in ((f"story.{MATCHED}=0.1", True), (f"story.{MATCHED}.ci_low=0", False)):
        (check,) = check_thresholds(parse_thresholds([text], known, compared=True), ["a"], rows)
        assert check.passed == passed
    with pytest.raises(UsageError, match="is a difference itself"):
        parse_thresholds([f"story.{MATCHED}.delta=0"], known, compared=True)
