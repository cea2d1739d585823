"""Columns of a run that is read in parts."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DivtoolError
from .columns import Column
from .flat import ByName, Flat
from .judged_columns import reliability
from .task import Task

Floats = NDArray[np.float64]
_KEPT = ("metric", "direction", "definition", "role", "level", "null", "comparable", "of_words", "more", "note")


class Values:
    """A column of which the units come bit by bit: a number a prompt, in the order of the prompts.

    Args:
        column: What is known of it beside its units.
        used: Whether the column says how many responses it rests on.
    """

    def __init__(self, column: Column, *, used: bool) -> None:
        self._column, self._uses = replace(column, units={}, used=None, votes=None), used
        self._units = array("d")
        self._counts: Counter[str] = Counter()

    def add(self, column: Column, names: Sequence[str]) -> None:
        """Add the values of some prompts."""
        _check_same(self._column, column.metric)
        found = [column.units[name] for name in names]
        self._units.extend(np.nan if value is None else value for value in found)
        self._counts["fractions"] += sum(value is not None and not isinstance(value, int) for value in found)
        self._counts["of"] += column.of
        if column.used is not None:
            used = [column.used.get(name, 0) for name in names]
            self._counts["used"] += sum(used)
            self._counts["counted"] += sum(n for n, value in zip(used, found, strict=True) if value is not None)
        if column.votes is not None:
            self._counts.update(unread=column.votes[0], votes=column.votes[1])

    def absorb(self, facts: Mapping[str, Any], units: Floats) -> None:
        """Add what was kept."""
        _check_same(self._column, facts["column"]["metric"])
        self._units.frombytes(units.tobytes())
        self._counts.update(facts["counts"])

    def facts(self) -> dict[str, Any]:
        """What it is, as JSON values."""
        return {"column": _kept(self._column), "uses": self._uses, "counts": dict(self._counts)}

    def numbers(self) -> Floats:
        """Its values, NaN where undefined."""
        return np.array(self._units, dtype=np.float64)

    def column(self, names: Sequence[str], order: NDArray[np.int64], cut: str, task: Task) -> Column:
        """The column of all prompts.

        Args:
            names: The prompts, sorted.
            order: Of each of them, the place among those that were added.
            cut: How texts were cut, in place of what parts say of it; "" where they were not.
            task: The task.
        """
        counts, more = self._counts, dict(self._column.more)
        null_share = (counts["of"] - counts["used"]) / counts["of"] if counts["of"] else None
        if "null_share" in more:
            more["null_share"], null_share = null_share, None
        definition = self._column.definition
        if cut:
            definition = definition[: definition.rindex("; texts cut to ")] + f"; {cut}"
        return replace(
            self._column,
            units=ByName(names, Flat(self.numbers()[order], whole=not counts["fractions"])),
            counted=counts["counted"] if self._uses else None,
            null_share=null_share,
            of=counts["of"],
            more=more,
            definition=definition,
            note=reliability(counts["unread"], counts["votes"]) if "votes" in counts else self._column.note,
        )


class Tallied:
    """A column of the whole run that rests on counts, which come bit by bit; it is used as `Values`.

    Args:
        column: What is known of it beside its counts.
    """

    def __init__(self, column: Column) -> None:
        self._column = replace(column, units={}, tally=None)
        self._counts: Counter[str] = Counter()

    def add(self, column: Column, names: Sequence[str]) -> None:
        """Add the counts of some prompts."""
        _check_same(self._column, column.metric)
        self._counts.update(column.tally or {})

    def absorb(self, facts: Mapping[str, Any], units: Floats) -> None:
        """Add what was kept."""
        _check_same(self._column, facts["column"]["metric"])
        self._counts.update(facts["tally"])

    def facts(self) -> dict[str, Any]:
        """What it is, as JSON values."""
        return {"column": _kept(self._column), "tally": dict(self._counts)}

    def numbers(self) -> Floats:
        """It has no values of prompts, [0]."""
        return np.empty(0)

    def column(self, names: Sequence[str], order: NDArray[np.int64], cut: str, task: Task) -> Column:
        """The column of the run."""
        number = next(own.tally.number for own in task.own if own.name == self._column.metric and own.tally)
        return replace(self._column, units={"": number(self._counts)})


def gathers(column: Column) -> Values | Tallied:
    """What gathers a column whose prompts come bit by bit."""
    return Values(column, used=column.used is not None) if column.tally is None else Tallied(column)


def gathers_kept(facts: Mapping[str, Any]) -> Values | Tallied:
    """Likewise, of a column that was kept."""
    column = Column(units={}, **facts["column"])
    return Tallied(column) if "tally" in facts else Values(column, used=facts["uses"])


def _check_same(column: Column, metric: str) -> None:
    """Refuse the values of another metric.

    Raises:
        DivtoolError: It is another one.
    """
    if metric != column.metric:
        raise DivtoolError(f"one part has the row {metric} where another has {column.metric}")


def _kept(column: Column) -> dict[str, Any]:
    return {name: getattr(column, name) for name in _KEPT}
