"""Pass, warn or fail, and the record that says so (random-audit.md A7; contract.md, audit)."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from divtool.core.audit.reading import Reading
from divtool.core.audit.record import compare_keys, plain, record
from divtool.core.audit.task import AuditPrompt, Limits
from divtool.core.audit.verdict import verdict

from .make import audited, bounds, exact, prompt, sampled, task


def _two(tv: float, valid: float = 1.0) -> list[float]:
    """A law over two even options with these figures; all that is missing or too much lies on the second."""
    return [0.5 - tv, valid - 0.5 + tv]


@pytest.mark.parametrize(
    ("tv", "valid", "found"),
    [
        (0.05, 1.0, "pass"),
        (0.0501, 1.0, "warn"),
        (0.15, 1.0, "warn"),
        (0.1501, 1.0, "fail"),
        (0.05, 0.99, "pass"),
        (0.05, 0.9899, "warn"),
    ],
)
def test_exact_edges(tv: float, valid: float, found: str) -> None:
    assert verdict(exact(_two(tv, valid)), task(2)) == {"verdict": found}


@pytest.mark.parametrize("size", [3, 7, 10, 118])
def test_edges_are_not_missed_by_rounding(size: int) -> None:
    for tv, edge in ((0.05, "pass"), (0.15, "warn")):
        p = np.full(size, 1 / size)
        p[1:] += tv / (size - 1)
        p[0] -= tv
        p = np.maximum(p, 0)
        if p[0] > 0:
            assert verdict(exact(p), task(size))["verdict"] == edge


@pytest.mark.parametrize(
    ("low", "unexplored", "found"),
    [
        ([0.496, 0.496], 0.008, "pass"),
        ([0.494, 0.494], 0.012, "warn"),
        ([0.45, 0.54], 0.01, "pass"),
        ([0.44, 0.55], 0.01, "warn"),
        ([0.345, 0.5], 0.009, "warn"),  # TV in [.146, .155]
        ([0.33, 0.5], 0.01, "fail"),
        ([0.0, 0.0], 1.0, "warn"),
    ],
)
def test_bounds_pass_by_the_worst_and_fail_by_the_best(low: list[float], unexplored: float, found: str) -> None:
    assert verdict(bounds(low, unexplored), task(2)) == {"verdict": found}


def test_a_sample_passes_warns_or_fails() -> None:
    assert verdict(sampled(task(2), [1000, 1000]), task(2)) == {"verdict": "pass", "underpowered": False}
    assert verdict(sampled(task(2), [990, 990], invalid=20), task(2))["verdict"] == "pass"  # Wilson's end is .985
    assert verdict(sampled(task(2), [1000, 970], invalid=30), task(2))["verdict"] == "warn"
    assert verdict(sampled(task(2), [900, 1100]), task(2))["verdict"] == "warn"
    assert verdict(sampled(task(2), [400, 1600]), task(2)) == {"verdict": "fail", "underpowered": False}


def test_a_small_sample_does_not_pass() -> None:
    weak = verdict(sampled(task(100), [5] * 100), task(100))
    assert weak == {"verdict": "warn", "underpowered": True, "n_needed": 26359}
    assert verdict(sampled(task(10), [10] * 10), task(10))["n_needed"] == 2403
    assert verdict(sampled(task(10), [100, *[0] * 9]), task(10))["verdict"] == "fail"
    wide = task(2, limits=Limits(pass_tv=0.5, pass_valid=0.5, warn_tv=0.9))
    assert verdict(sampled(wide, [14, 14]), wide) == {"verdict": "warn", "underpowered": False}
    assert verdict(sampled(wide, [15, 15]), wide)["verdict"] == "pass"


def test_a_small_perfect_sample_does_not_fail() -> None:
    made, rng = task(100), np.random.default_rng(0)
    readings = [sampled(made, rng.multinomial(100, np.full(100, 0.01))) for _ in range(5)]
    assert max(reading.extras["tv_ci_low"] for reading in readings) > 0.15
    assert {verdict(reading, made)["verdict"] for reading in readings} == {"warn"}


def test_limits_of_the_task() -> None:
    strict = task(2, limits=Limits(pass_tv=0.01, pass_valid=0.999, warn_tv=0.02))
    assert [verdict(exact(_two(tv)), strict)["verdict"] for tv in (0.01, 0.02, 0.03)] == ["pass", "warn", "fail"]
    assert verdict(exact(_two(0.01, 0.998)), strict)["verdict"] == "warn"


CONTRACT = """task prompt mode options valid_mass tv js_bits kl_bits entropy_bits normalized_entropy effective_options
    top_option over_representation verdict"""


def test_a_record_has_what_the_contract_names() -> None:
    made = task(10, ordinal=True)
    row = record(prompt(made), exact(np.full(10, 0.1)), "model", seed=1, params={"n": 3})
    assert set(CONTRACT.split()) <= set(row)
    assert row["options"][0] == {"text": "1", "target": 0.1, "p": 0.1}
    assert (row["prompt"], row["seed"], row["params"]) == ("A number, please.", 1, {"n": 3})
    assert (row["verdict"], row["ordinal"], row["limits"]["pass_tv"]) == ("pass", True, 0.05)
    turns = AuditPrompt(task=made, wording="w1", chat=(("system", "s"), ("user", "u")), prefill="It is ")
    many = record(turns, exact(np.full(10, 0.1)), "model")
    assert (many["prefill"], many["prompt"][0]) == ("It is ", {"role": "system", "content": "s"})


def test_bounds_stand_in_the_record() -> None:
    row = audited(task(2), bounds([0.3, 0.5], 0.1))
    assert row["options"][1] == {"text": "2", "target": 0.5, "p": 0.5, "p_low": 0.5, "p_high": 0.6}
    assert (row["tv"], row["tv_low"], row["tv_high"]) == pytest.approx((0.2, 0.1, 0.2))
    assert (row["valid_mass_low"], row["valid_mass_high"], row["unexplored"]) == pytest.approx((0.8, 0.9, 0.1))


@pytest.mark.parametrize(
    "reading",
    [exact(np.zeros(10)), exact(np.eye(10)[0]), bounds(np.zeros(10), 1.0), sampled(task(10), [0] * 10, invalid=3)],
)
def test_no_record_holds_nan_or_infinity(reading: Reading) -> None:
    text = orjson.dumps(audited(task(10, ordinal=True), reading))  # writes NaN as null
    assert orjson.loads(text) == audited(task(10, ordinal=True), reading)
    never = audited(task(10), exact(np.zeros(10)))
    assert (never["valid_mass"], never["tv"], never["verdict"], never["entropy_bits"]) == (0, 1, "fail", None)


def test_plain_values() -> None:
    given = {"a": np.float64("nan"), "b": [np.int64(3), (float("inf"),)], 1: np.array([[1.5, -np.inf]])}
    assert plain(given) == {"a": None, "b": [3, [None]], "1": [[1.5, None]]}
    assert type(plain(np.bool_(True))) is bool


def test_differences_from_a_baseline() -> None:
    row, before = audited(task(2), exact([0.5, 0.5])), audited(task(2), exact([0.0, 0.2]))
    found = compare_keys(row, before)
    assert (found["p"], found["verdict"], found["verdict_changed"]) == ([0, 0.2], "fail", True)
    assert (found["delta_tv"], found["delta_valid_mass"], found["delta_entropy_bits"]) == pytest.approx((-0.8, 0.8, 1))
    assert (found["kl_bits"], found["delta_kl_bits"]) == (None, None)
    same = compare_keys(row, row)
    assert {same[name] for name in same if name.startswith("delta_")} == {0.0}
