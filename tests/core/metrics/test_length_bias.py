from __future__ import annotations

import json
import math
import time
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from divtool.core.errors import DivtoolError, UsageError
from divtool.core.metrics.correlation import Correlations, centred_ranks
from divtool.core.metrics.length_bias import LengthBias, direction_of
from divtool.core.metrics.length_statistics import binned, longer_wins, slope, verdict
from divtool.core.resampling import bootstrap_weights, interval

Floats = NDArray[np.float64]

# The vector of the definition: three responses each to prompts a and b.
WORDS = np.array([40.0, 60, 60, 80, 100, 120])
VALUES = np.array([0.80, 0.70, 0.74, 0.66, 0.70, 0.52])
PROMPTS = np.array([0, 0, 0, 1, 1, 1])


def records(n: int, **columns: Any) -> list[dict[str, Any]]:
    """One response a prompt; a column is a function of the number of the response."""
    return [
        {"prompt_id": f"p{i}", "response": "w " * (10 + i), "scores": {name: f(i) for name, f in columns.items()}}
        for i in range(n)
    ]


def collected(rows: list[dict[str, Any]], **options: Any) -> LengthBias:
    bias = LengthBias(**options)
    for row in rows:
        bias.add([row])
    return bias


def sample(seed: int, n: int = 60, n_prompts: int = 9) -> tuple[Floats, NDArray[np.intp], Floats]:
    """Lengths and values with ties, in prompts of unequal sizes."""
    rng = np.random.default_rng(seed)
    prompts = np.concatenate([np.arange(n_prompts), rng.integers(0, n_prompts, n - n_prompts)])
    lengths = rng.integers(20, 40, n).astype(np.float64)
    values = np.round(0.05 * lengths + rng.normal(size=n) + 0.3 * prompts, 1)
    return lengths, prompts, values


def unweighted(lengths: Floats, prompts: NDArray[np.intp], values: Floats) -> tuple[float, float, float]:
    """The three correlations by scipy; the third pools the ranks of `rankdata` in each prompt, centred."""
    ranks: list[list[float]] = [[], []]
    for prompt in set(prompts.tolist()):
        inside = prompts == prompt
        if inside.sum() >= 3:
            for kept, column in zip(ranks, (lengths, values), strict=True):
                found = stats.rankdata(column[inside])
                kept.extend(found - found.mean())
    return (
        stats.pearsonr(lengths, values).statistic,
        stats.spearmanr(lengths, values).statistic,
        stats.pearsonr(*ranks).statistic,
    )


def test_the_vector_of_the_definition() -> None:
    found = Correlations(WORDS, PROMPTS, [VALUES]).under(np.ones((1, 2)))[0, 0]
    assert found[:2] == pytest.approx([-0.8830248253, -0.8676470588], abs=1e-9)
    assert slope(WORDS, VALUES) == pytest.approx(-0.0283076923, abs=1e-9)
    assert longer_wins(WORDS, VALUES, PROMPTS, "+") == (pytest.approx(1 / 5), 5)
    assert longer_wins(WORDS, VALUES, PROMPTS, "-") == (pytest.approx(4 / 5), 5)


@pytest.mark.parametrize("seed", range(5))
def test_correlations_are_those_of_scipy(seed: int) -> None:
    lengths, prompts, values = sample(seed)
    weights = np.ones((1, prompts.max() + 1))
    found = Correlations(lengths, prompts, [values]).under(weights)[0, 0]
    assert found == pytest.approx(unweighted(lengths, prompts, values), abs=1e-12)
    assert slope(lengths, values) == pytest.approx(10 * stats.linregress(lengths, values).slope, abs=1e-12)


