"""Which runs of `select` can read parts of their input apart."""

from __future__ import annotations

from typing import Any

from ..catalog import METHODS, get, names
from ..errors import UsageError
from .options import flag


def check_spreads(method: str, options: Any, asked: str = "--engine ray") -> None:
    """Refuse a run whose first pass looks at more than one prompt at a time.

    Args:
        method: Its name.
        options: What the user set.
        asked: What asks for parts, as a user types it.

    Raises:
        UsageError: The method, or an option, needs the whole input in one place; the methods that do not are named.
    """
    recipe = _recipe(method)
    if not recipe.spreads:
        able = ", ".join(name for name in names(METHODS, "select") if _recipe(name).spreads)
        raise UsageError(f"{asked}: {method} runs on one machine; these can be spread: {able}")
    for name, value in recipe.spreads_with.items():
        if getattr(options, name) != value:
            instead = f"give {flag(name)} {value}" if value is not None else f"leave out {flag(name)}"
            given = f"{flag(name)} {getattr(options, name)}"
            raise UsageError(f"{asked}: {method} with {given} runs on one machine; {instead} to spread it")


def _recipe(method: str) -> Any:
    return get("method", METHODS, method, "select").load().selection
