"""The length-bias report as people see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import console
from .layout import Column

_NONE = "–"


def show_length_bias(report: Mapping[str, Any]) -> None:
    """A row a metric, the strongest correlation first.

    Args:
        report: What `LengthBias.report` gives.
    """
    from ..core.metrics.length_statistics import LEAST_CORRELATION

    unit, metrics = report["unit"], report["metrics"]
    console.table(
        f"Length bias: {report['n_responses']:,} responses to {report['n_prompts']:,} prompts, length in {unit}",
        (
            "metric",
            Column("dir", drop=2),
            "Spearman",
            Column("95 % interval", drop=3),
            Column("in prompt", drop=4),
            Column(f"sd/10 {unit}", drop=5),
            Column("longer wins", drop=1),
            Column("verdict", kind="words"),
        ),
        [_row(name, metrics[name]) for name in sorted(metrics, key=lambda name: -_strength(metrics[name]))],
    )
    console.note(
        "correlation and slope: raw value with length; longer wins, verdict: what the direction (dir) calls better"
    )
    console.note(
        f"a verdict takes |Spearman| of {LEAST_CORRELATION} over all responses and inside prompts; "
        f"intervals: {report['resamples']:,} resamples of the prompts"
    )


def _strength(metric: Mapping[str, Any]) -> float:
    """The size of the correlation; -1 for a column that has no numbers."""
    return abs(metric["spearman"]["value"]) if "spearman" in metric else -1.0


def _row(name: str, metric: Mapping[str, Any]) -> tuple[str, ...]:
    if "spearman" not in metric:
        return name, metric["direction"], *[_NONE] * 5, metric["verdict"]
    spearman, share = metric["spearman"], metric["longer_wins"]
    ends = _NONE if spearman["ci_low"] is None else f"[{spearman['ci_low']:.2f}, {spearman['ci_high']:.2f}]"
    return (
        name,
        metric["direction"],
        _signed(spearman["value"]),
        ends,
        _signed(metric["within_prompt_spearman"]["value"]),
        _signed(metric["slope_per_10_sd"]),
        _NONE if share is None else f"{share:.0%}",
        metric["verdict"],
    )


def _signed(value: float | None) -> str:
    return _NONE if value is None else f"{value:+.2f}"