def test_weights_are_repeated_prompts() -> None:
    lengths, prompts, values = sample(3)
    gaps = np.where(np.arange(60) % 7 == 0, np.nan, values[::-1])
    correlations = Correlations(lengths, prompts, [values, gaps, values + 1])
    weights = next(bootstrap_weights(9, seed=1, resamples=40))
    for row, found in zip(weights.astype(int), correlations.under(weights), strict=True):
        for column, three in zip((values, gaps, values + 1), found, strict=True):
            drawn = [
                np.flatnonzero((prompts == prompt) & ~np.isnan(column))
                for prompt in range(9)
                for _ in range(row[prompt])
            ]
            copies = np.concatenate([np.full(len(part), i) for i, part in enumerate(drawn)])
            whole = np.concatenate(drawn)
            assert three == pytest.approx(unweighted(lengths[whole], copies, column[whole]), abs=1e-9)


def test_intervals_are_the_expanded_percentiles_of_a_plain_bootstrap() -> None:
    lengths, prompts, values = sample(0, n=40)
    rows = [
        {"prompt_id": str(p), "response": "", "scores": {"words": w, "x": v}}
        for w, p, v in zip(lengths.tolist(), prompts.tolist(), values.tolist(), strict=True)
    ]
    report = collected(rows, seed=5).report(resamples=200)
    assert report["resamples"] == 200
    bias = collected(rows)
    _, codes = np.unique(np.array(bias._prompts), return_inverse=True)
    plain = []
    for row in np.concatenate(list(bootstrap_weights(9, seed=5, task="length-bias", resamples=200))).astype(int):
        times = row[codes]
        plain.append(stats.spearmanr(np.repeat(lengths, times), np.repeat(values, times)).statistic)
    low, high = interval(plain, 9)
    spearman = report["metrics"]["x"]["spearman"]
    assert (spearman["ci_low"], spearman["ci_high"]) == (pytest.approx(low), pytest.approx(high))
    assert spearman["ci_low"] < spearman["value"] < spearman["ci_high"]


def test_ranks_inside_prompts_forget_the_size_of_the_prompt() -> None:
    assert centred_ranks(np.array([3.0, 1, 2, 9, 9]), np.array([0, 0, 0, 1, 1])).tolist() == [1, -1, 0, 0, 0]
    # Long texts in large prompts: pooled without centring, these unrelated ranks would correlate.
    rng = np.random.default_rng(0)
    prompts = np.repeat(np.arange(40), np.where(np.arange(40) % 2, 3, 30))
    lengths, values = rng.normal(size=(2, len(prompts)))
    assert abs(Correlations(lengths, prompts, [values]).under(np.ones((1, 40)))[0, 0, 2]) < 0.1


@pytest.mark.parametrize("seed", range(4))
def test_longer_wins_counts_every_pair(seed: int) -> None:
    lengths, prompts, values = sample(seed)
    wins, pairs = 0.0, 0
    for i, j in combinations(range(60), 2):
        if prompts[i] == prompts[j] and lengths[i] != lengths[j]:
            pairs += 1
            long, short = (i, j) if lengths[i] > lengths[j] else (j, i)
            wins += 0.5 * (values[long] >= values[short]) + 0.5 * (values[long] > values[short])
    assert longer_wins(lengths, values, prompts, "0") == (pytest.approx(wins / pairs, abs=1e-12), pairs)


def test_longer_wins_without_a_pair_or_with_ties_alone() -> None:
    assert longer_wins(WORDS, VALUES, np.arange(6), "+") == (None, 0)
    assert longer_wins(WORDS, np.ones(6), np.zeros(6, dtype=int), "+") == (0.5, 14)


def test_longer_wins_of_one_large_prompt() -> None:
    n = 100_000
    begun = time.process_time()
    share, pairs = longer_wins(np.arange(n) / 1.0, np.arange(n) % 1000 * 1.0, np.zeros(n, dtype=int), "+")
    assert pairs == n * (n - 1) // 2
    assert share == pytest.approx(0.5 + 1 / 200, abs=1e-3)  # a hundred rising blocks
    assert time.process_time() - begun < 5


