"""What a metric does with length, one number or curve each: slope, bins, longer-wins share, verdict."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from .correlation import Codes, Floats, ordered_codes

Verdict = Literal["favours long", "favours short", "little"]

BINS = 10
LEAST_CORRELATION = 0.10
PER = 10  # slopes are given for so many words


def slope(lengths: Floats, values: Floats) -> float | None:
    """Change of the metric per 10 units of length, by least squares; None where all lengths are equal."""
    x, y = lengths - lengths.mean(), values - values.mean()
    spread = float(x @ x)
    return PER * float(x @ y) / spread if spread > 0 else None


def binned(lengths: Floats, values: Floats, bins: int = BINS) -> list[tuple[float, float, int, float | None]]:
    """The metric along the length, in bins of equal count; equal lengths share the bin of their middle rank.

    Args:
        lengths: Shape (n,).
        values: Shape (n,).
        bins: How many; fewer where lengths are few or often equal.

    Returns:
        Mean length, mean value, n, and standard error of the mean value (None for a single one) of each bin.
    """
    ordered = np.sort(lengths)
    before, up_to = np.searchsorted(ordered, lengths, "left"), np.searchsorted(ordered, lengths, "right")
    place = (before + up_to) * bins // (2 * len(lengths))  # of the middle rank, scaled to 0..bins - 1
    parts = [np.flatnonzero(place == each) for each in np.unique(place)]
    return [
        (
            float(lengths[part].mean()),
            float(values[part].mean()),
            len(part),
            float(values[part].std(ddof=1)) / math.sqrt(len(part)) if len(part) > 1 else None,
        )
        for part in parts
    ]


def longer_wins(lengths: Floats, values: Floats, prompts: Codes, direction: str) -> tuple[float | None, int]:
    """How often the longer of two responses to one prompt has the better value, over all pairs of unequal length.

    Exact, in n log n steps: with the prompt as the leading key of both orders every pair of two prompts is
    concordant, so that one Kendall count over all responses holds the count inside the prompts.

    Args:
        lengths: Shape (n,).
        values: Shape (n,).
        prompts: Shape (n,).
        direction: ``-`` where lower is better; else higher is.

    Returns:
        The share, ties 1/2, and the number of pairs; (None, 0) without a pair.
    """
    from scipy.stats import kendalltau

    longer, higher = ordered_codes(lengths, prompts), ordered_codes(values, prompts)
    every = math.comb(len(lengths), 2)
    same_prompt, same_length, same_value = _pairs(prompts), _pairs(longer), _pairs(higher)
    unequal = same_prompt - same_length
    if not unequal:
        return None, 0
    lead = 0
    if every > same_value:
        tau = float(kendalltau(longer, higher, method="asymptotic").statistic)
        concordant_lead = round(tau * math.sqrt(every - same_length) * math.sqrt(every - same_value))
        lead = concordant_lead - (every - same_prompt)
    return (1 + (-lead if direction == "-" else lead) / unequal) / 2, unequal


def _pairs(codes: Codes) -> int:
    """Pairs of equal codes."""
    counts = np.bincount(codes)
    return int((counts * (counts - 1) // 2).sum())


def verdict(direction: str, overall: float, within: float | None) -> Verdict:
    """Whether a metric rewards length.

    Args:
        direction: ``-`` where lower is better; else higher is.
        overall: Spearman with length over all responses.
        within: Spearman inside the prompts. None, where no prompt has 3 values, leaves the verdict to the overall one.
    """
    found = [value if direction != "-" else -value for value in (overall, within) if value is not None]
    if min(found) >= LEAST_CORRELATION:
        return "favours long"
    return "favours short" if max(found) <= -LEAST_CORRELATION else "little"


def scaled_values(values: Floats) -> tuple[Floats, int]:
    """The values over a power of two, within +-1 so that no square overflows, and its exponent; NaN stays."""
    known = values[~np.isnan(values)]
    exponent = int(np.frexp(np.abs(known).max())[1]) if len(known) else 0
    return np.ldexp(values, -exponent), exponent


def numbers(lengths: Floats, values: Floats, exponent: int, prompts: Codes, direction: str) -> dict[str, Any]:
    """Mean, spread, slope, bins and longer-wins share of a column that varies, as plain data.

    Args:
        lengths: Shape (n,).
        values: Shape (n,), scaled.
        exponent: Of the power of two that they were scaled by.
        prompts: Shape (n,).
        direction: ``-`` where lower is better.
    """
    spread, change = float(values.std(ddof=1)), slope(lengths, values)
    share, pairs = longer_wins(lengths, values, prompts, direction)

    def unscaled(value: float | None) -> float | None:
        if value is None:
            return None
        whole = float(np.ldexp(value, exponent))
        return whole if math.isfinite(whole) else None

    return {
        "mean": unscaled(float(values.mean())),
        "sd": unscaled(spread),
        "slope_per_10": unscaled(change),
        "slope_per_10_sd": None if change is None else change / spread,
        "bins": [
            {"length": length, "value": unscaled(value), "n": n, "se": unscaled(error)}
            for length, value, n, error in binned(lengths, values)
        ],
        "longer_wins": share,
        "longer_wins_pairs": pairs,
    }
