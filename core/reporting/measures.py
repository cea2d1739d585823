"""Measure records made uniform: every optional key has a value, and verdicts that are missing are worked out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from ..evaluation.statistics import Direction, headline_verdict, holm
from ..jsonl import Record
from .text import as_list, as_name, as_number, as_text, title_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One measure record. Strings are "" and numbers None where the record has none."""

    task: str
    metric: str
    run: str
    baseline: str
    role: str
    direction: str
    verdict: str
    note: str
    definition: str
    unit: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    baseline_value: float | None
    delta: float | None
    delta_ci_low: float | None
    delta_ci_high: float | None
    p_value: float | None
    p_adjusted: float | None
    family_size: float | None
    detectable_delta: float | None
    mean_words: float | None
    baseline_mean_words: float | None
    n_units: float | None
    n_prompts: float | None
    n_responses: float | None
    parse_rate_strict: float | None
    parse_rate: float | None
    front_share: float | None
    tradeoff: str
    length_flag: bool
    front: bool | None
    top_values: Sequence[tuple[str, float]]

    @property
    def name(self) -> str:
        """The metric in words."""
        return title_words(self.metric)

    @property
    def tone(self) -> str:
        """Whether the verdict is "good", "bad" or "open"."""
        if self.verdict in {"more", "not worse", "equivalent"}:
            return "good"
        return "bad" if self.verdict in {"less", "worse"} else "open"


_TEXTS = ("task", "metric", "baseline", "role", "direction", "verdict", "note", "definition", "unit", "tradeoff")
_TOP = 10
_LONG = ("definition", "note")
_NUMBERS = (
    "value", "ci_low", "ci_high", "baseline_value", "delta", "delta_ci_low", "delta_ci_high", "p_value", "p_adjusted",
    "family_size", "detectable_delta", "mean_words", "baseline_mean_words", "n_units", "n_prompts", "n_responses",
    "parse_rate_strict", "parse_rate", "front_share",
)  # fmt: skip


def catalog() -> dict[str, Any]:
    """The metric catalog's rows by name; empty where it cannot be loaded."""
    try:
        metrics = import_module("..metrics.catalog", __package__).METRICS
    except (ImportError, AttributeError):
        return {}
    return dict(metrics) if hasattr(metrics, "keys") else {metric.name: metric for metric in metrics}


def uniform(records: Sequence[Record]) -> list[Measure]:
    """Measure records with every key present.

    Without any `role` in the file, rows of diversity metrics count as headline rows. Without `p_adjusted`, the Holm
    correction over the headline rows gives it. Without `verdict`, a headline row's follows from its p.
    """
    known = catalog()
    rows = [_measure(record, known) for record in records]
    if not any(row.role for row in rows):
        rows = [replace(row, role="headline" if row.direction in {"+", "-"} else "detail") for row in rows]
    headline = [i for i, row in enumerate(rows) if row.role == "headline" and row.delta is not None]
    if not any(rows[i].p_adjusted is not None for i in headline):
        family = float(sum(rows[i].p_value is not None for i in headline))
        for i, p in zip(headline, holm([rows[i].p_value for i in headline]), strict=True):
            rows[i] = replace(rows[i], p_adjusted=p, family_size=None if p is None else family)
    for i in headline:
        rows[i] = replace(rows[i], verdict=rows[i].verdict or _verdict(rows[i]))
    return rows


def _measure(record: Record, known: dict[str, Any]) -> Measure:
    texts = {key: as_text(record.get(key)) if key in _LONG else as_name(record.get(key)) for key in _TEXTS}
    direction = texts["direction"] or str(getattr(known.get(texts["metric"]), "direction", ""))
    texts["direction"] = {"\u2212": "-", "\u2013": "-"}.get(direction, direction)
    return Measure(
        **texts,  # type: ignore[arg-type]
        **{key: as_number(record.get(key)) for key in _NUMBERS},  # type: ignore[arg-type]
        run=as_name(record.get("run") or record.get("model")) or "the run",
        length_flag=bool(record.get("length_flag")),
        front=record["front"] if isinstance(record.get("front"), bool) else None,
        top_values=_top_values(record.get("top_values")),
    )


def _top_values(value: Any) -> list[tuple[str, float]]:
    """Values and their counts, the most frequent first."""
    pairs = [pair for pair in as_list(value)[:_TOP] if isinstance(pair, list) and len(pair) == 2]
    known = [(as_name(name), n) for name, count in pairs if (n := as_number(count)) is not None and n > 0]
    return sorted(known, key=lambda pair: -pair[1])


def _verdict(row: Measure) -> str:
    direction: Direction = "-" if row.direction == "-" else "+"
    return headline_verdict(row.p_adjusted, row.delta, direction) or ""
