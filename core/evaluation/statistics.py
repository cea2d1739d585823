"""Intervals, tests and verdicts over units: the project's only statistics.

The unit is the prompt (or a block of samples, or a guard item), never the single response: several responses to one
prompt say little about other prompts. Give units in a fixed order, such as sorted prompt_id: the resamples belong to
positions, so another order gives slightly other interval ends.
"""

from __future__ import annotations

import math
import statistics as exact  # the standard library's
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..resampling import (
    MIN_UNITS,
    RESAMPLES,
    benjamini_hochberg,
    bootstrap_mean,
    bootstrap_weights,
    generator,
    interval,
    sign_flip_p,
    sign_flip_ps,
    smallest_flip_p,
)

__all__ = [
    "FEW_UNITS",
    "MIN_UNITS",
    "RESAMPLES",
    "Comparison",
    "Estimate",
    "adjust",
    "align",
    "benjamini_hochberg",
    "bootstrap_mean",
    "bootstrap_weights",
    "compare",
    "compare_many",
    "detectable_delta",
    "estimate",
    "estimate_many",
    "generator",
    "headline_verdict",
    "holm",
    "interval",
    "noninferiority_verdict",
    "sign_flip_p",
    "sign_flip_ps",
    "size_note",
    "smallest_flip_p",
    "unreachable",
]

Floats = NDArray[np.float64]
Units = Sequence[float | None]
Ends = tuple[float | None, float | None]
Direction = Literal["+", "-"]
Adjustment = Literal["holm", "bh"]
HeadlineVerdict = Literal["more", "less", "not shown"]
QualityVerdict = Literal["not worse", "equivalent", "worse", "undecided"]

FEW_UNITS = 20


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjustment, in the order given. None stays None and is not counted."""
    order = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    running = 0.0
    for rank, (p, i) in enumerate(order):
        running = max(running, min(1.0, (len(order) - rank) * p))
        adjusted[i] = running
    return adjusted


_ADJUSTMENTS: dict[Adjustment, Callable[[Sequence[float | None]], list[float | None]]] = {
    "holm": holm,
    "bh": benjamini_hochberg,
}


def adjust(p_values: Sequence[float | None], method: Adjustment = "holm") -> list[float | None]:
    """P-values of one family, adjusted by Holm or by Benjamini-Hochberg."""
    return _ADJUSTMENTS[method](p_values)


def unreachable(n_units: Sequence[int], method: Adjustment = "holm") -> list[bool]:
    """Of each comparison of a family, whether its adjusted p stays above .05 whatever the responses are.

    No comparison of n units has a smaller p than `smallest_flip_p`, and no adjusted p falls when another p rises, so
    that the smallest ones of all, adjusted together, are the smallest adjusted ones.

    Args:
        n_units: Units of each comparison that has a p.
        method: As in `adjust`.
    """
    return [p is not None and p >= 0.05 for p in adjust([smallest_flip_p(n) for n in n_units], method)]


def detectable_delta(differences: ArrayLike) -> float | None:
    """Smallest mean difference found with 80 % power at p < .05: 2.8 sd / sqrt(n); None below two units."""
    units = np.asarray(differences, dtype=np.float64)
    if len(units) < 2:
        return None
    return float(2.8 * units.std(ddof=1) / math.sqrt(len(units)))


def headline_verdict(p_adjusted: float | None, delta: float | None, direction: Direction) -> HeadlineVerdict | None:
    """Whether the run is shown to be more or less diverse than its baseline at p_adjusted < .05.

    Args:
        p_adjusted: p after the correction for many comparisons; None (too few units) gives None.
        delta: Run minus baseline.
        direction: ``+`` where a higher value is more diverse.
    """
    if p_adjusted is None or delta is None:
        return None
    if p_adjusted >= 0.05 or delta == 0:
        return "not shown"
    return "more" if (delta > 0) == (direction == "+") else "less"


def noninferiority_verdict(
    delta_ci_low: float | None, delta_ci_high: float | None, margin: float, direction: Direction = "+"
) -> QualityVerdict | None:
    """Whether quality fell by more than a margin, read off the interval of the difference.

    An interval inside the margins that holds zero is ``equivalent``. One inside the margins that leaves zero out shows
    a real but tolerable difference, and is called ``not worse``. Both pass where "not worse" is required.

    Args:
        delta_ci_low: Low end of the interval of run minus baseline; None (too few units) gives None.
        delta_ci_high: High end.
        margin: The largest tolerable loss, above 0, in the metric's unit.
        direction: ``+`` where a higher value is better.
    """
    if delta_ci_low is None or delta_ci_high is None:
        return None
    low, high = (delta_ci_low, delta_ci_high) if direction == "+" else (-delta_ci_high, -delta_ci_low)
    if high < -margin:
        return "worse"
    if low <= -margin:
        return "undecided"
    return "equivalent" if high < margin and low <= 0 <= high else "not worse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A run's mean over units with its interval.

    Attributes:
        value: Mean over the units; None where there is none.
        ci_low: Low end of the 95 % interval; None below 6 units.
        ci_high: High end.
        n_units: Units that count.
        left_out: Units left out because their value is undefined.
        note: "too few units: 4 of 6", "few units", what was left out, or "".
    """

    value: float | None
    ci_low: float | None
    ci_high: float | None
    n_units: int
    left_out: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Estimate):
    """A run against its baseline, paired by unit. `Estimate`'s attributes are those of the run on the common units.

    Attributes:
        baseline_value: The baseline's mean on the same units.
        delta: Mean of the unit differences, run minus baseline.
        delta_ci_low: Low end of its 95 % interval; None below 6 units.
        delta_ci_high: High end.
        p_value: Two-sided sign-flip p; None below 6 units.
        detectable_delta: Smallest difference detectable at 80 % power; None below 6 units.
    """

    baseline_value: float | None
    delta: float | None
    delta_ci_low: float | None
    delta_ci_high: float | None
    p_value: float | None
    detectable_delta: float | None


