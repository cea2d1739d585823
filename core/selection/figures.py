"""Columns over preference pairs, and what the audit reports of them: lengths, correlations, cues."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from math import isnan, sqrt
from typing import Any, Literal

import numpy as np

from ..jsonl import Record
from ..metrics.correlation import Correlations
from ..metrics.text import Tokenizer, sentences
from .pair_columns import Column, Floats, Largest, Openings

SIDES = ("chosen", "rejected")
UNITS = ("words", "tokens", "chars")
_TOP = 10
_BINS = 11
_LEAST_CORRELATED = 3
# The sampler's count of tokens comes with the pair; the others are counted here.
_SIZES: Mapping[str, Literal["d", "i"]] = {"words": "i", "tokens": "d", "chars": "i", "sentences": "i", "types": "i"}


class PairTable:
    """Sizes of both sides, gaps and openings, a row a pair; no texts are kept.

    Args:
        tokenize: Text to words.
        quality: The score that judged quality, or None.
    """

    def __init__(self, tokenize: Tokenizer, quality: str | None = None) -> None:
        self._tokenize, self.quality_metric = tokenize, quality
        self._sizes = {(side, name): Column(kind) for side in SIDES for name, kind in _SIZES.items()}
        self._delta_tokens = Column()
        self.openings = {side: Openings() for side in SIDES}
        self.quality = {side: array("d") for side in SIDES}
        self.gaps = Column()
        self.largest = Largest(_TOP)
        self.equal = self.truncated = self.pairs = 0

    def add(self, pair: Record) -> None:
        """Measure a checked pair record."""
        texts = [self._measure(side, pair) for side in SIDES]
        self._delta_tokens.append(pair.get("delta_tokens"))
        raw = pair.get("gaps")
        gap = None if isinstance(raw, dict) and None in raw.values() else pair.get("gap", 0.0)
        self.gaps.append(gap)
        self.largest.add(self.gaps.last or 0.0, str(pair.get("prompt_id", self.pairs)))
        self.equal += texts[0] == texts[1]
        self.truncated += any(pair.get(f"{side}_finish_reason") == "length" for side in SIDES)
        self.pairs += 1

    def _measure(self, side: str, pair: Record) -> str:
        text = "\n".join(message["content"] for message in pair[side]).strip()
        words = self._tokenize(text)
        sizes = {
            "words": len(words),
            "tokens": pair.get(f"{side}_n_tokens"),
            "chars": len(text),
            "sentences": len(sentences(text)),
            "types": len(set(words)),
        }
        for name, size in sizes.items():
            self._sizes[side, name].append(size)
        self.openings[side].append(" ".join(words[:3]))
        quality = (pair.get(f"{side}_scores") or {}).get(self.quality_metric)
        if quality is not None:
            self.quality[side].append(quality)
        return text

    def side(self, side: str, name: str) -> Floats | None:
        """One size of one side, [pairs]; None for tokens that the sampler did not count."""
        return self._sizes[side, name].known()

    def delta(self, name: str) -> Floats | None:
        """Chosen minus rejected, [pairs]; None for tokens that the sampler did not count."""
        chosen, rejected = self.side("chosen", name), self.side("rejected", name)
        if chosen is not None and rejected is not None:
            return chosen - rejected
        return self._delta_tokens.known()


def figures(table: PairTable) -> dict[str, Any]:
    """Distributions, correlations and cues of at least one pair, as plain data."""
    gaps = table.gaps.filled()
    words = table.delta("words")
    assert words is not None, "words are counted here"
    return {
        "lengths": {unit: _lengths(table, unit) for unit in UNITS if table.delta(unit) is not None},
        "delta_histogram": _histogram(words),
        "longer_chosen_share": float((words > 0).sum() / (words != 0).sum()) if words.any() else None,
        "equal_length_share": float((words == 0).mean()),
        "correlation": _correlation(gaps, words),
        "cue_accuracy": _cues(table),
        "quality_metric": table.quality_metric,
        "quality": {side: float(np.mean(values)) if values else None for side, values in table.quality.items()},
        "largest_gaps": [{"prompt_id": name, "gap": float(gap)} for gap, name in table.largest.found()],
    }


def _lengths(table: PairTable, unit: str) -> dict[str, Any]:
    sides = {side: table.side(side, unit) for side in SIDES}
    delta = table.delta(unit)
    assert delta is not None
    known = {side: _summary(values) for side, values in sides.items() if values is not None}
    summary = _summary(delta)
    error = summary["sd"] / sqrt(len(delta))
    return {**known, "delta": {**summary, "t": summary["mean"] / error if error else None}}


def _summary(values: Floats) -> dict[str, float]:
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return {"mean": float(values.mean()), "median": float(middle), "sd": spread, "p5": float(low), "p95": float(high)}


def _histogram(delta: Floats) -> dict[str, list[float]]:
    reach = max(float(np.abs(delta).max()), 0.5)
    counts, edges = np.histogram(delta, bins=_BINS, range=(-reach, reach))
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _correlation(gaps: Floats, words: Floats) -> dict[str, float | None]:
    """Pearson and Spearman; None below 3 pairs, or where one side does not vary."""
    n = len(gaps)
    if n < _LEAST_CORRELATED:
        return {"pearson": None, "spearman": None}
    pearson, spearman, _ = Correlations(words, np.arange(n), [gaps]).under(np.ones((1, n)))[0, 0].tolist()
    return {name: None if isnan(r) else r for name, r in (("pearson", pearson), ("spearman", spearman))}


def _cues(table: PairTable) -> dict[str, float]:
    """How often a guess by one cue alone finds the chosen text; ties count one half."""
    named = {"longer": "words", "more tokens": "tokens", "more sentences": "sentences", "more types": "types"}
    found = {cue: delta for cue, name in named.items() if (delta := table.delta(name)) is not None}
    accuracy = {cue: float(((delta > 0) + 0.5 * (delta == 0)).mean()) for cue, delta in found.items()}
    return {**accuracy, "first three words": _opening_accuracy(table)}


def _opening_accuracy(table: PairTable) -> float:
    """Accuracy of the guess by the one opening that tells most."""
    return 0.5 + table.openings["chosen"].lead(table.openings["rejected"]) / (2 * table.pairs)


def telling_openings(table: PairTable, often: float, seldom: float) -> list[str]:
    """Openings that one side has in more than the share `often`, the other in less than `seldom`; one line each."""
    return [
        f"{n / table.pairs:.0%} of the {side} begin with '{opening}', hardly any of the {other}"
        for side, other in (SIDES, SIDES[::-1])
        for opening, n in table.openings[side].frequent(often)
        if table.openings[other].count(opening) < seldom * table.pairs
    ]
