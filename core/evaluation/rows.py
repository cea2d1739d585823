"""Columns of one or two sides to measure records: means, intervals, comparisons, and the notes that belong beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import stdev

from ..jsonl import Record
from .columns import Column
from .flat import in_order, names_of
from .pooled import Pool, compare_pools, counts_note, estimate_pool, evened
from .runs import Run
from .sides import size
from .statistics import (
    Adjustment,
    Comparison,
    Direction,
    Estimate,
    Units,
    adjust,
    compare_many,
    estimate_many,
    headline_verdict,
    noninferiority_verdict,
)

# The largest loss of quality that still counts as none. A win rate's baseline is one half throughout. None is for
# measures with a scale of their own, as all that are not named here: a share of the baseline's spread.
MARGINS: Mapping[str, float | None] = {
    "usable_rate": 0.05,
    "judge": 0.5,
    "win_rate": 0.05,
    "nll": 0.05,
    "mc": 0.05,
    "format": 0.05,
    "reward": None,
}
_MARGIN_IN_SD = 0.2
_WITH_MARGIN = ("quality", "guard")
# A length difference beyond this share of the baseline is flagged beside every diversity number.
_LENGTH_FLAG = 0.10
# Beyond these shares of nulls a number stands for the rest of the texts only.
_UNRELIABLE, _OFF_THE_MAP = 0.10, 0.20


@dataclass(frozen=True, slots=True)
class Side:
    """A run with its columns.

    Attributes:
        run: Its responses.
        columns: Its metrics.
        amount: Prompts and responses in words.
        mean_words: Length of its whole texts, also where the columns are of truncated ones.
        empty: How many of its texts hold no word, where that is told.
    """

    run: Run
    columns: Sequence[Column]
    amount: str
    mean_words: float
    empty: int = 0


@dataclass(frozen=True, slots=True)
class UnitValues:
    """The numbers behind a measure record.

    Attributes:
        names: The units, in the order of the resamples.
        run: The run's value of each; None where undefined.
        baseline: The baseline's, or None without one.
    """

    names: Sequence[str]
    run: Units
    baseline: Units | None


@dataclass(frozen=True, slots=True)
class _Row:
    """A column of a run, with the baseline's where there is one."""

    side: Side
    other: Side | None
    column: Column
    against: Column | None

    def units(self) -> tuple[Units, Units]:
        """The values of both by prompt, in one order; sets of one response have none."""
        names = names_of(self.column.units)
        if self.lone:
            return [None] * len(names), [None] * len(names)
        other = (self.against or self.column).units
        return in_order(self.column.units, names), in_order(other, names)

    def n_responses(self) -> int:
        """How many responses of the run the number rests on; units that are null on either side have no part in it."""
        if self.column.counted is not None:
            return self.column.counted
        if self.column.used is None:
            return size(self.side.run)
        own, other = self.column.units, (self.against or self.column).units
        return sum(n for name, n in self.column.used.items() if own[name] is not None and other[name] is not None)

    @property
    def lone(self) -> bool:
        """Whether it is about sets and no prompt has two responses."""
        return self.column.level == "set" and max(map(len, self.side.run.responses.values()), default=0) == 1


def rows(
    task: str,
    sides: Sequence[tuple[Side, Side | None]],
    *,
    seed: int,
    margins: Mapping[str, float] | None = None,
) -> list[Record]:
    """Measure records, in the order of sides and columns; their statistics share one set of resamples.

    Args:
        task: Name of the task.
        sides: Runs, each with its baseline, which has the same columns, or None.
        seed: For resampling.
        margins: By name of a measure of quality, the largest loss that still counts as none, in its unit, above 0;
            those without one have that of `MARGINS`, else 0.2 standard deviations of the baseline's prompt means.
    """
    table = _table(sides)
    by_unit = [row for row in table if row.column.pool is None]
    alone = iter(estimate_many([row.units()[0] for row in by_unit if row.other is None], seed=seed, task=task))
    paired = iter(compare_many([row.units() for row in by_unit if row.other is not None], seed=seed, task=task))
    known = {**MARGINS, **(margins or {})}
    return [
        _pooled(task, row, row.column.pool, known, seed)
        if row.column.pool is not None
        else _record(task, row, next(alone if row.other is None else paired), known)
        for row in table
    ]


def unit_values(sides: Sequence[tuple[Side, Side | None]]) -> list[UnitValues]:
    """What stands behind each of the records that `rows` makes of the same sides, in their order."""
    found = []
    for row in _table(sides):
        own, other = row.units()
        found.append(UnitValues(names_of(row.column.units), own, other if row.other is not None else None))
    return found


def _table(sides: Sequence[tuple[Side, Side | None]]) -> list[_Row]:
    return [
        _Row(side, other, column, other.columns[place] if other else None)
        for side, other in sides
        for place, column in enumerate(side.columns)
    ]


