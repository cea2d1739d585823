"""Measures of the values of a whole run together, such as the entropy of stated ages: intervals and tests over units.

A prompt's own few values say little, so the values of all prompts are counted together; the unit of resampling stays
the prompt. Against a baseline both sides keep equally many values of each attribute on each prompt, the first ones by
sample index, since entropies and numbers of classes grow with the number of values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..resampling import ENUMERATE_UP_TO, MIN_UNITS, RESAMPLES, bootstrap_weights, generator, interval, sign_rows
from .statistics import Comparison, Ends, Estimate, size_note
from .values import top_values

Floats = NDArray[np.float64]
# An attribute and one of its classes.
Key = tuple[str, str]
# Counts, [..., keys], and whose they are, to values, [...].
Measure = Callable[[Floats, Sequence[Key]], Floats]

# Sums that differ by rounding alone count as ties.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Pooling:
    """How values are counted together.

    Attributes:
        keys: What the value of a response counts towards.
        measure: What is made of the counts.
        shown: What stands beside the value: how many values and classes there are in its note ("counts"), the most
            frequent classes ("top"), or whose values there are ("attributes").
    """

    keys: Callable[[Any], Iterable[Key]]
    measure: Measure
    shown: Literal["", "counts", "top", "attributes"] = ""


@dataclass(frozen=True, slots=True)
class Pool:
    """The values of a run.

    Attributes:
        values: By unit, what its responses count towards, in the order of sample_index.
        pooling: How they are counted.
    """

    values: Mapping[str, Sequence[Key]]
    pooling: Pooling

    def counts(self) -> Counter[Key]:
        """How often each class occurs."""
        return Counter(key for own in self.values.values() for key in own)

    def value(self) -> float | None:
        """The measure over all units; None without a value."""
        counts = self.counts()
        return (
            float(self.pooling.measure(np.array([*counts.values()], dtype=np.float64), [*counts])) if counts else None
        )

    def facts(self) -> dict[str, Any]:
        """What stands beside the value in a measure record."""
        counts = self.counts()
        found: dict[str, Any] = {"n_values": counts.total(), "n_classes": len(counts)}
        if self.pooling.shown == "top":
            found["top_values"] = top_values(Counter({name: n for (_, name), n in counts.items()}))
        if self.pooling.shown == "attributes":
            found["attributes"] = sorted({attribute for attribute, _ in counts})
        return found


def evened(pool: Pool, other: Pool) -> tuple[Pool, Pool]:
    """Both with equally many values of each attribute on each of their common units, the first ones."""
    sides: tuple[dict[str, Sequence[Key]], dict[str, Sequence[Key]]] = ({}, {})
    for unit in sorted(pool.values.keys() & other.values.keys()):
        both = pool.values[unit], other.values[unit]
        most = Counter(attribute for attribute, _ in both[0]) & Counter(attribute for attribute, _ in both[1])
        for side, own in zip(sides, both, strict=True):
            side[unit] = _first(own, most)
    return Pool(sides[0], pool.pooling), Pool(sides[1], other.pooling)


def counts_note(pool: Pool, other: Pool | None = None) -> str:
    """How many values and classes a number rests on, in words; nothing where that is not to be shown."""
    if pool.pooling.shown != "counts":
        return ""
    own = pool.counts()
    against = f" against {len(other.counts())}" if other is not None else ""
    return f"{own.total()} values in {len(own)}{against} classes"


def estimate_pool(pool: Pool, *, seed: int = 0, task: str = "", resamples: int = RESAMPLES) -> Estimate:
    """The measure with its bootstrap interval over the units that have values.

    Resamples repeat units and so lose classes: their values lie too low throughout. The interval is therefore that of
    the resampled values moved so that their mean is the measured value.

    Args:
        pool: The values.
        seed: The run's seed.
        task: The task's name.
        resamples: Bootstrap resamples.
    """
    keys, (table,) = _tables(pool)
    low, high = None, None
    value = pool.value()
    if value is not None and len(table) >= MIN_UNITS:
        (draws,) = _drawn((table,), pool.pooling.measure, keys, seed, task, resamples)
        low, high = _ends(draws, value, len(table))
    return Estimate(
        value=value, ci_low=low, ci_high=high, n_units=len(table), left_out=0, note=size_note(len(table), 0)
    )


def compare_pools(
    run: Pool, baseline: Pool, *, seed: int = 0, task: str = "", resamples: int = RESAMPLES
) -> Comparison:
    """Compare two pools that `evened` made of a run's and of its baseline's.

    Null hypothesis of the p-value: the two runs are exchangeable on every unit. It is the share of exchanges of the
    sides, unit by unit, after which the measures differ at least as much: all exchanges for up to 12 units, else random
    ones.

    Args:
        run: The run's values.
        baseline: The baseline's.
        seed: The run's seed.
        task: The task's name.
        resamples: Bootstrap resamples, and exchanges above 12 units.
    """
    keys, tables = _tables(run, baseline)
    n, value, base = len(tables[0]), run.value(), baseline.value()
    delta = value - base if value is not None and base is not None else None
    ends: list[Ends] = [(None, None), (None, None)]
    p, detectable = None, None
    if value is not None and delta is not None and n >= MIN_UNITS:
        own, other = _drawn(tables, run.pooling.measure, keys, seed, task, resamples)
        ends = [_ends(own, value, n), _ends(own - other, delta, n)]
        p = _exchange_p(tables, run.pooling.measure, keys, delta, seed, task, resamples)
        detectable = float(2.8 * (own - other).std())
    return Comparison(
        value=value, ci_low=ends[0][0], ci_high=ends[0][1], n_units=n, left_out=0, note=size_note(n, 0),
        baseline_value=base, delta=delta, delta_ci_low=ends[1][0], delta_ci_high=ends[1][1], p_value=p,
        detectable_delta=detectable,
    )  # fmt: skip


def _first(values: Sequence[Key], most: Mapping[str, int]) -> list[Key]:
    """So many values of each attribute, in order."""
    left = dict(most)
    kept = []
    for key in values:
        if left.get(key[0], 0):
            left[key[0]] -= 1
            kept.append(key)
    return kept


def _tables(*pools: Pool) -> tuple[list[Key], list[Floats]]:
    """All classes, and the counts of each side, [units, keys], of the units that have a value on any side."""
    units = sorted(unit for unit in pools[0].values if any(pool.values[unit] for pool in pools))
    keys = sorted({key for pool in pools for unit in units for key in pool.values[unit]})
    counts = [[Counter(pool.values[unit]) for unit in units] for pool in pools]
    tables = [
        np.array([[own[key] for key in keys] for own in side], dtype=np.float64).reshape(len(units), len(keys))
        for side in counts
    ]
    return keys, tables


def _drawn(
    tables: Sequence[Floats], measure: Measure, keys: Sequence[Key], seed: int, task: str, resamples: int
) -> list[Floats]:
    """The measure of each side in each resample; all sides share the resampled units."""
    weights = bootstrap_weights(len(tables[0]), seed=seed, task=task, resamples=resamples)
    parts = [[measure(rows @ table, keys) for table in tables] for rows in weights]
    return [np.concatenate(side) for side in zip(*parts, strict=True)]


def _ends(draws: Floats, value: float, n_units: int) -> Ends:
    low, high = interval(draws - draws.mean() + value, n_units)
    return float(low), float(high)


def _exchange_p(
    tables: Sequence[Floats], measure: Measure, keys: Sequence[Key], delta: float, seed: int, task: str, draws: int
) -> float:
    n, both = len(tables[0]), tables[0].sum(axis=0) + tables[1].sum(axis=0)
    hits = 0
    for signs in sign_rows(n, generator(seed, task, n, "sign-flip"), draws):
        own = (signs > 0) @ tables[0] + (signs < 0) @ tables[1]
        hits += int((np.abs(measure(own, keys) - measure(both - own, keys)) >= abs(delta) - _ROUNDING).sum())
    return hits / 2**n if n <= ENUMERATE_UP_TO else (hits + 1) / (draws + 1)
