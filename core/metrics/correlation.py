"""Correlations of score columns with length, the prompts weighted: by ones for the sample, by counts for a bootstrap.

A response weighs as much as its prompt. Whole-number weights give what the sample with repeated responses would give,
ties of the repeats included, so a resample is never written out or sorted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

LEAST_IN_PROMPT = 3  # with two responses, ranks inside a prompt say no more than which is longer
_BLOCK = 1 << 16  # values ranked at once: they stay in the processor's cache
_ROUNDING = 1e-12  # a variance below this share of the mean square is rounding


def ordered_codes(values: Floats, prompts: Codes) -> Codes:
    """Whole numbers in the order of (prompt, value), equal only where both are equal."""
    order = np.lexsort((values, prompts))
    keys, held = values[order], prompts[order]
    codes = np.zeros(len(values), dtype=np.intp)
    codes[order[1:]] = np.cumsum((keys[1:] != keys[:-1]) | (held[1:] != held[:-1]))
    return codes


def centred_ranks(values: Floats, prompts: Codes) -> Floats:
    """Mid-ranks inside each prompt minus their mean there; 0 in prompts of fewer than 3 values.

    Centred, because the mean rank of a prompt is a matter of its size alone.
    """
    codes, sizes = ordered_codes(values, prompts), np.bincount(prompts)
    counts = np.bincount(codes)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[codes]
    means = np.cumsum(sizes) - (sizes - 1) / 2
    return np.where(sizes[prompts] >= LEAST_IN_PROMPT, ranks - means[prompts], 0.0)


class _Ranking:
    """Mid-ranks of a column under weights.

    Args:
        values: The column.
        prompts: The prompt of each value.
    """

    def __init__(self, values: Floats, prompts: Codes) -> None:
        order = np.argsort(values, kind="stable")
        ascending = values[order]
        last = np.append(ascending[1:] != ascending[:-1], True)
        self._ends, self._prompts = np.flatnonzero(last), prompts[order]
        self._groups = np.empty(len(values), dtype=np.intp)
        self._groups[order] = np.cumsum(last) - last

    def __call__(self, weights: NDArray[np.int32]) -> tuple[Floats, Floats]:
        """The rank of each value, (rows, values), and n times the ranks' variance, (rows,)."""
        upto = np.cumsum(np.take(weights, self._prompts, axis=1, mode="clip"), axis=1, dtype=np.int32)
        upto = np.take(upto, self._ends, axis=1, mode="clip")
        sizes = np.diff(upto, axis=1, prepend=np.int32(0))
        ranks = (2 * upto - sizes + 1) / 2
        spread = upto[:, -1].astype(np.float64) ** 3 - np.einsum("rg,rg,rg->r", sizes, sizes, sizes, dtype=np.float64)
        return np.take(ranks, self._groups, axis=1, mode="clip"), spread / 12


class _Lengths:
    """The lengths of the responses that some columns have values for."""

    def __init__(self, lengths: Floats, prompts: Codes, n_prompts: int) -> None:
        self.prompts, self.n_prompts = prompts, n_prompts
        self.values, self.within = _standard(lengths), centred_ranks(lengths, prompts)
        self.ranking = _Ranking(lengths, prompts)
        ones = np.ones(len(lengths))
        self.sums = self.by_prompt(ones, self.values, self.values**2, self.within**2)

    def by_prompt(self, *columns: Floats) -> Floats:
        """Sums over the responses of each prompt, (prompts, columns)."""
        return np.column_stack([np.bincount(self.prompts, column, self.n_prompts) for column in columns])

    def weighted_ranks(self, weights: NDArray[np.int32]) -> tuple[Floats, Floats, Floats]:
        """Weight times rank, (rows, values); n times the ranks' variance and the weight in all, (rows,)."""
        ranks, spread = self.ranking(weights)
        each = np.take(weights, self.prompts, axis=1, mode="clip")
        return ranks * each, spread, each.sum(axis=1, dtype=np.float64)


