"""What the scores of a run look like: how many, where they lie, how they spread, and whether they follow length."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..jsonl import Record
from .correlation import Floats
from .length_bias import LEAST_RESPONSES, LENGTHS, LengthBias, direction_of
from .length_statistics import scaled_values

BINS = 10
QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Distribution:
    """One score column.

    Attributes:
        name: The score.
        direction: ``+``, ``-`` or ``0``: which way is better.
        n: Responses that have it.
        missing: Responses for which it is null.
        mean: None where no response has it, like the rest.
        sd: Standard deviation, n - 1; None below two.
        quantiles: Minimum, lower quartile, median, upper quartile, maximum.
        counts: Responses in ten bins of equal width from minimum to maximum; one bin where all are equal.
        spearman: Rank correlation with the length in words, over all responses; None where there is none, below 30
            responses for one.
        follows: What it does with length: ``favours long``, ``favours short``, ``little``, ``length itself``, or why
            that is not known.
    """

    name: str
    direction: str
    n: int
    missing: int
    mean: float | None
    sd: float | None
    quantiles: tuple[float, ...] | None
    counts: tuple[int, ...]
    spearman: float | None
    follows: str


class Distributions:
    """Collects scored responses, 16 bytes a score.

    Args:
        names: The scores, in the order in which they are told.
        tokenizer: Name of the tokenizer that counts words.
    """

    def __init__(self, names: Sequence[str], tokenizer: str = "word") -> None:
        self._values = {name: array("d") for name in names}
        self._length = LengthBias("words", tokenizer=tokenizer)

    def add(self, group: Sequence[Record]) -> None:
        """Take in scored records of one prompt."""
        for record in group:
            for name, values in self._values.items():
                value = record["scores"].get(name)
                if value is not None:
                    values.append(value)
        self._length.add(group)

    def report(self) -> list[Distribution]:
        """One a score, in their order."""
        n = len(self._length)
        found = self._length.report(resamples=0)["metrics"] if n >= LEAST_RESPONSES else {}
        return [_described(name, np.array(values), n, found.get(name)) for name, values in self._values.items()]


def _described(name: str, values: Floats, n: int, biased: Mapping[str, Any] | None) -> Distribution:
    if name in LENGTHS:
        spearman, follows = None, "length itself"
    elif biased is None:
        spearman, follows = None, "too few values"
    else:
        spearman, follows = biased.get("spearman", {}).get("value"), biased["verdict"]
    # Scaled, so that no sum overflows.
    scaled, exponent = scaled_values(values)
    known = len(values) > 0
    counts = np.histogram(scaled, BINS)[0] if known and np.ptp(scaled) > 0 else [len(values)]
    return Distribution(
        name=name,
        direction=direction_of(name),
        n=len(values),
        missing=n - len(values),
        mean=_unscaled(scaled.mean(), exponent) if known else None,
        sd=_unscaled(scaled.std(ddof=1), exponent) if len(values) > 1 else None,
        quantiles=tuple(_unscaled(x, exponent) for x in np.quantile(scaled, QUANTILES)) if known else None,
        counts=tuple(map(int, counts)) if known else (),
        spearman=spearman,
        follows=follows,
    )


def _unscaled(value: Any, exponent: int) -> float:
    return float(np.ldexp(value, exponent))