def test_bins_hold_equal_counts() -> None:
    lengths = np.arange(25.0)[::-1]
    curve = binned(lengths, 2 * lengths)
    assert [n for _, _, n, _ in curve] == [2, 3] * 5
    assert curve[0] == (0.5, 1.0, 2, pytest.approx(1))
    assert curve[1] == (3.0, 6.0, 3, pytest.approx(2 / math.sqrt(3)))
    assert binned(np.array([1.0]), np.array([5.0])) == [(1.0, 5.0, 1, None)]


def test_bins_do_not_depend_on_the_order_of_equal_lengths() -> None:
    draw = np.random.default_rng(0)
    lengths, values = draw.integers(10, 16, 60).astype(float), draw.standard_normal(60)
    curve = binned(lengths, values)
    order = draw.permutation(60)
    for one, other in zip(curve, binned(lengths[order], values[order]), strict=True):
        assert one == pytest.approx(other)
    assert sum(n for _, _, n, _ in curve) == 60


@pytest.mark.parametrize(
    ("direction", "overall", "within", "expected"),
    [
        ("+", 0.3, 0.1, "favours long"),
        ("-", 0.3, 0.1, "favours short"),
        ("0", -0.3, -0.1, "favours short"),
        ("+", 0.9, 0.0999, "little"),
        ("+", 0.5, -0.5, "little"),
        ("+", 0.1, None, "favours long"),
        ("-", 0.0, None, "little"),
    ],
)
def test_verdicts(direction: str, overall: float, within: float | None, expected: str) -> None:
    assert verdict(direction, overall, within) == expected


def test_directions_are_those_of_the_catalog() -> None:
    assert [direction_of(name) for name in ("ttr", "maas", "sentences", "dd_maas", "reward", "?")] == list("+-0+00")


def test_the_report_of_a_planted_bias() -> None:
    rng = np.random.default_rng(0)
    rows = []
    for i in range(120):
        words = int(rng.integers(50, 150))
        scores = {"words": words, "chars": 6 * words, "ttr": 1 - words / 300 + rng.normal() / 50, "maas": words / 9}
        rows.append(
            {"prompt_id": f"p{i // 4}", "response": "", "scores": {**scores, "reward": rng.normal(), "dd_x": 5.5}}
        )
    report = collected(rows).report(resamples=300)
    assert (report["format"], report["version"]) == ("divtool-length-bias", 1)
    assert (report["unit"], report["tokenizer"], report["n_responses"], report["n_prompts"]) == (
        "words",
        "word",
        120,
        30,
    )
    metrics = report["metrics"]
    assert {name: metric["verdict"] for name, metric in metrics.items()} == {
        "ttr": "favours short",
        "maas": "favours short",
        "reward": "little",
        "dd_x": "constant",
    }
    assert metrics["maas"]["spearman"]["value"] == pytest.approx(1)
    assert metrics["maas"]["longer_wins"] == 0
    assert metrics["ttr"]["slope_per_10"] == pytest.approx(-10 / 300, rel=0.05)
    assert metrics["ttr"]["slope_per_10_sd"] == pytest.approx(metrics["ttr"]["slope_per_10"] / metrics["ttr"]["sd"])
    assert len(metrics["reward"]["bins"]) == 10
    assert metrics["dd_x"] == {
        "direction": "+", "n": 120, "n_null": 0, "verdict": "constant", "note": "all values are equal",
    }  # fmt: skip


def test_the_order_of_the_records_changes_nothing() -> None:
    rows = [row | {"prompt_id": f"p{i % 10}"} for i, row in enumerate(records(50, x=lambda i: (i * 37) % 50 + i / 3))]
    forward, backward = (collected(order).report(resamples=100) for order in (rows, rows[::-1]))
    assert forward["metrics"]["x"]["spearman"] == pytest.approx(backward["metrics"]["x"]["spearman"])


def test_columns_that_come_late_or_with_nulls() -> None:
    rows = records(80, always=lambda i: i % 7, sometimes=lambda i: None if i < 45 else float(i))
    rows[79]["scores"]["late"] = 1.0
    metrics = collected(rows).report(resamples=50)["metrics"]
    assert [(metrics[name]["n"], metrics[name]["n_null"]) for name in ("always", "sometimes", "late")] == [
        (80, 0), (35, 45), (1, 79),
    ]  # fmt: skip
    assert metrics["late"]["verdict"] == "too few values"
    assert metrics["sometimes"]["spearman"]["value"] == pytest.approx(1)
    assert metrics["sometimes"]["note"].startswith("undefined within prompts")


