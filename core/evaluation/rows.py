"""Columns of one or two sides to measure records: means, intervals, comparisons, and the notes that belong beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..jsonl import Record
from .columns import Column
from .runs import Run
from .sides import size
from .statistics import Comparison, Estimate, compare, estimate, headline_verdict, holm, noninferiority_verdict

# A length difference beyond this share of the baseline is flagged beside every diversity number.
_LENGTH_FLAG = 0.10
_USABLE_MARGIN = 0.05
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
    """

    run: Run
    columns: Sequence[Column]
    amount: str
    mean_words: float


def row(task: str, side: Side, other: Side | None, place: int, *, seed: int) -> Record:
    """One measure record.

    Args:
        task: Name of the task.
        side: The run.
        other: Its baseline, with the same columns, or None.
        place: Which column.
        seed: For resampling.
    """
    column, against = side.columns[place], other.columns[place] if other else None
    names = sorted(column.units)
    values = [column.units[name] for name in names]
    found: Estimate | Comparison
    if against is None:
        found = estimate(values, seed=seed, task=task)
    else:
        found = compare(values, [against.units[name] for name in names], seed=seed, task=task)
    of_run = column.level == "run"
    record: Record = {
        "task": task,
        "metric": column.metric,
        "value": found.value,
        "ci_low": found.ci_low,
        "ci_high": found.ci_high,
        "n_prompts": len(side.run.responses) if of_run else found.n_units,
        "n_responses": size(side.run),
        "model": side.run.model,
        "run": side.run.name,
        "unit": "run" if of_run else "prompt",
        "n_units": found.n_units,
        "role": column.role,
        "direction": column.direction,
        "mean_words": side.mean_words,
        "note": "" if of_run else _note(found, [column, *([against] if against else [])]),
        "definition": f"{column.definition}; {side.amount}",
    }
    if column.null_share is not None:
        record["null_share"] = column.null_share
    if isinstance(found, Comparison) and other is not None:
        record |= _against(found, column, side, other)
    return record


def length_flag(mean_words: float, base_words: float) -> bool:
    """Whether lengths differ so much that diversity numbers must be read with care."""
    return abs(mean_words - base_words) > _LENGTH_FLAG * max(base_words, 1e-9)


def adjusted(records: list[Record]) -> list[Record]:
    """Holm over the headline rows of the call, and their verdicts; detail rows stay exploratory."""
    headlines = [record for record in records if record["role"] == "headline" and "p_value" in record]
    for record, p in zip(headlines, holm([record["p_value"] for record in headlines]), strict=True):
        record["p_adjusted"] = p
        record["family_size"] = len(headlines)
        record["verdict"] = headline_verdict(p, record["delta"], record["direction"])
    return records


def _note(found: Estimate | Comparison, columns: Sequence[Column]) -> str:
    """What a reader must know beside the number: few units, and how much of it is null."""
    notes = [found.note] if found.note else []
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


def _against(found: Comparison, column: Column, side: Side, baseline: Side) -> Record:
    """The comparison's keys of a measure record."""
    verdict = None
    if column.role == "quality":
        verdict = noninferiority_verdict(found.delta_ci_low, found.delta_ci_high, _USABLE_MARGIN)
    return {
        "baseline": baseline.run.name,
        "baseline_value": found.baseline_value,
        "delta": found.delta,
        "delta_ci_low": found.delta_ci_low,
        "delta_ci_high": found.delta_ci_high,
        "p_value": found.p_value,
        "detectable_delta": found.detectable_delta,
        "baseline_mean_words": baseline.mean_words,
        "length_flag": length_flag(side.mean_words, baseline.mean_words),
        "verdict": verdict,
    }
