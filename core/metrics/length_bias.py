"""The length-bias report: does a score reward long or short text? Every score column is held against the length.

Common diversity metrics and reward models follow length, some up and some down, so the sign is measured for each.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import KeysView, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ..errors import DivtoolError
from ..jsonl import Record, short_hash
from ..resampling import MIN_UNITS, RESAMPLES, bootstrap_weights, interval
from .catalog import METRICS
from .correlation import LEAST_IN_PROMPT, Codes, Correlations, Floats
from .length_statistics import numbers, scaled_values, verdict
from .text import tokenizer as find_tokenizer

LengthUnit = Literal["words", "tokens", "chars"]

FORMAT, VERSION = "divtool-length-bias", 1
LEAST_RESPONSES = 30
# These columns are the length itself, in the units that it can be counted in.
LENGTHS = frozenset({"words", "chars"})
_CORRELATIONS = ("pearson", "spearman", "within_prompt_spearman")
# Resampling costs about 10 ns a value: with these, 100,000 responses of 25 scores take half a minute.
_LEAST_RESAMPLES = 1_000
_MOST_WORDS = 2**53  # a larger number, or one below 0, is no count
_MOST_VALUES = 2_500_000_000


class LengthBias:
    """Collects scores and lengths of responses, 8 bytes a score, and reports how the one follows the other.

    Args:
        unit: What length is counted in. ``words`` are those of ``scores["words"]`` where it is there.
        seed: The run's seed, for the intervals.
        tokenizer: Name of the tokenizer that counts words.

    Raises:
        UsageError: No tokenizer has this name.
    """

    def __init__(self, unit: LengthUnit = "words", seed: int = 0, tokenizer: str = "word") -> None:
        self.unit, self.seed, self.tokenizer = unit, seed, tokenizer
        self._tokenize = find_tokenizer(tokenizer)
        self._lengths, self._prompts = array("d"), array("Q")
        self._columns: dict[str, array[float]] = {}

    @property
    def names(self) -> KeysView[str]:
        """The score columns seen so far."""
        return self._columns.keys()

    def __len__(self) -> int:
        """Responses seen so far."""
        return len(self._lengths)

    def add(self, group: Sequence[Record]) -> None:
        """Take in scored records of one prompt; a prompt may come in several parts."""
        if not group:
            return
        prompt = short_hash(group[0].get("prompt_id", group[0].get("prompt")))
        for record in group:
            for name, value in (record.get("scores") or {}).items():
                if name not in LENGTHS and value is not None:
                    _set(self._columns.setdefault(name, array("d")), len(self), value)
            self._lengths.append(self._length(record))
            self._prompts.append(prompt)

    def _length(self, record: Record) -> float:
        """The response's length; NaN where the record does not say how many tokens it has."""
        if self.unit == "chars":
            return len(record["response"].strip())
        if self.unit == "tokens":
            tokens = record.get("n_tokens")
            return math.nan if tokens is None else float(tokens)
        words = (record.get("scores") or {}).get("words")
        if words is not None and 0 <= words <= _MOST_WORDS:
            return float(words)
        return len(self._tokenize(record["response"]))

    def report(self, resamples: int = RESAMPLES) -> dict[str, Any]:
        """The report as plain data.

        A metric's numbers: ``n`` and ``n_null``; ``direction``; ``mean`` and ``sd``; the three correlations, each with
        its 95 % interval by resampling prompts (expanded percentiles; resamples in which a correlation is undefined
        are left out; null below 6 prompts); ``slope_per_10`` and ``slope_per_10_sd``, the change per 10 units of
        length, raw and in standard deviations; ``bins``; ``longer_wins`` and its pairs; ``verdict`` and ``note``.
        Correlations and slopes are those of the raw values; longer-wins and verdict count what the direction calls
        better, which is the higher value where there is no direction. ``words`` and ``chars`` are no metrics here.

        Args:
            resamples: Resamples of the prompts; fewer, but 1,000 at least, where values times resamples pass 2.5e9.

        Raises:
            DivtoolError: Fewer than 30 responses, or none says how many tokens it has.
        """
        lengths = np.array(self._lengths)
        known = ~np.isnan(lengths)
        if len(lengths) and not known.any():
            raise DivtoolError("no response says how many tokens it has; count length in words or chars instead")
        n = int(known.sum())
        if n < LEAST_RESPONSES:
            raise DivtoolError(
                f"a length-bias report needs at least {LEAST_RESPONSES} responses, and there are {n}; sample more"
            )
        columns = {name: _padded(column, len(self))[known] for name, column in self._columns.items()}
        # In the order of the hashes, so that the resamples do not hang on the order of the file.
        ids, prompts = np.unique(np.array(self._prompts)[known], return_inverse=True)
        resamples = min(resamples, max(_LEAST_RESAMPLES, _MOST_VALUES // max(1, n * len(columns))))
        if len(ids) < MIN_UNITS:
            resamples = 0
        return {
            "format": FORMAT,
            "version": VERSION,
            "unit": self.unit,
            "tokenizer": self.tokenizer if self.unit == "words" else None,
            "n_responses": n,
            "n_no_length": len(lengths) - n,
            "n_prompts": len(ids),
            "seed": self.seed,
            "resamples": resamples,
            "metrics": _metrics(lengths[known], prompts, columns, resamples, self.seed),
        }


def direction_of(name: str) -> str:
    """``+``, ``-`` or ``0`` of a score column; Diversity Deciles are always ``+``, unknown columns ``0``."""
    if name in METRICS:
        return METRICS[name].direction
    return "+" if name.startswith("dd_") else "0"


def _set(column: array[float], place: int, value: float) -> None:
    column.extend([math.nan] * (place - len(column)))
    column.append(value)


def _padded(column: array[float], n: int) -> Floats:
    return np.concatenate([np.array(column), np.full(n - len(column), np.nan)])


def _metrics(
    lengths: Floats, prompts: Codes, columns: Mapping[str, Floats], resamples: int, seed: int
) -> dict[str, dict[str, Any]]:
    """The report of every column; those that vary share their resamples."""
    scaled = {name: scaled_values(values) for name, values in columns.items()}
    faults = {name: _fault(lengths, values) for name, (values, _) in scaled.items()}
    usable = [name for name in columns if not faults[name]]
    correlations = Correlations(lengths, prompts, [scaled[name][0] for name in usable])
    point = correlations.under(np.ones((1, int(prompts.max()) + 1)))
    weights = bootstrap_weights(int(prompts.max()) + 1, seed=seed, task="length-bias", resamples=resamples)
    drawn = np.concatenate([point[:0], *map(correlations.under, weights)])
    metrics: dict[str, dict[str, Any]] = {}
    for name, (values, exponent) in scaled.items():
        known = ~np.isnan(values)
        direction = direction_of(name)
        metrics[name] = {"direction": direction, "n": int(known.sum()), "n_null": int((~known).sum())}
        if name not in usable:
            metrics[name] |= faults[name]
            continue
        place = usable.index(name)
        found = _estimates(point[0, place], drawn[:, place], prompts[known])
        metrics[name] |= found
        metrics[name] |= numbers(lengths[known], values[known], exponent, prompts[known], direction)
        metrics[name] |= _judged(direction, found["spearman"]["value"], found["within_prompt_spearman"]["value"])
    return metrics


def _fault(lengths: Floats, values: Floats) -> dict[str, str]:
    """Verdict and note of a scaled column that has no numbers; empty where it has."""
    known = ~np.isnan(values)
    if known.sum() < LEAST_RESPONSES:
        return {"verdict": "too few values", "note": f"fewer than {LEAST_RESPONSES} values"}
    if np.ptp(values[known]) == 0:
        return {"verdict": "constant", "note": "all values are equal"}
    return {"verdict": "constant length", "note": "all lengths are equal"} if np.ptp(lengths[known]) == 0 else {}


def _estimates(point: Floats, drawn: Floats, prompts: Codes) -> dict[str, dict[str, Any]]:
    """The correlations of a column, each with its interval; null where undefined."""
    sizes = np.bincount(prompts)
    every, within = int((sizes > 0).sum()), int((sizes >= LEAST_IN_PROMPT).sum())
    return {
        name: _estimate(float(point[i]), drawn[:, i], n_prompts)
        for i, (name, n_prompts) in enumerate(zip(_CORRELATIONS, (every, every, within), strict=True))
    }


def _estimate(value: float, draws: Floats, n_prompts: int) -> dict[str, Any]:
    defined = draws[~np.isnan(draws)]
    low = high = None
    if not math.isnan(value) and n_prompts >= MIN_UNITS and len(defined):
        low, high = (float(end) for end in interval(defined, n_prompts))
    return {"value": None if math.isnan(value) else value, "ci_low": low, "ci_high": high, "n_prompts": n_prompts}


def _judged(direction: str, overall: float, within: float | None) -> dict[str, str]:
    note = "" if within is not None else "undefined within prompts: the verdict is that of the overall value"
    return {"verdict": verdict(direction, overall, within), "note": note}