def test_lengths_that_are_all_equal() -> None:
    rows = [row | {"response": "same length"} for row in records(40, x=float)]
    assert collected(rows).report()["metrics"]["x"] == {
        "direction": "0", "n": 40, "n_null": 0, "verdict": "constant length", "note": "all lengths are equal",
    }  # fmt: skip


def test_one_prompt_has_numbers_and_no_interval() -> None:
    rows = [row | {"prompt_id": "one"} for row in records(40, x=float)]
    found = collected(rows).report()["metrics"]["x"]
    assert found["spearman"] == {"value": pytest.approx(1), "ci_low": None, "ci_high": None, "n_prompts": 1}
    assert (found["longer_wins"], found["longer_wins_pairs"], found["verdict"]) == (1, 780, "favours long")


def test_units_of_length() -> None:
    rows = [row | {"n_tokens": 100 - i} for i, row in enumerate(records(40, x=float))]
    rows[0]["n_tokens"] = None
    signs = {unit: collected(rows, unit=unit).report(resamples=20) for unit in ("words", "tokens", "chars")}
    assert [report["metrics"]["x"]["spearman"]["value"] for report in signs.values()] == pytest.approx([1, -1, 1])
    assert [report["n_responses"] for report in signs.values()] == [40, 39, 40]
    assert (signs["tokens"]["n_no_length"], signs["tokens"]["tokenizer"]) == (1, None)


def test_words_are_counted_where_they_are_not_scored() -> None:
    bias = collected([{"prompt_id": "a", "response": "ab c", "scores": {}}], tokenizer="char")
    bias.add([{"prompt_id": "a", "response": "ab c", "scores": {"words": 7}}])
    bias.add([{"prompt_id": "a", "response": "ab c", "scores": {"words": value}} for value in (-1, 1e300)])
    assert list(bias._lengths) == [3, 7, 3, 3]
    with pytest.raises(UsageError, match="unknown tokenizer"):
        LengthBias(tokenizer="wrod")


def test_refusals_say_what_to_do() -> None:
    with pytest.raises(DivtoolError, match="at least 30 responses, and there are 29; sample more"):
        collected(records(29, x=float)).report()
    with pytest.raises(DivtoolError, match="there are 0"):
        LengthBias().report()
    with pytest.raises(DivtoolError, match="no response says how many tokens it has; count length in words"):
        collected(records(40, x=float), unit="tokens").report()


@pytest.mark.parametrize("scale", [1e308, 1e-308, 5e-324])
def test_extreme_values_give_no_infinity(scale: float) -> None:
    rows = records(40, x=lambda i: scale * (-1) ** (i % 3), y=lambda i: 1e300 if i == 5 else i / 7)
    report = collected(rows).report(resamples=100)
    text = json.dumps(report, allow_nan=False)  # raises on NaN and infinity
    assert json.loads(text) == report
    assert abs(report["metrics"]["x"]["spearman"]["value"]) < 0.3


def test_four_hundred_responses_in_a_few_seconds() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(400, 25))
    bias = LengthBias()
    for i, row in enumerate(scores):
        named = {f"m{j}": value for j, value in enumerate(row.tolist())}
        bias.add([{"prompt_id": f"p{i // 4}", "response": "", "scores": {**named, "words": 50 + i % 83}}])
    begun = time.process_time()
    report = bias.report()
    assert report["resamples"] == 10_000
    assert time.process_time() - begun < 5


def test_many_values_are_resampled_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("divtool.core.metrics.length_bias._MOST_VALUES", 50 * 2_000)
    assert collected(records(50, x=float)).report()["resamples"] == 2_000
    assert collected(records(200, x=float)).report()["resamples"] == 1_000
