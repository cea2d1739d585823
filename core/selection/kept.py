"""The files in which a pass of `select` keeps what it found: its state as JSON, its numbers as arrays."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from ..passes import Store

_STATE, _NUMBERS = "state.json", "numbers.npz"


def keep_state(store: Store, state: Mapping[str, Any]) -> None:
    """Write plain data."""
    with store.open(_STATE, "wb") as file:
        file.write(orjson.dumps(state))


def kept_state(store: Store) -> dict[str, Any]:
    """What `keep_state` wrote."""
    with store.open(_STATE, "rb") as file:
        state: dict[str, Any] = orjson.loads(file.read())
    return state


def keep_arrays(store: Store, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by their names."""
    with store.open(_NUMBERS, "wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def kept_arrays(store: Store) -> dict[str, NDArray[Any]]:
    """What `keep_arrays` wrote."""
    with store.open(_NUMBERS, "rb") as file, np.load(file, allow_pickle=False) as found:
        return dict(found)


def extend(column: array[Any], values: NDArray[Any]) -> None:
    """Add an array to a flat one, as numbers of its type."""
    column.frombytes(np.ascontiguousarray(values, dtype=column.typecode).tobytes())
