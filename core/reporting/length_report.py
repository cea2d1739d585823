"""Length-bias reports made uniform: every value is checked, as a file may hold anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..jsonl import Record
from .text import as_list, as_mapping, as_name, as_number, title_words

_METRICS = 200  # of a report; a page can hold no more
_BINS = 50
_FARTHEST = 10.0  # standard deviations; no mean of a tenth of the values is farther than 3 from the mean of all
_SIGNS = {"+": " \u2191", "-": " \u2193"}


@dataclass(frozen=True, slots=True)
class LengthBin:
    """Responses of about one length."""

    length: float
    value: float
    n: float | None
    error: float | None


@dataclass(frozen=True, slots=True)
class LengthMetric:
    """One metric's numbers; None where the report has none. ``spearman`` is a value and its interval."""

    name: str
    direction: str
    verdict: str
    n: float | None
    spearman: tuple[float | None, float | None, float | None]
    within: float | None
    pearson: float | None
    slope: float | None
    longer_wins: float | None
    mean: float | None
    sd: float | None
    bins: Sequence[LengthBin]

    @property
    def sign(self) -> int:
        """What makes higher better."""
        return -1 if self.direction == "-" else 1

    @property
    def strength(self) -> float:
        """The size of the correlation, 0 where there is none."""
        return abs(self.spearman[0] or 0.0)

    @property
    def label(self) -> str:
        """The name in words and the direction as an arrow."""
        return title_words(self.name) + _SIGNS.get(self.direction, "")

    def curve(self) -> list[tuple[float, float, float, float]]:
        """Length, mean score in standard deviations from the mean of all, higher better, and the ends of its band."""
        points = []
        for point in self.bins if self.mean is not None and self.sd is not None and self.sd > 0 else ():
            height = self.sign * (point.value - (self.mean or 0.0)) / (self.sd or 1.0)
            reach = 2 * (point.error or 0.0) / (self.sd or 1.0)
            if abs(height) <= _FARTHEST and 0 <= reach <= _FARTHEST:
                points.append((point.length, height, height - reach, height + reach))
        return points


@dataclass(frozen=True, slots=True)
class LengthReport:
    """A length-bias report that was given, or made from scored responses."""

    label: str
    unit: str
    n: float | None
    prompts: float | None
    metrics: Sequence[LengthMetric]

    @property
    def content(self) -> frozenset[tuple[Any, ...]]:
        """Equal for two reports on the same scores, whatever their resamples."""
        return frozenset(
            (self.unit, m.name, m.n, None if m.spearman[0] is None else round(m.spearman[0], 6)) for m in self.metrics
        )


def uniform_report(label: str, record: Record) -> LengthReport:
    """A report with every key present.

    Args:
        label: The file or run that it belongs to.
        record: What the file holds.
    """
    given = list(as_mapping(record.get("metrics")).items())[:_METRICS]
    return LengthReport(
        label=label,
        unit=as_name(record.get("unit")) or "words",
        n=as_number(record.get("n_responses")),
        prompts=as_number(record.get("n_prompts")),
        metrics=[_metric(name, as_mapping(value)) for name, value in given],
    )


def _metric(name: str, value: Any) -> LengthMetric:
    spearman = as_mapping(value.get("spearman"))
    bins = [
        LengthBin(length, mean, as_number(b.get("n")), as_number(b.get("se")))
        for b in map(as_mapping, as_list(value.get("bins"))[:_BINS])
        if (length := as_number(b.get("length"))) is not None and (mean := as_number(b.get("value"))) is not None
    ]
    direction = value.get("direction")
    return LengthMetric(
        name=as_name(name),
        direction=direction if direction in ("+", "-") else "0",
        verdict=as_name(value.get("verdict")),
        n=as_number(value.get("n")),
        spearman=(_unit(spearman.get("value")), _unit(spearman.get("ci_low")), _unit(spearman.get("ci_high"))),
        within=_unit(as_mapping(value.get("within_prompt_spearman")).get("value")),
        pearson=_unit(as_mapping(value.get("pearson")).get("value")),
        slope=as_number(value.get("slope_per_10_sd")),
        longer_wins=_unit(value.get("longer_wins")),
        mean=as_number(value.get("mean")),
        sd=as_number(value.get("sd")),
        bins=bins,
    )


def _unit(value: Any) -> float | None:
    """A number of -1 to 1, else None."""
    known = as_number(value)
    return known if known is not None and -1 <= known <= 1 else None