def align(
    units_a: Mapping[str, float | None], units_b: Mapping[str, float | None]
) -> tuple[list[str], list[float | None], list[float | None]]:
    """The common unit names, sorted, and the values of both sides in that order."""
    names = sorted(units_a.keys() & units_b.keys())
    return names, [units_a[name] for name in names], [units_b[name] for name in names]


def _defined(value: float | None) -> bool:
    """Whether a unit has a finite value."""
    return value is not None and math.isfinite(value)


def size_note(n: int, left_out: int) -> str:
    """What a reader must know about the number of units."""
    notes = []
    if n < MIN_UNITS:
        notes.append(f"too few units: {n} of {MIN_UNITS}")
    elif n < FEW_UNITS:
        notes.append("few units")
    if left_out:
        notes.append(f"{left_out} undefined left out")
    return "; ".join(notes)


def _mean(values: Sequence[float]) -> float | None:
    """The exactly rounded mean: it does not depend on the order, and a constant gives itself."""
    return exact.mean(values) if values else None


def _kept(units: Units) -> Floats:
    """The units that have a finite value."""
    return np.array([value for value in units if _defined(value)], dtype=np.float64)


def _paired(units_a: Units, units_b: Units) -> Floats:
    """The units that have a finite value on both sides, (n_units, 2)."""
    pairs = zip(units_a, units_b, strict=True)
    return np.array([(a, b) for a, b in pairs if _defined(a) and _defined(b)], dtype=np.float64).reshape(-1, 2)


def _by_size(samples: Sequence[Floats]) -> Iterator[tuple[list[int], Floats]]:
    """Places and table of the samples with one number of units, which decides their draws; too small ones left out."""
    places: dict[int, list[int]] = {}
    for place, sample in enumerate(samples):
        if len(sample) >= MIN_UNITS:
            places.setdefault(len(sample), []).append(place)
    for alike in places.values():
        yield alike, np.column_stack([samples[place] for place in alike])


