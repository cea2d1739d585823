"""Values by unit in eight bytes each, beside one list of names for all metrics."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence, ValuesView
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1 << 16


class Flat(Sequence[float | None]):
    """Numbers in a fixed order, of which some are undefined.

    Args:
        numbers: One a unit, [n]; NaN where undefined.
        whole: Whether they are whole numbers, which stay so.
    """

    def __init__(self, numbers: NDArray[np.float64], *, whole: bool = False) -> None:
        self._numbers, self._whole = numbers, whole

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> float | None: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[float | None]: ...

    def __getitem__(self, place: int | slice) -> float | Sequence[float | None] | None:
        if isinstance(place, slice):
            return Flat(self._numbers[place], whole=self._whole)
        return self._read(float(self._numbers[place]))

    def __iter__(self) -> Iterator[float | None]:
        for start in range(0, len(self), _BLOCK):
            yield from map(self._read, self._numbers[start : start + _BLOCK].tolist())

    def _read(self, number: float) -> float | None:
        if number != number:
            return None
        return int(number) if self._whole else number


class ByName(Mapping[str, float | None]):
    """Values by the names of their units.

    Args:
        names: Sorted; several metrics share the list.
        values: In their order.
    """

    def __init__(self, names: Sequence[str], values: Flat) -> None:
        self.names, self.values_in_order = names, values

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __getitem__(self, name: str) -> float | None:
        return self.values_in_order[_place(self.names, name)]

    def values(self) -> ValuesView[float | None]:
        """The values, without a look at the names."""
        return _Values(self, self.values_in_order)


class Sizes(Mapping[str, Sequence[Any]]):
    """How many responses each unit has, in the place of responses that are not here.

    Args:
        names: Sorted.
        sizes: In their order, [n].
    """

    def __init__(self, names: Sequence[str], sizes: NDArray[np.int64]) -> None:
        self._names, self._sizes = names, sizes

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __getitem__(self, name: str) -> Sequence[Any]:
        return range(int(self._sizes[_place(self._names, name)]))

    def values(self) -> ValuesView[Sequence[Any]]:
        """Likewise, without a look at the names."""
        return _Values(self, list(map(range, self._sizes.tolist())))


class _Values(ValuesView[Any]):
    """Values that are at hand in their order."""

    def __init__(self, mapping: Mapping[str, Any], found: Iterable[Any]) -> None:
        super().__init__(mapping)
        self._found = found

    def __iter__(self) -> Iterator[Any]:
        return iter(self._found)


def _place(names: Sequence[str], name: str) -> int:
    place = bisect_left(names, name)
    if place == len(names) or names[place] != name:
        raise KeyError(name)
    return place


def names_of(units: Mapping[str, Any]) -> Sequence[str]:
    """The names of units, sorted."""
    return units.names if isinstance(units, ByName) else sorted(units)


def in_order(units: Mapping[str, float | None], names: Sequence[str]) -> Sequence[float | None]:
    """The values of units in the order of these names."""
    if isinstance(units, ByName) and units.names is names:
        return units.values_in_order
    return [units[name] for name in names]
