"""Cells of Arrow columns as JSON values: which types have any, and which cells have none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from .errors import reason, require_extra


def arrow() -> Any:
    """The package.

    Raises:
        DivtoolError: It is not installed.
    """
    require_extra("pyarrow", "parquet")
    import pyarrow

    return pyarrow


def readable(kind: Any) -> Any:
    """The type that a column is read as; None where JSON has nothing like it."""
    pa = arrow()
    t = pa.types
    if isinstance(kind, (pa.JsonType, pa.UuidType)) or t.is_null(kind) or t.is_boolean(kind) or t.is_integer(kind):
        return kind
    if t.is_floating(kind):
        return pa.float32() if t.is_float16(kind) else kind
    if t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind):
        return pa.string() if t.is_string(kind) else pa.large_string()
    if t.is_timestamp(kind) or t.is_date(kind) or t.is_time(kind):
        return pa.string()
    if t.is_decimal(kind):
        # What SQL writes for 0.5, and for whole numbers beyond 64 bits.
        return pa.int64() if kind.scale <= 0 and kind.precision <= 18 else pa.float64()
    if t.is_dictionary(kind):
        return readable(kind.value_type)
    return _nested(kind)


def _nested(kind: Any) -> Any:
    pa = arrow()
    t = pa.types
    if t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
        of = readable(kind.value_type)
        made: Callable[[Any], Any] = pa.large_list if t.is_large_list(kind) else pa.list_
        return None if of is None else made(of)
    if t.is_map(kind):
        key, item = readable(kind.key_type), readable(kind.item_type)
        named = key is not None and (t.is_string(key) or t.is_large_string(key) or t.is_integer(key))
        return pa.map_(key, item) if named and item is not None else None
    if t.is_struct(kind) and len({field.name for field in kind}) == kind.num_fields:
        fields = [(field.name, readable(field.type)) for field in kind]
        return None if any(of is None for _, of in fields) else pa.struct(fields)
    return None


def values(name: str, column: Any, faults: dict[int, str]) -> list[Any]:
    """The cells of a column as JSON values.

    Args:
        name: Of the column.
        column: Of a type that `readable` gives.
        faults: Takes what is wrong with a row that holds none, by number.
    """
    pa = arrow()
    try:
        found = _listed(column)
    except (ValueError, KeyError):
        found = [_cell(name, column[number], number, faults) for number in range(len(column))]
    if isinstance(column.type, pa.JsonType):
        return [_parsed(name, text, number, faults) for number, text in enumerate(found)]
    if _endless(column):
        for number, value in enumerate(found):
            if _is_endless(value):
                faults.setdefault(number, f"column '{name}' holds NaN or an infinity, which JSON does not have")
    return found


def _listed(column: Any) -> list[Any]:
    """The cells of a column; the library's own way makes an object for every field of every row on the way."""
    pa = arrow()
    if not pa.types.is_struct(column.type) or not column.type.num_fields:
        values: list[Any] = column.to_pylist(maps_as_pydicts="strict")
        return values
    names = [field.name for field in column.type]
    made = [dict(zip(names, held, strict=True)) for held in zip(*map(_listed, column.flatten()), strict=True)]
    if not column.null_count:
        return made
    return [held if there else None for held, there in zip(made, column.is_valid().to_pylist(), strict=True)]


def _cell(name: str, cell: Any, number: int, faults: dict[int, str]) -> Any:
    try:
        return cell.as_py(maps_as_pydicts="strict")
    except UnicodeDecodeError as error:
        faults.setdefault(number, f"column '{name}' is not UTF-8 text (byte {error.start + 1})")
    except (ValueError, KeyError) as error:
        faults.setdefault(number, f"column '{name}' cannot be read ({reason(error)})")
    return None


def _parsed(name: str, text: str | None, number: int, faults: dict[int, str]) -> Any:
    if text is None:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        faults.setdefault(number, f"column '{name}' holds no valid JSON ({error.msg})")
        return None


def _endless(column: Any) -> bool:
    """Whether a number somewhere in a column is no number; looked at without making Python's numbers of it."""
    pa = arrow()
    import pyarrow.compute as pc

    t = pa.types
    if t.is_floating(column.type):
        return bool(pc.any(pc.invert(pc.is_finite(column))).as_py())
    if t.is_struct(column.type):
        return any(map(_endless, column.flatten()))
    if t.is_map(column.type):
        return _endless(column.items)
    if t.is_list(column.type) or t.is_large_list(column.type):
        return _endless(column.flatten())
    return False


def _is_endless(value: Any) -> bool:
    if isinstance(value, float):
        return value != value or value in (float("inf"), float("-inf"))
    if isinstance(value, dict):
        return any(map(_is_endless, value.values()))
    return isinstance(value, list) and any(map(_is_endless, value))