def _intervals(samples: Sequence[Floats], seed: int, task: str, resamples: int) -> list[Ends]:
    """The interval of each sample's mean; one set of weights for all samples of one size."""
    found: list[Ends] = [(None, None)] * len(samples)
    for places, table in _by_size(samples):
        low, high = interval(bootstrap_mean(table, seed=seed, task=task, resamples=resamples), len(table))
        for place, ends in zip(places, zip(low.tolist(), high.tolist(), strict=True), strict=True):
            found[place] = ends
    return found


def _flip_ps(samples: Sequence[Floats], seed: int, task: str, draws: int) -> list[float | None]:
    """The sign-flip p of each sample; one set of flips for all samples of one size."""
    found: list[float | None] = [None] * len(samples)
    for places, table in _by_size(samples):
        for place, p in zip(places, sign_flip_ps(table, seed=seed, task=task, draws=draws).tolist(), strict=True):
            found[place] = p
    return found


def estimate_many(
    columns: Sequence[Units], *, seed: int = 0, task: str = "", resamples: int = RESAMPLES
) -> list[Estimate]:
    """Mean of each column's units with its bootstrap interval; undefined units are left out and counted.

    Columns with as many defined units as one another share their resamples. Each result is what the column alone gives.

    Args:
        columns: One value a unit, None where undefined.
        seed: The run's seed.
        task: The task's name.
        resamples: Bootstrap resamples.
    """
    kept = [_kept(units) for units in columns]
    return [
        Estimate(
            value=_mean(sample.tolist()),
            ci_low=low,
            ci_high=high,
            n_units=len(sample),
            left_out=len(units) - len(sample),
            note=size_note(len(sample), len(units) - len(sample)),
        )
        for units, sample, (low, high) in zip(columns, kept, _intervals(kept, seed, task, resamples), strict=True)
    ]


def compare_many(
    pairs: Sequence[tuple[Units, Units]], *, seed: int = 0, task: str = "", resamples: int = RESAMPLES
) -> list[Comparison]:
    """Compare runs with their baselines; units with an undefined side are left out and counted.

    Pairs with as many defined units as one another share their resamples and sign flips. Each result is what the pair
    alone gives.

    Args:
        pairs: The run's and the baseline's values in one order of units, None where undefined.
        seed: The run's seed.
        task: The task's name.
        resamples: Bootstrap resamples, and sign-flip draws above 12 units.
    """
    tables = [_paired(*pair) for pair in pairs]
    differences = [table[:, 0] - table[:, 1] for table in tables]
    ends = _intervals([*(table[:, 0] for table in tables), *differences], seed, task, resamples)
    ps = _flip_ps(differences, seed, task, resamples)
    return [
        Comparison(
            value=_mean(table[:, 0].tolist()),
            ci_low=low,
            ci_high=high,
            n_units=len(table),
            left_out=len(units) - len(table),
            note=size_note(len(table), len(units) - len(table)),
            baseline_value=_mean(table[:, 1].tolist()),
            delta=_mean(difference.tolist()),
            delta_ci_low=delta_low,
            delta_ci_high=delta_high,
            p_value=p,
            detectable_delta=detectable_delta(difference) if p is not None else None,
        )
        for (units, _), table, difference, (low, high), (delta_low, delta_high), p in zip(
            pairs, tables, differences, ends[: len(pairs)], ends[len(pairs) :], ps, strict=True
        )
    ]


def estimate(units: Units, *, seed: int = 0, task: str = "", resamples: int = RESAMPLES) -> Estimate:
    """`estimate_many` of one column."""
    return estimate_many([units], seed=seed, task=task, resamples=resamples)[0]


def compare(units_a: Units, units_b: Units, *, seed: int = 0, task: str = "", resamples: int = RESAMPLES) -> Comparison:
    """`compare_many` of one run with its baseline."""
    return compare_many([(units_a, units_b)], seed=seed, task=task, resamples=resamples)[0]