def _pooled(task: str, row: _Row, pool: Pool, margins: Mapping[str, float | None], seed: int) -> Record:
    """The measure record of the values of all units together."""
    if row.against is None or row.against.pool is None:
        record = _record(task, row, estimate_pool(pool, seed=seed, task=task), margins) | pool.facts()
        said = counts_note(pool)
    else:
        own, other = evened(pool, row.against.pool)
        record = _record(task, row, compare_pools(own, other, seed=seed, task=task), margins) | own.facts()
        record["baseline_n_classes"] = other.facts()["n_classes"]
        said = counts_note(own, other)
    record["note"] = "; ".join(filter(None, (said, record["note"])))
    return record


def _record(task: str, row: _Row, found: Estimate, margins: Mapping[str, float | None]) -> Record:
    """One measure record."""
    side, column = row.side, row.column
    of_run = column.level == "run" and column.pool is None
    record: Record = {
        "task": task,
        "metric": column.metric,
        "value": found.value,
        "ci_low": found.ci_low,
        "ci_high": found.ci_high,
        "n_prompts": len(side.run.responses) if of_run else found.n_units,
        "n_responses": row.n_responses(),
        "model": side.run.model,
        "run": side.run.name,
        "unit": "run" if of_run else "prompt",
        "n_units": found.n_units,
        "role": column.role,
        "direction": column.direction,
        "mean_words": side.mean_words,
        "note": "" if of_run else _note(found, row),
        "definition": f"{column.definition}; {side.amount}",
    }
    if column.null_share is not None:
        record["null_share"] = column.null_share
    if isinstance(found, Comparison) and row.other is not None:
        record |= _against(found, row, row.other, margins)
    return record


def length_flag(mean_words: float, base_words: float) -> bool:
    """Whether lengths differ so much that diversity numbers must be read with care."""
    return abs(mean_words - base_words) > _LENGTH_FLAG * max(base_words, 1e-9)


def adjusted(records: list[Record], method: Adjustment = "holm") -> list[Record]:
    """The same records: adjusted p-values and verdicts set in the headline rows; detail rows stay exploratory.

    Args:
        records: All rows of a call, over its tasks and runs: their headline rows are one family.
        method: "holm", or "bh" for Benjamini-Hochberg.
    """
    headlines = [record for record in records if record["role"] == "headline" and "p_value" in record]
    for record, p in zip(headlines, adjust([record["p_value"] for record in headlines], method), strict=True):
        record["p_adjusted"] = p
        record["family_size"] = len(headlines)
        record["verdict"] = headline_verdict(p, record["delta"], record["direction"])
    return records


def _note(found: Estimate, row: _Row) -> str:
    """What a reader must know beside the number: few units, and how much of it is null."""
    if row.lone:
        return "k = 1"
    columns = [row.column, *([row.against] if row.against else [])]
    if row.column.note and not found.n_units:
        return row.column.note
    notes = [found.note] if found.note else []
    notes += dict.fromkeys(column.note for column in columns if column.note)
    if found.left_out > _UNRELIABLE * (found.n_units + found.left_out):
        share = found.left_out / (found.n_units + found.left_out)
        notes.append(f"unreliable: null on {share:.1%} of prompts ({columns[0].null})")
    nulls = max((column.null_share or 0.0 for column in columns), default=0.0)
    if columns[0].level == "decile":
        if nulls:
            notes.append(f"no decile for {nulls:.1%} of the responses")
        if nulls > _OFF_THE_MAP:
            notes.append("the lengths have left the map")
    elif nulls > _UNRELIABLE:
        notes.append(f"unreliable: null for {nulls:.1%} of the responses ({columns[0].null})")
    return "; ".join(notes)


def _against(found: Comparison, row: _Row, baseline: Side, margins: Mapping[str, float | None]) -> Record:
    """The comparison's keys of a measure record."""
    record: Record = {
        "baseline": baseline.run.name,
        "baseline_value": found.baseline_value,
        "delta": found.delta,
        "delta_ci_low": found.delta_ci_low,
        "delta_ci_high": found.delta_ci_high,
        "p_value": found.p_value,
        "detectable_delta": found.detectable_delta,
        "baseline_mean_words": baseline.mean_words,
        "length_flag": length_flag(row.side.mean_words, baseline.mean_words),
        "verdict": None,
    }
    if row.column.role in _WITH_MARGIN:
        record["margin"] = margin = _margin(row, margins)
        if margin and (found.value or found.baseline_value or row.column.metric != "usable_rate"):
            better: Direction = "-" if row.column.direction == "-" else "+"
            record["verdict"] = noninferiority_verdict(found.delta_ci_low, found.delta_ci_high, margin, better)
    return record


def _margin(row: _Row, margins: Mapping[str, float | None]) -> float | None:
    """The margin of a measure of quality; None where it is a share of a spread that is zero."""
    fixed = margins.get(row.column.metric)
    if fixed is not None:
        return fixed
    means = [value for value in row.units()[1] if value is not None]
    return _MARGIN_IN_SD * stdev(means) or None if len(means) > 1 else None
