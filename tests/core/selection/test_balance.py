"""Choosing, balancing and trimming, on columns alone."""

from __future__ import annotations

import time
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from divtool.core.selection.balance import Candidates, Pool, choose, trimmed
from divtool.core.selection.exact import ExactSum


def made(prompt: Any, dlen: Any, gap: Any, **columns: Any) -> Candidates:
    """Candidates whose gap is that of one metric, in its standard deviations."""
    prompts = np.asarray(prompt, dtype=np.int64)
    zeros = np.zeros(len(prompts), dtype=np.int64)
    places = {name: np.asarray(columns.get(name, zeros), dtype=np.int64) for name in ("chosen", "rejected")}
    raw = Candidates(
        prompt=prompts,
        rank=np.asarray(columns.get("rank", prompts), dtype=np.int64),
        dlen=np.asarray(dlen, dtype=np.float64),
        gaps=np.asarray(gap, dtype=np.float64).reshape(len(prompts), -1 if len(prompts) else 0),
        gap=np.empty(len(prompts)),
        **places,
    )
    return next(Pool(lambda: [raw]).scaled())


def balanced(candidates: Candidates, *arguments: Any) -> tuple[Candidates, float]:
    """The balanced choice of candidates that are one block."""
    return Pool(lambda: [candidates]).balanced(*arguments)


# Rule 6


def test_gaps_are_scaled_by_their_standard_deviation_and_averaged() -> None:
    gaps = [[1.0, 10.0], [3.0, 10.0], [5.0, 40.0]]
    # sd of 1, 3, 5 is sqrt(8 / 3); of 10, 10, 40 sqrt(200).
    expected = [(a / (8 / 3) ** 0.5 + b / 200**0.5) / 2 for a, b in gaps]
    assert made([0, 1, 2], [0, 0, 0], gaps).gap == pytest.approx(expected)


def test_a_metric_without_spread_counts_as_it_is() -> None:
    assert made([0], [0], [[0.25]]).gap.tolist() == [0.25]
    # .6 - .45 and the same difference from other numbers differ by rounding only.
    gap = made([0, 1, 2], [0, 0, 0], [[0.6 - 0.45], [0.75 - 0.6], [0.9 - 0.75]]).gap
    assert gap == pytest.approx([0.15] * 3)


def test_no_candidates_and_no_metrics() -> None:
    empty = made([], [], np.empty((0, 0)))
    assert len(balanced(empty, 10, 1, 5.0, 0.25)[0]) == len(Pool(list).best(10, 1, 0.0)) == 0
    assert choose(made([4, 2], [0, 0], np.empty((2, 0))), 10, 1, 0.0).tolist() == [1, 0]


# Rule 7


def test_the_best_of_each_prompt_and_the_best_prompts() -> None:
    candidates = made([0, 0, 1, 1, 2], [0] * 5, [1, 2, 5, 4, 3])
    assert choose(candidates, 10, 1, 0.0).tolist() == [2, 4, 1]
    assert choose(candidates, 2, 1, 0.0).tolist() == [2, 4]


def test_the_multiplier_weighs_length_against_gap() -> None:
    # The standard deviation of the gaps is 1, and 3 - 2m < 1 + 2m from m = .5 on.
    candidates = made([0, 0], [2, -2], [3, 1])
    assert choose(candidates, 1, 1, 0.0).tolist() == [0]
    assert choose(candidates, 1, 1, 0.49).tolist() == [0]
    assert choose(candidates, 1, 1, 0.51).tolist() == [1]


def test_ties_go_to_the_smaller_difference_then_to_the_lower_places() -> None:
    columns = {"chosen": [3, 2, 1, 1], "rejected": [0, 0, 5, 4]}
    assert choose(made([0] * 4, [0, 0, 2, 2], [1] * 4, **columns), 1, 1, 0.0).tolist() == [1]
    assert choose(made([0] * 4, [-1, -1, 1, 1], [1] * 4, **columns), 1, 1, 0.0).tolist() == [3]


def test_ties_between_prompts_go_to_the_lower_prompt_id() -> None:
    assert choose(made([0, 1, 2], [0, 0, 0], [1, 1, 1], rank=[2, 0, 1]), 2, 1, 0.0).tolist() == [1, 2]


