"""Intervals, tests and verdicts over units: the project's only statistics.

The unit is the prompt (or a block of samples, or a guard item), never the single response: several responses to one
prompt say little about other prompts. Give units in a fixed order, such as sorted prompt_id: the resamples belong to
positions, so another order gives slightly other interval ends.
"""

from __future__ import annotations

import math
import statistics as exact  # the standard library's
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ..resampling import (
    MIN_UNITS,
    RESAMPLES,
    bootstrap_mean,
    bootstrap_weights,
    generator,
    interval,
    sign_flip_p,
    sign_flip_ps,
)

__all__ = [
    "FEW_UNITS",
    "MIN_UNITS",
    "RESAMPLES",
    "Comparison",
    "Estimate",
    "align",
    "benjamini_hochberg",
    "bootstrap_mean",
    "bootstrap_weights",
    "compare",
    "detectable_delta",
    "estimate",
    "generator",
    "headline_verdict",
    "holm",
    "interval",
    "noninferiority_verdict",
    "sign_flip_p",
    "sign_flip_ps",
]

Direction = Literal["+", "-"]
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


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Benjamini-Hochberg adjustment, in the order given. None stays None and is not counted."""
    from scipy.stats import false_discovery_control

    known = [i for i, p in enumerate(p_values) if p is not None]
    adjusted: list[float | None] = [None] * len(p_values)
    if known:
        for i, p in zip(known, false_discovery_control([p_values[i] for i in known], method="bh"), strict=True):
            adjusted[i] = float(p)
    return adjusted


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


def _note(n: int, left_out: int) -> str:
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


def estimate(units: Sequence[float | None], *, seed: int = 0, task: str = "", resamples: int = RESAMPLES) -> Estimate:
    """Mean of a run's units with its bootstrap interval; undefined units are left out and counted.

    Args:
        units: One value a unit, None where undefined.
        seed: The run's seed.
        task: The task's name.
        resamples: Bootstrap resamples.
    """
    kept = [float(value) for value in units if value is not None and math.isfinite(value)]
    n, left_out = len(kept), len(units) - len(kept)
    low = high = None
    if n >= MIN_UNITS:
        ends = interval(bootstrap_mean(kept, seed=seed, task=task, resamples=resamples), n)
        low, high = float(ends[0]), float(ends[1])
    return Estimate(value=_mean(kept), ci_low=low, ci_high=high, n_units=n, left_out=left_out, note=_note(n, left_out))


def compare(
    units_a: Sequence[float | None],
    units_b: Sequence[float | None],
    *,
    seed: int = 0,
    task: str = "",
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare a run with its baseline; pairs with an undefined side are left out and counted.

    Args:
        units_a: The run: one value a unit, None where undefined.
        units_b: The baseline, in the same order of units.
        seed: The run's seed.
        task: The task's name.
        resamples: Bootstrap resamples, and sign-flip draws above 12 units.
    """
    pairs = zip(units_a, units_b, strict=True)
    table = np.array([(a, b) for a, b in pairs if _defined(a) and _defined(b)], dtype=np.float64).reshape(-1, 2)
    differences = table[:, 0] - table[:, 1]
    n, left_out = len(table), len(units_a) - len(table)
    enough = n >= MIN_UNITS
    ends: list[tuple[float | None, float | None]] = [(None, None)] * 2
    if enough:
        columns = np.column_stack([table[:, 0], differences])
        low, high = interval(bootstrap_mean(columns, seed=seed, task=task, resamples=resamples), n)
        ends = list(zip(low.tolist(), high.tolist(), strict=True))
    return Comparison(
        value=_mean(table[:, 0].tolist()),
        ci_low=ends[0][0],
        ci_high=ends[0][1],
        n_units=n,
        left_out=left_out,
        note=_note(n, left_out),
        baseline_value=_mean(table[:, 1].tolist()),
        delta=_mean(differences.tolist()),
        delta_ci_low=ends[1][0],
        delta_ci_high=ends[1][1],
        p_value=sign_flip_p(differences, seed=seed, task=task, draws=resamples) if enough else None,
        detectable_delta=detectable_delta(differences) if enough else None,
    )
