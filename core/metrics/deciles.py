"""Diversity Deciles: where a response stands among reference texts of its own length (arXiv 2505.16245).

A map holds, for each metric and word count, the nine edges that cut the reference texts of about that length into
tenths. Population, window and tie rule are ours.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import __version__
from ..errors import DivtoolError
from ..jsonl import short_hash
from .registry import Metric

FORMAT, VERSION = "divtool-deciles", 1
MIN_ITEMS, MAX_HALFWIDTH = 60, 40  # wider windows would let the length back in
_FEW = 300  # reference texts; below, windows are wide and edges rough
_TENTHS = np.arange(1, 10) / 10

Floats = NDArray[np.float64]
DecileRow = tuple[int, int, int, list[float]]


def decile_edges(values: Floats) -> list[float]:
    """The nine quantiles at 10 %, 20 %, ..., 90 % of a window's values [texts], linearly interpolated, ascending."""
    found: list[float] = np.quantile(values, _TENTHS).tolist()
    return found


def diversity_decile(value: float, edges: Sequence[float], direction: int) -> float:
    """1 + (edges below the value + edges not above it) / 2, or 11 minus that for a metric that falls with diversity.

    Range [1, 10], higher is more diverse for every metric. Half steps are mid-ranks of ties.

    Args:
        value: The metric of one response.
        edges: Nine edges of the texts of its length, ascending.
        direction: 1 where a higher value is more diverse, -1 where a lower one is.
    """
    rank = 1 + (bisect_left(edges, value) + bisect_right(edges, value)) / 2
    return rank if direction > 0 else 11 - rank


def decile_rows(lengths: NDArray[np.int64], values: Floats) -> Iterator[DecileRow]:
    """A row (word count, half-width, texts, nine edges) for each word count that has a window.

    The window of n holds every text whose length is within w of n, for the smallest w that gives 60 texts; there is
    no row where that takes more than 40. Every n between the shortest and the longest text is tried, also one that no
    text has, as its neighbours on both sides speak for it; beyond them all neighbours lie on one side, and an edge
    would be an extrapolation.

    Args:
        lengths: Word counts [texts], ascending.
        values: The metric of the same texts, without NaN.
    """
    if len(lengths) < MIN_ITEMS:
        return
    counts = np.arange(lengths[0], lengths[-1] + 1)
    widths = np.full(len(counts), -1)
    for width in range(MAX_HALFWIDTH, -1, -1):
        inside = np.searchsorted(lengths, counts + width, "right") - np.searchsorted(lengths, counts - width, "left")
        widths[inside >= MIN_ITEMS] = width
    found = widths >= 0
    counts, widths = counts[found], widths[found]
    starts, ends = np.searchsorted(lengths, counts - widths, "left"), np.searchsorted(lengths, counts + widths, "right")
    for count, width, start, end in zip(counts.tolist(), widths.tolist(), starts.tolist(), ends.tolist(), strict=True):
        yield count, width, end - start, decile_edges(values[start:end])


class DecileBuilder:
    """Collects the scores of a reference population and makes a map of them.

    It keeps eight bytes a response and metric.

    Args:
        metrics: The metrics of the run; those of one value a response and with a direction go into the map.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = [m for m in metrics if m.direction != "0" and m.level in ("response", "group")]
        self._lengths = array("q")
        self._values = [array("d") for _ in self._metrics]
        self._prompts: set[int] = set()
        self._models: dict[str, None] = {}

    def add(self, words: int, scores: Mapping[str, float | None], prompt_id: str, model: str | None) -> None:
        """Take in one response; one without a word is left out.

        Args:
            words: Its length.
            scores: Its scores; null where undefined.
            prompt_id: The prompt that it answers.
            model: Who wrote it, if known.
        """
        if words < 1:
            return
        self._lengths.append(words)
        for metric, values in zip(self._metrics, self._values, strict=True):
            score = scores[metric.name]
            values.append(np.nan if score is None else score)
        self._prompts.add(short_hash(prompt_id))
        if model is not None:
            self._models[model] = None

    @property
    def warnings(self) -> list[str]:
        """What the user should know about this population, a line each."""
        n = len(self._lengths)
        return [f"only {n} reference texts: deciles of under {_FEW} are rough"] if n < _FEW else []

    def coverage(self, made: Mapping[str, Any]) -> str:
        """What a map of these texts covers, in words.

        Args:
            made: The map, as `build` gave it.
        """
        covered = {row[0] for table in made["metrics"].values() for row in table["rows"]}
        outside = sum(length not in covered for length in self._lengths) / len(self._lengths)
        return f"deciles for texts of {min(covered)} to {max(covered)} words; {outside:.0%} of these texts lie outside"

    def build(self, definitions: Mapping[str, str], *, tokenizer: str, sha256: str) -> dict[str, Any]:
        """The map as one JSON object; metrics without any window are left out of it.

        Args:
            definitions: How each metric was computed, by name; a reader of the map must compute it in the same way.
            tokenizer: What the word counts were made with.
            sha256: Hash of the reference file.

        Raises:
            DivtoolError: Fewer than 60 texts with a word, or their lengths lie too far apart for any window.
        """
        n = len(self._lengths)
        if n < MIN_ITEMS:
            raise DivtoolError(f"a decile map needs {MIN_ITEMS} reference texts with a word, here are {n}; sample more")
        metrics = self._metric_tables(definitions)
        if not metrics:
            raise DivtoolError(
                f"no decile map: no word count has {MIN_ITEMS} scored reference texts within {MAX_HALFWIDTH} words; "
                "sample more, or score a metric that has a direction"
            )
        reference = {
            "n_responses": n,
            "n_prompts": len(self._prompts),
            "model": ", ".join(self._models) or None,
            "sha256": sha256,
            "divtool": __version__,
        }
        window = {"min_items": MIN_ITEMS, "max_halfwidth": MAX_HALFWIDTH}
        head = {"format": FORMAT, "version": VERSION, "unit": "words", "tokenizer": tokenizer}
        return {**head, "reference": reference, "window": window, "metrics": metrics}

    def _metric_tables(self, definitions: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        lengths = np.frombuffer(self._lengths, dtype=np.int64)
        order = np.argsort(lengths, kind="stable")
        tables = {}
        for metric, column in zip(self._metrics, self._values, strict=True):
            values = np.frombuffer(column, dtype=np.float64)[order]
            defined = ~np.isnan(values)
            rows = [list(row) for row in decile_rows(lengths[order][defined], values[defined])]
            if rows:
                definition = definitions[metric.name]
                tables[metric.name] = {"direction": metric.sign, "definition": definition, "rows": rows}
        return tables