def test_several_a_prompt_use_no_response_twice() -> None:
    columns = {"chosen": [0, 0, 1, 1, 2, 2], "rejected": [3, 4, 3, 4, 3, 4]}
    candidates = made([0] * 6, [0] * 6, [9, 8, 7, 6, 5, 4], **columns)
    assert choose(candidates, 10, 3, 0.0).tolist() == [0, 3]
    assert choose(candidates, 10, 1, 0.0).tolist() == [0]
    apart = made([0] * 3, [0] * 3, [7, 9, 8], chosen=[0, 1, 2], rejected=[3, 4, 5])
    assert choose(apart, 10, 2, 0.0).tolist() == [1, 2]


def simulated(seed: int, n: int = 3000) -> Candidates:
    rng = np.random.default_rng(seed)
    dlen = rng.integers(-5, 6, n)
    return made(np.arange(n), dlen, rng.normal(size=n) - 0.15 * dlen)


@pytest.mark.parametrize("seed", range(3))
def test_balance_costs_little_of_the_gap(seed: int) -> None:
    candidates = simulated(seed)
    plain = choose(candidates, 1000, 1, 0.0)
    kept, multiplier = balanced(candidates, 1000, 1, 5.0, 0.25)
    assert candidates.dlen[plain].mean() < -1
    assert abs(kept.dlen.mean()) <= 0.25
    assert multiplier < 0
    assert kept.gap.mean() >= 0.85 * candidates.gap[plain].mean()
    assert len(kept) == 1000


def test_what_is_balanced_stays_as_it_is() -> None:
    candidates = made([0, 1, 2], [1, 0, -1], [3, 2, 1])
    kept, multiplier = balanced(candidates, 3, 1, 5.0, 0.25)
    assert (kept.prompt.tolist(), multiplier) == ([0, 1, 2], 0.0)


@pytest.mark.parametrize("dlen", [2.0, -2.0])
def test_where_nothing_helps_the_multiplier_stays_zero(dlen: float) -> None:
    candidates = made(np.arange(9), [dlen] * 9, np.arange(9))
    kept, multiplier = balanced(candidates, 4, 1, 5.0, 0.25)
    assert (kept.prompt.tolist(), multiplier) == ([8, 7, 6, 5], 0.0)


@pytest.mark.parametrize("tolerance", [1e-9, 5.0, float("inf")])
def test_the_bracket_grows_from_any_tolerance(tolerance: float) -> None:
    candidates = simulated(5, 600)
    kept, _ = balanced(candidates, 200, 1, tolerance, 0.25)
    assert abs(kept.dlen.mean()) <= 0.25


def test_a_mean_that_jumps_over_zero_gives_the_nearer_side() -> None:
    # One prompt, 3 words longer or 2 shorter: no multiplier gives 0.
    candidates = made([0, 0], [3, -2], [5, 1])
    kept, multiplier = balanced(candidates, 1, 1, 5.0, 0.25)
    assert kept.dlen.tolist() == [-2]
    assert multiplier > 0


_SIXTEENTHS = st.integers(-64, 64).map(lambda n: n / 16)


@st.composite
def pools(draw: st.DrawFn) -> tuple[Candidates, int]:
    n = draw(st.integers(1, 40))
    prompts = draw(st.lists(st.integers(0, 9), min_size=n, max_size=n))
    dlen = draw(st.lists(st.integers(-5, 5), min_size=n, max_size=n))
    gaps = draw(st.lists(_SIXTEENTHS, min_size=n, max_size=n))
    pool = made(prompts, dlen, gaps)
    # Exact numbers, so that rounding cannot turn a tie.
    object.__setattr__(pool, "gap", pool.gaps[:, 0])
    return pool, draw(st.integers(1, 10))


@settings(deadline=None)
@given(pools())
def test_mean_difference_never_rises_with_the_multiplier(pool: tuple[Candidates, int]) -> None:
    candidates, pairs = pool
    means = [candidates.dlen[choose(candidates, pairs, 1, m / 4)].mean() for m in range(-10, 10)]
    assert all(late <= early + 1e-12 for early, late in pairwise(means))


