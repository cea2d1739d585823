"""Which options a method of `train` takes: one that it would not read is refused, not dropped. Free of torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..catalog import METHODS, names
from ..errors import UsageError
from .settings import flag

# What every method takes, by the names of the settings.
COMMON = frozenset(
    {
        "epochs", "max_steps", "batch_size", "grad_accum", "learning_rate", "max_length", "lora_r", "lora_alpha",
        "lora_targets", "save_steps", "seed", "four_bit", "gradient_checkpointing", "head",
    }
)  # fmt: skip


def refuse_foreign(method: str, takes: Collection[str], given: Mapping[str, Any]) -> None:
    """Refuse options that a method does not read.

    Args:
        method: Its name.
        takes: What it takes beyond `COMMON`.
        given: Options by the names of the settings; None is not given.

    Raises:
        UsageError: One of them is not for this method; those that take it are named.
    """
    for name, value in given.items():
        if value is None or name in COMMON or name in takes:
            continue
        others = [other for other in names(METHODS, "train") if name in METHODS[other].load().training.takes]
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
