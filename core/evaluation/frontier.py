"""Quality against diversity: which runs are on the front, and what a run adds to the curve of its baseline.

Both axes are given so that higher is better: turn a measure with direction "-" round before. A unit counts where every
side has both values, and all sides share the resamples of the units.

The curve is what the baseline reaches at several values of one setting of its decoding, such as its temperature. Its
height at a quality is the most diversity that the baseline has at this quality or a better one: the upper envelope of
the line through the points in the order of the setting. Between neighbouring settings the line is what a setting in
between would give, to first order; between others it would be nothing that can be had. Where quality falls and
diversity rises with the setting, as usual, the height is plain linear interpolation at the run's quality. Where several
settings share one quality (the usable rate is often near 1 at all cool ones), or quality rises before it falls,
interpolating in the order of quality would give the height of an arbitrary one of them. The envelope gives that of the
best, so that a run above it beats every setting, and a positive difference is no fluke of the choice.

Below the lowest and above the highest quality of the points nothing is known of the curve: there the difference is
null. In the resamples behind an interval, a quality above that of every point counts as the highest one: the curve can
only be lower further on, so that the run's lead is understated. Dropping these resamples would leave those in which
the points look best: simulated, an interval near the upper end of a curve then covers 0 in 60 to 80 % of samples
instead of 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..resampling import MIN_UNITS, RESAMPLES, bootstrap_mean, interval
from .statistics import Direction, HeadlineVerdict, QualityVerdict

MATCHED = "diversity_at_matched_quality"

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Standing = Literal["better", "not worse", "worse", "undecided"]

# Beyond this share of resamples below the curve, where its height is unknown, there is no interval.
MOST_BELOW = 0.10
# Means that differ by rounding alone are the same.
_ROUNDING = 1e-9

# By the verdict on diversity and the standing of quality (None: there is no quality to judge); every combination is in.
TRADEOFFS: Mapping[tuple[HeadlineVerdict, Standing | None], str] = {
    ("more", "better"): "wins both",
    ("more", "not worse"): "more diverse, quality not worse",
    ("more", "undecided"): "more diverse, quality undecided",
    ("more", "worse"): "trade",
    ("more", None): "more diverse, quality unknown",
    ("less", "better"): "trade",
    ("less", "not worse"): "less diverse, quality not worse",
    ("less", "undecided"): "less diverse, quality undecided",
    ("less", "worse"): "dominated",
    ("less", None): "less diverse, quality unknown",
    ("not shown", "better"): "better quality, diversity not shown",
    ("not shown", "not worse"): "quality not worse, diversity not shown",
    ("not shown", "undecided"): "nothing shown",
    ("not shown", "worse"): "worse quality, diversity not shown",
    ("not shown", None): "diversity not shown, quality unknown",
}


@dataclass(frozen=True, slots=True)
class Front:
    """Which runs are on the front, in their order.

    Attributes:
        on: By the means over all units, whether no other run matches or beats it on both axes and beats it on one.
        shares: The share of resamples in which it is on the front, 0..1; None below 6 units.
        n_units: Units that count.
    """

    on: tuple[bool, ...]
    shares: tuple[float, ...] | None
    n_units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """A run's diversity minus that of its baseline's curve at the run's quality.

    Attributes:
        value: By the means over all units; None where the run's quality lies outside the curve.
        ci_low: Low end of the 95 % interval over the resamples that are not below the curve; None below 6 units, where
            `value` is None, and where more than 10 % of the resamples are below.
        ci_high: High end.
        n_units: Units that count.
        outside: By the means over all units, whether the run's quality is above or below that of every setting.
        above: Share of resamples in which the run's quality is above that of every setting; None below 6 units.
        below: Likewise below.
    """

    value: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    n_units: int = 0
    outside: Literal["above", "below"] | None = None
    above: float | None = None
    below: float | None = None


def on_front(quality: ArrayLike, diversity: ArrayLike) -> Flags:
    """Whether each run is on the front: no other one matches or beats it on both axes while beating it on one.

    Runs that are equal on both axes do not take each other off it.

    Args:
        quality: Shape (..., runs), higher is better.
        diversity: Likewise.

    Returns:
        Shape (..., runs).
    """
    ahead_q, behind_q = _ahead(np.asarray(quality, dtype=np.float64))
    ahead_d, behind_d = _ahead(np.asarray(diversity, dtype=np.float64))
    beaten = ~behind_q & ~behind_d & (ahead_q | ahead_d)
    return np.asarray(~beaten.any(axis=-1))


def _ahead(values: Floats) -> tuple[Flags, Flags]:
    """For each run (last axis but one) whether another (last axis) is above it, and whether it is below."""
    more = values[..., None, :] - values[..., :, None]
    rounding = _ROUNDING * np.abs(values).max(initial=0.0)
    return more > rounding, more < -rounding


def front(
    quality: ArrayLike, diversity: ArrayLike, *, seed: int = 0, task: str = "", resamples: int = RESAMPLES
) -> Front:
    """The front of runs, and how firmly each stands on it.

    Args:
        quality: Shape (n_units, runs), finite, higher is better; n_units at least 1.
        diversity: Likewise, of the same units.
        seed: The seed of the call.
        task: The task's name.
        resamples: Bootstrap resamples.
    """
    both = np.concatenate([np.asarray(quality, dtype=np.float64), np.asarray(diversity, dtype=np.float64)], axis=1)
    n, runs = len(both), both.shape[1] // 2
    means = both.mean(axis=0)
    on = tuple(on_front(means[:runs], means[runs:]).tolist())
    if n < MIN_UNITS:
        return Front(on, None, n)
    drawn = bootstrap_mean(both, seed=seed, task=task, resamples=resamples)
    return Front(on, tuple(on_front(drawn[:, :runs], drawn[:, runs:]).mean(axis=0).tolist()), n)


def height(quality: ArrayLike, curve_quality: ArrayLike, curve_diversity: ArrayLike) -> Floats:
    """The most diversity on the line through the points at this quality or a better one; see the module.

    Args:
        quality: Shape (...): of the run.
        curve_quality: Shape (..., points), in the order of the setting; at least 2 points.
        curve_diversity: Likewise.

    Returns:
        Shape (...); NaN where the quality is below that of every point or above it.
    """
    points_q, points_d = np.asarray(curve_quality, dtype=np.float64), np.asarray(curve_diversity, dtype=np.float64)
    rounding = _ROUNDING * np.abs(points_q).max()
    at = np.asarray(quality, dtype=np.float64)[..., None]
    reached = points_q >= at - rounding
    best = np.where(reached, points_d, -np.inf).max(axis=-1)
    start_q, end_q, start_d, end_d = points_q[..., :-1], points_q[..., 1:], points_d[..., :-1], points_d[..., 1:]
    crossed = reached[..., :-1] != reached[..., 1:]
    share = np.divide(at - start_q, end_q - start_q, out=np.zeros(crossed.shape), where=crossed).clip(0, 1)
    crossing = np.where(crossed, start_d + share * (end_d - start_d), -np.inf).max(axis=-1)
    below = (points_q > at + rounding).all(axis=-1)
    return np.where(reached.any(axis=-1) & ~below, np.maximum(best, crossing), np.nan)


def matched_difference(
    run: tuple[ArrayLike, ArrayLike],
    curve: tuple[ArrayLike, ArrayLike],
    *,
    seed: int = 0,
    task: str = "",
    resamples: int = RESAMPLES,
) -> Matched:
    """What a run adds to the diversity that its baseline reaches at the run's quality, by means and per resample.

    Args:
        run: Quality and diversity of the run, each of shape (n_units,), finite, higher is better; n_units at least 1.
        curve: Quality and diversity of the baseline at each setting, in its order, each of shape (n_units, points).
        seed: The seed of the call.
        task: The task's name.
        resamples: Bootstrap resamples.
    """
    units = np.column_stack([*run, *curve]).astype(np.float64)
    n, points = len(units), units.shape[1] // 2 - 1
    means = units.mean(axis=0)
    value = float(means[1] - height(means[0], means[2 : 2 + points], means[2 + points :]))
    known = value if math.isfinite(value) else None
    outside: Literal["above", "below"] | None = None
    if known is None:
        outside = "above" if means[0] > means[2] else "below"
    if n < MIN_UNITS:
        return Matched(value=known, n_units=n, outside=outside)
    drawn = bootstrap_mean(units, seed=seed, task=task, resamples=resamples)
    curve_quality, curve_diversity = drawn[:, 2 : 2 + points], drawn[:, 2 + points :]
    capped = np.minimum(drawn[:, 0], curve_quality.max(axis=1))
    differences = drawn[:, 1] - height(capped, curve_quality, curve_diversity)
    below = np.isnan(differences)
    low = high = None
    if known is not None and below.mean() <= MOST_BELOW:
        low, high = map(float, interval(differences[~below], n))
    above = float((drawn[:, 0] - capped > _ROUNDING).mean())
    return Matched(
        value=known,
        ci_low=low,
        ci_high=high,
        n_units=n,
        outside=outside,
        above=above,
        below=float(below.mean()),
    )


def standing(
    verdict: QualityVerdict | None, delta_ci_low: float | None, delta_ci_high: float | None, direction: Direction
) -> Standing | None:
    """The quality verdict with gains told apart: "better" where the interval of the difference lies above zero.

    Args:
        verdict: Of `statistics.noninferiority_verdict`; None gives None.
        delta_ci_low: Low end of the interval of run minus baseline.
        delta_ci_high: High end.
        direction: ``+`` where a higher value is better.
    """
    if verdict is None or delta_ci_low is None or delta_ci_high is None:
        return None
    if (delta_ci_low > 0) if direction == "+" else (delta_ci_high < 0):
        return "better"
    return "not worse" if verdict == "equivalent" else verdict


def tradeoff(diversity: HeadlineVerdict | None, quality: Standing | None) -> str | None:
    """What a run does to both at once, in words; None where there are too few units for a verdict on diversity.

    "Trade": shown to be better on one axis and worse on the other. "Dominated": worse on both. The table is
    `TRADEOFFS`.
    """
    return None if diversity is None else TRADEOFFS[diversity, quality]
