"""Which options a method of `train` takes: one that it would not read is refused, not dropped. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..catalog import METHODS, names
from ..errors import UsageError
from ..training.run_settings import RunSettings, flag

if TYPE_CHECKING:
    from .base import TrainRecipe


def settings_class(recipe: TrainRecipe) -> type[RunSettings]:
    """The class of a method's settings."""
    module, _, name = recipe.options.partition(":")
    found: type[RunSettings] = getattr(import_module(f"..{module}", __package__), name)
    return found


def taken(recipe: TrainRecipe) -> frozenset[str]:
    """The options that a method takes, by the names of the settings."""
    return settings_class(recipe).common | frozenset(recipe.takes)


def refuse_foreign(method: str, recipe: TrainRecipe, given: Mapping[str, Any]) -> None:
    """Refuse options that a method does not read.

    Args:
        method: Its name.
        recipe: How it trains.
        given: Options by the names of the settings; None is not given.

    Raises:
        UsageError: One of them is not for this method; those that take it are named.
    """
    own = taken(recipe)
    for name, value in given.items():
        if value is None or name in own:
            continue
        others = [other for other in names(METHODS, "train") if name in taken(METHODS[other].load().training)]
        raise UsageError(f"{flag(name)} is not for {method}; it is for: {', '.join(others)}")


def preset_of(
    method: str, presets: Mapping[str, Mapping[str, Any]], name: str | None, adapter: str | None
) -> Mapping[str, Any]:
    """The settings of a preset, or none; those of a fresh adapter only where there is no adapter yet.

    Raises:
        UsageError: The method has no such preset.
    """
    if name is None:
        return {}
    if name not in presets:
        raise UsageError(f"unknown preset '{name}' of {method}: known: {', '.join(presets)}")
    return {key: value for key, value in presets[name].items() if adapter is None or not key.startswith("lora_")}
