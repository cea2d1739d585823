"""Which type the column of a key gets, and how any JSON record is kept in such columns without loss.

The columns are for whoever looks at the table. What they cannot say of a record stands in one more column, `REST`, as
JSON text: null where the columns say it all, else an object with some of these keys.

- ``absent``: columns whose key the record does not have (a null in any other column is the value null);
- ``json``: columns of text that hold the JSON of a value that is no text;
- ``exact``: values that their column holds in part or rounded, such as an object with a key more than the column knows;
- ``more``: keys that have no column, with their values;
- ``order``: the keys in the record's order, where it is not that of the columns.

It stands beside the values in every row, so that it survives programs that know nothing of it, and a cell that somebody
has changed counts for more than what is said of it here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import orjson

Record = dict[str, Any]
REST = "_divtool_rest"
FAULT = b"\0"  # begins a line that is no record, but says what is wrong with a row
_DEEPEST = 8
# A key that one row in a hundred has gets a column; a key that half of the objects have, a field.
_RARE_ROWS = 100
_RARE_FIELDS = 2


@dataclass(frozen=True, slots=True)
class Scalar:
    """A type without parts."""

    name: Literal["string", "int64", "double", "bool"]


@dataclass(frozen=True, slots=True)
class Items:
    """A list of values of one type."""

    of: Kind


@dataclass(frozen=True, slots=True)
class Fields:
    """An object with known keys, in order."""

    of: Mapping[str, Kind]


Kind = Scalar | Items | Fields
TEXT = Scalar("string")


class _MixedError(Exception):
    """No one type holds these values."""


def settled(records: Sequence[Record]) -> dict[str, Kind]:
    """The columns for such records: a type for each key that is not rare, in the order of first appearance."""
    counts = Counter(chain.from_iterable(records))
    counts.pop(REST, None)
    least = len(records) / _RARE_ROWS
    return {
        name: _top([record[name] for record in records if name in record])
        for name, count in counts.items()
        if count >= least
    }


def _top(values: Sequence[Any]) -> Kind:
    try:
        return _kind(values, _DEEPEST)
    except _MixedError:
        return TEXT  # as JSON


def _kind(values: Sequence[Any], depth: int) -> Kind:
    """The type of some values; text where all are null.

    Raises:
        _MixedError: They have none in common.
    """
    types = set(map(type, values)) - {type(None)}
    if types <= {str}:
        return TEXT
    if types == {bool}:
        return Scalar("bool")
    if types == {int} and all(value is None or _is_int64(value) for value in values):
        return Scalar("int64")
    if float in types and types <= {int, float}:
        return Scalar("double")
    if depth and types == {list}:
        return Items(_kind([item for value in values if value is not None for item in value], depth - 1))
    if depth and types == {dict}:
        return _fields([value for value in values if value is not None], depth - 1)
    raise _MixedError


def _fields(values: Sequence[Record], depth: int) -> Fields:
    counts = Counter(chain.from_iterable(values))
    # Where keys are data, such as the answers of a target, fields would be without end.
    if not counts or min(counts.values()) * _RARE_FIELDS < len(values):
        raise _MixedError
    return Fields({name: _kind([value[name] for value in values if name in value], depth) for name in counts})


def _is_int64(value: int) -> bool:
    return -(2**63) <= value < 2**63


def _held(value: Any, kind: Kind) -> tuple[Any, bool]:
    """What a cell of this type holds of a value, and whether that is all of it."""
    if value is None:
        return None, True
    if isinstance(kind, Scalar):
        return _SCALARS[kind.name](value)
    if isinstance(kind, Items):
        if type(value) is not list:
            return None, False
        items = [_held(item, kind.of) for item in value]
        return [cell for cell, _ in items], all(whole for _, whole in items)
    if type(value) is not dict:
        return None, False
    parts = {name: _held(value.get(name), of) for name, of in kind.of.items()}
    whole = list(value) == list(kind.of) and all(whole for _, whole in parts.values())
    return {name: cell for name, (cell, _) in parts.items()}, whole


def _held_text(value: Any) -> tuple[Any, bool]:
    return (value, True) if type(value) is str else (json_text(value), False)


def _held_int(value: Any) -> tuple[Any, bool]:
    return (value, True) if type(value) is int and _is_int64(value) else (None, False)


def _held_float(value: Any) -> tuple[Any, bool]:
    return (float(value), type(value) is float) if type(value) in (int, float) else (None, False)


def _held_bool(value: Any) -> tuple[Any, bool]:
    return (value, True) if type(value) is bool else (None, False)


_SCALARS: dict[str, Callable[[Any], tuple[Any, bool]]] = {
    "string": _held_text, "int64": _held_int, "double": _held_float, "bool": _held_bool,
}  # fmt: skip


def json_text(value: Any) -> str:
    """A value as JSON."""
    return orjson.dumps(value).decode()


def cells(record: Record, columns: Mapping[str, Kind]) -> list[Any]:
    """What stands in the columns for a record, and then what stands in `REST`."""
    row: list[Any] = []
    rest: dict[str, Any] = {"absent": [], "json": [], "exact": {}}
    for name, kind in columns.items():
        if name not in record:
            rest["absent"].append(name)
            row.append(None)
            continue
        cell, whole = _held(record[name], kind)
        row.append(cell)
        if not whole and kind == TEXT:
            rest["json"].append(name)
        elif not whole:
            rest["exact"][name] = record[name]
    there = [name for name in columns if name in record]
    if there != list(record):
        rest["more"] = {name: record[name] for name in record if name not in columns}
        if [*there, *rest["more"]] != list(record):
            rest["order"] = list(record)
    rest = {name: what for name, what in rest.items() if what}
    row.append(json_text(rest) if rest else None)
    return row


def restored(record: Record, text: str) -> Record:
    """The record that `cells` was given.

    Args:
        record: What the columns hold, all of them; it is changed.
        text: What `REST` holds, not null.

    Raises:
        ValueError: The text is not what `cells` writes, or a cell of JSON text holds none.
    """
    rest = _checked(text)
    for name in rest["absent"]:
        if name in record and record[name] is None:
            del record[name]
    for name in rest["json"]:
        if isinstance(record.get(name), str):
            record[name] = _loads(name, record[name])
    for name, value in rest["exact"].items():
        if name in record and _agrees(record[name], value):
            record[name] = value
    for name, value in rest["more"].items():
        record.setdefault(name, value)
    if rest["order"]:
        order = dict.fromkeys([*rest["order"], *record])
        record = {name: record[name] for name in order if name in record}
    return record


def _checked(text: str) -> dict[str, Any]:
    shape: dict[str, Any] = {"absent": list, "json": list, "exact": dict, "more": dict, "order": list}
    try:
        rest = orjson.loads(text)
    except (orjson.JSONDecodeError, TypeError):
        rest = None
    good = isinstance(rest, dict) and all(
        isinstance(what, shape.get(name, ())) and all(isinstance(key, str) for key in what)
        for name, what in rest.items()
    )
    if not good:
        raise ValueError(f"column '{REST}' does not hold what divtool writes there")
    return {name: rest.get(name, kind()) for name, kind in shape.items()}


def _loads(name: str, text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"column '{name}' holds no valid JSON ({error.msg})") from None


def _agrees(cell: Any, value: Any) -> bool:
    """Whether a cell is what `_held` leaves of a value: nobody has changed it since."""
    if cell is None:
        return True
    if isinstance(cell, dict):
        return isinstance(value, dict) and all(_agrees(part, value.get(name)) for name, part in cell.items())
    if isinstance(cell, list):
        same = isinstance(value, list) and len(cell) == len(value)
        return same and all(map(_agrees, cell, value))
    if isinstance(cell, str) and not isinstance(value, str):
        return cell == json_text(value)
    if isinstance(cell, float) and type(value) is int:
        return cell == float(value)
    return bool(cell == value) and isinstance(cell, bool) == isinstance(value, bool)
