"""Settings that every training run has. Free of torch, so that a command line is checked before it is imported."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from ..errors import UsageError

BILLION = 1_000_000_000
_SEEDS = 1 << 32  # What NumPy's older generator takes, which the libraries set.
# Options whose name is not that of the setting.
_FLAGS = {"odds_weight": "--lambda", "four_bit": "--4bit", "held_out": "--eval-file"}


def flag(setting: str) -> str:
    """The option of a setting, as a user types it."""
    return _FLAGS.get(setting, f"--{setting.replace('_', '-')}")


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What a user sets of any run; None is filled in once the model and the device are known.

    Attributes:
        lora_r: Rank of the adapter; None is 16.
        lora_alpha: Its scale, applied as lora_alpha / lora_r; None is 32.
        lora_targets: Layers that get an adapter, by commas; None is every linear layer but the output.
        learning_rate: The highest one of the run.
        epochs: Passes over the records; None is what suits the model.
        max_steps: Optimiser steps, instead of `epochs`.
        batch_size: Records that are run together.
        clip: Largest gradient norm; None is any.
        seed: Fixes the adapter's first weights and the order of the records.
        four_bit: NF4 weights; None is on where there is CUDA.
        gradient_checkpointing: Compute activations twice to hold fewer; None is on from a billion parameters.
        common: The options that every method with these settings takes.
    """

    common: ClassVar[frozenset[str]] = frozenset(
        {
            "lora_r", "lora_alpha", "lora_targets", "learning_rate", "epochs", "max_steps", "batch_size", "seed",
            "four_bit", "gradient_checkpointing",
        }
    )  # fmt: skip
    lora_r: int | None = None
    lora_alpha: int | None = None
    lora_targets: str | None = None
    learning_rate: float | None = None
    epochs: float | None = 1.0
    max_steps: int | None = None
    batch_size: int = 1
    clip: float | None = 1.0
    seed: int = 0
    four_bit: bool | None = None
    gradient_checkpointing: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            UsageError: A value outside its range.
        """
        check_positive(self, "learning_rate", "epochs", "clip")
        check_at_least_one(self, "lora_r", "lora_alpha", "max_steps", "batch_size")
        if not 0 <= self.seed < _SEEDS:
            raise UsageError(f"--seed is {self.seed}, and training takes one below 2**32")

    def wants_four_bit(self, device_type: str) -> bool:
        """Whether to load NF4 weights on this kind of device."""
        return device_type == "cuda" if self.four_bit is None else self.four_bit

    def wants_checkpointing(self, parameters: int) -> bool:
        """Whether to compute the activations of a model of this size twice."""
        return parameters >= BILLION if self.gradient_checkpointing is None else self.gradient_checkpointing

    def adapter_values(self) -> dict[str, Any]:
        """Rank, scale and layers of a fresh adapter, nothing left open."""
        return {
            "lora_r": self.lora_r or 16,
            "lora_alpha": self.lora_alpha or 32,
            "lora_targets": self.lora_targets or "all-linear",
        }


def check_positive(settings: RunSettings, *names: str) -> None:
    """Raise `UsageError` where one of these, if set, is not a finite number above 0."""
    for name in names:
        value = getattr(settings, name)
        if value is not None and not 0 < value < math.inf:
            raise UsageError(f"{flag(name)} is {value}, not a number above 0")


def check_at_least_one(settings: RunSettings, *names: str) -> None:
    """Raise `UsageError` where one of these, if set, is below 1."""
    for name in names:
        value = getattr(settings, name)
        if value is not None and value < 1:
            raise UsageError(f"{flag(name)} is {value}, not 1 or more")


S = TypeVar("S", bound=RunSettings)


def settings_for(
    kind: type[S], recipe: Mapping[str, Any], given: Mapping[str, Any], preset: Mapping[str, Any] | None = None
) -> S:
    """The settings of a method, those of a preset over them, and over both what the user gave (not None)."""
    own = {key: value for key, value in given.items() if value is not None}
    return kind(**{**recipe, **(preset or {}), **own})