@settings(deadline=None)
@given(pools(), st.randoms())
def test_the_order_of_the_candidates_plays_no_part(pool: tuple[Candidates, int], rng: Any) -> None:
    candidates, pairs = pool
    n = len(candidates)
    # Each candidate has places of its own, as the pairs of a prompt have.
    places = {"chosen": np.arange(n), "rejected": np.arange(n)}
    order = rng.sample(range(n), n)
    one = made(candidates.prompt, candidates.dlen, candidates.gaps, **places)
    other = made(candidates.prompt[order], candidates.dlen[order], candidates.gaps[order], chosen=order, rejected=order)
    for multiplier in (-0.5, 0.0, 0.5):
        first, second = (c.chosen[choose(c, pairs, 1, multiplier)].tolist() for c in (one, other))
        assert first == second


@settings(deadline=None)
@given(pools(), st.integers(1, 3), st.randoms())
def test_blocks_choose_what_one_block_chooses(pool: tuple[Candidates, int], per_prompt: int, rng: Any) -> None:
    candidates, pairs = pool
    n = len(candidates)
    own = made(candidates.prompt, candidates.dlen, candidates.gaps, chosen=np.arange(n), rejected=n + np.arange(n))
    of_block = {prompt: rng.randrange(4) for prompt in range(10)}
    place = np.array([of_block[prompt] for prompt in own.prompt.tolist()])
    blocks = [own.take(place == number) for number in range(4)]
    whole, parts = Pool(lambda: [own]), Pool(lambda: iter(blocks))
    assert len(whole) == len(parts) == n
    for multiplier in (-0.5, 0.0, 0.5):
        one, other = (p.best(pairs, per_prompt, multiplier) for p in (whole, parts))
        assert one.chosen.tolist() == other.chosen.tolist()
        assert one.gap.tolist() == other.gap.tolist()
    one, other = (p.balanced(pairs, per_prompt, 5.0, 0.25) for p in (whole, parts))
    assert one[0].chosen.tolist() == other[0].chosen.tolist()
    assert one[1] == other[1]


_NUMBERS = st.lists(st.floats(-1e300, 1e300, allow_subnormal=True), max_size=30)


@given(_NUMBERS, st.randoms())
def test_sums_are_exact(numbers: list[float], rng: Any) -> None:
    order = rng.sample(numbers, len(numbers))
    one, other = ExactSum(), ExactSum()
    one.add(np.array(numbers))
    for start in range(0, len(order), 3):
        other.add(np.array(order[start : start + 3]))
    exact = float(sum(map(Fraction, numbers), Fraction()))
    assert one.over(1) == other.over(1) == exact


# Rule 9


def test_trim_takes_the_worst_of_the_offending_side_and_the_smallest_gap_first() -> None:
    dlen, gap = np.array([5.0, 4, 4, 0, 0, 0, 0, 0, 0, -1]), np.arange(10.0)
    gap[[1, 2]] = 8, 7
    # 12 / 10, then 7 / 9, then 3 / 8 and there it stops: a quarter of ten is two.
    assert np.flatnonzero(~trimmed(dlen, gap, 0.25)).tolist() == [0, 2]
    assert np.flatnonzero(~trimmed(-dlen, gap, 0.25)).tolist() == [0, 2]


def test_trim_stops_as_soon_as_the_mean_is_within_the_limit() -> None:
    dlen = np.array([5.0, 5, 5, *[0] * 33])
    # 15 / 36 = .42, 10 / 35 = .29, 5 / 34 = .15.
    assert trimmed(dlen, np.zeros(36), 0.25).sum() == 34
    assert trimmed(dlen, np.zeros(36), 0.5).all()


def test_trim_leaves_three_quarters() -> None:
    assert trimmed(np.full(10, 2.0), np.zeros(10), 0.25).sum() == 8
    assert trimmed(np.full(3, 2.0), np.zeros(3), 0.25).all()
    assert trimmed(np.empty(0), np.empty(0), 0.25).size == 0


def test_trim_of_many_is_quick() -> None:
    rng = np.random.default_rng(0)
    begun = time.process_time()
    assert trimmed(rng.integers(0, 6, 200_000).astype(float), rng.normal(size=200_000), 0.25).sum() == 150_000
    assert time.process_time() - begun < 5