class _Column:
    """The values of one column with their lengths."""

    def __init__(self, values: Floats, lengths: _Lengths) -> None:
        standard, within = _standard(values), centred_ranks(values, lengths.prompts)
        self.lengths, self.ranking = lengths, _Ranking(values, lengths.prompts)
        self.sums = lengths.by_prompt(standard, standard**2, standard * lengths.values, within**2)
        self.crossed = lengths.by_prompt(within * lengths.within)

    def linear(self, weights: Floats) -> tuple[Floats, Floats]:
        """Pearson, and Spearman of the ranks inside each prompt, both (rows,)."""
        n, x, xx, rr = (weights @ self.lengths.sums).T
        v, vv, xv, ss = (weights @ self.sums).T
        pearson = _over_root(n * xv - x * v, n * xx - x**2, n * vv - v**2, _ROUNDING * n**2)
        return pearson, _over_root((weights @ self.crossed)[:, 0], rr, ss, np.zeros(len(weights)))


class Correlations:
    """Pearson, Spearman and within-prompt Spearman of columns with length.

    Args:
        lengths: Shape (n,), finite.
        prompts: The prompt of each response as a number from 0 on, shape (n,).
        columns: Values of each column, shape (n,), within +-1e150 or so; NaN for null.
    """

    def __init__(self, lengths: Floats, prompts: Codes, columns: Sequence[Floats]) -> None:
        n_prompts = int(prompts.max()) + 1
        subsets: dict[bytes, _Lengths] = {}
        self._columns = []
        for values in columns:
            known = ~np.isnan(values)
            key = known.tobytes()  # columns with the same nulls share the ranks of the lengths
            if key not in subsets:
                subsets[key] = _Lengths(lengths[known], prompts[known], n_prompts)
            self._columns.append(_Column(values[known], subsets[key]))
        self._columns_of = {
            subset: [i for i, column in enumerate(self._columns) if column.lengths is subset]
            for subset in subsets.values()
        }

    def under(self, weights: Floats) -> Floats:
        """The correlations under weights.

        Args:
            weights: Whole numbers, shape (rows, prompts).

        Returns:
            Shape (rows, columns, 3): Pearson, Spearman, within-prompt Spearman; NaN where one side does not vary.
        """
        found = np.full((len(weights), len(self._columns), 3), np.nan)
        for place, column in enumerate(self._columns):
            found[:, place, 0], found[:, place, 2] = column.linear(weights)
        counts = weights.astype(np.int32)
        for lengths, places in self._columns_of.items():
            rows = max(1, _BLOCK // len(lengths.prompts))
            for start in range(0, len(counts), rows):
                block = slice(start, start + rows)
                found[block, places, 1] = self._spearman(counts[block], lengths, places)
        return found

    def _spearman(self, weights: NDArray[np.int32], lengths: _Lengths, places: Sequence[int]) -> Floats:
        """Spearman of the columns in these places, which share their lengths; (rows, places)."""
        ranks, spread, n = lengths.weighted_ranks(weights)
        centre = n * ((n + 1) / 2) ** 2
        found = np.empty((len(weights), len(places)))
        for i, place in enumerate(places):
            others, other_spread = self._columns[place].ranking(weights)
            found[:, i] = _over_root(np.einsum("rn,rn->r", ranks, others) - centre, spread, other_spread, 0 * n)
        return found


def _standard(values: Floats) -> Floats:
    """The values less their mean, in units of the largest distance from it."""
    distances = values - values.mean()
    return np.asarray(distances / (np.abs(distances).max() or 1.0))


def _over_root(over: Floats, a: Floats, b: Floats, least: Floats) -> Floats:
    """``over / sqrt(a b)``; NaN where a or b is not above the least that is no rounding."""
    known = (a > least) & (b > least)
    roots = np.sqrt(np.where(known, a, 1.0)) * np.sqrt(np.where(known, b, 1.0))
    return np.where(known, np.clip(over / roots, -1.0, 1.0), np.nan)
