"""Settings of a preference training run. Free of torch, so that a command line is checked before it is imported."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import UsageError

LOSSES = ("sigmoid", "sigmoid_norm")
EFFECTIVE_BATCH = 32
_BILLION = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """What a user sets; None is filled in by `filled` once the model and the device are known.

    Attributes:
        loss: "sigmoid" is DPO (arXiv 2305.18290); "sigmoid_norm" divides each log-ratio by its token count.
        beta: Strength of the tie to the reference; None is 0.1, or 5 for sigmoid_norm.
        ld_alpha: Share of the longer text's tail that counts (LD-DPO, arXiv 2409.06411); None is plain DPO.
        weighted: Multiply each pair's loss by its `weight`.
        lora_r: Rank of the adapter; None is 16.
        lora_alpha: Its scale, applied as lora_alpha / lora_r; None is 32.
        learning_rate: None is 5e-6, and 5e-5 for a model under a billion parameters.
        epochs: Passes over the pairs.
        max_steps: Optimiser steps, instead of `epochs`.
        batch_size: Pairs in one forward pass of one device.
        grad_accum: Forward passes an optimiser step; None makes a step of 32 pairs.
        warmup: Share of the steps over which the learning rate rises; it falls as a cosine after that.
        clip: Largest gradient norm.
        max_length: Tokens of prompt and response together; longer pairs are left out, never cut.
        seed: Fixes the adapter's first weights and the order of the pairs.
        four_bit: NF4 weights; None is on where there is CUDA.
        gradient_checkpointing: Compute activations twice to hold fewer; None is on from a billion parameters.
        save_steps: Steps between checkpoints; None is a tenth of the run.
    """

    loss: str = "sigmoid"
    beta: float | None = None
    ld_alpha: float | None = None
    weighted: bool = False
    lora_r: int | None = None
    lora_alpha: int | None = None
    learning_rate: float | None = None
    epochs: float = 1.0
    max_steps: int | None = None
    batch_size: int = 4
    grad_accum: int | None = None
    warmup: float = 0.1
    clip: float = 1.0
    max_length: int = 1024
    seed: int = 0
    four_bit: bool | None = None
    gradient_checkpointing: bool | None = None
    save_steps: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            UsageError: A value outside its range, or two that exclude each other.
        """
        if self.loss not in LOSSES:
            raise UsageError(f"unknown loss '{self.loss}': known: {', '.join(LOSSES)}")
        if self.ld_alpha is not None and self.loss == "sigmoid_norm":
            raise UsageError("--ld-alpha and --loss sigmoid_norm both correct for length: use one of them")
        if self.ld_alpha is not None and not 0 <= self.ld_alpha <= 1:
            raise UsageError(f"--ld-alpha is {self.ld_alpha}, not in [0, 1]")
        for option in ("beta", "learning_rate", "epochs", "clip"):
            value = getattr(self, option)
            if value is not None and not 0 < value < math.inf:
                raise UsageError(f"--{option.replace('_', '-')} is {value}, not a number above 0")
        for option in ("lora_r", "lora_alpha", "max_steps", "batch_size", "grad_accum", "max_length", "save_steps"):
            value = getattr(self, option)
            if value is not None and value < 1:
                raise UsageError(f"--{option.replace('_', '-')} is {value}, not 1 or more")
        if not 0 <= self.warmup < 1:
            raise UsageError(f"--warmup is {self.warmup}, not in [0, 1)")

    def wants_four_bit(self, device_type: str) -> bool:
        """Whether to load NF4 weights on this kind of device."""
        return device_type == "cuda" if self.four_bit is None else self.four_bit

    def filled(self, parameters: int, device_type: str, devices: int = 1) -> FullSettings:
        """Every None replaced by what it means for this model and device."""
        small = parameters < _BILLION
        values = asdict(self) | {
            "beta": self.beta or (5.0 if self.loss == "sigmoid_norm" else 0.1),
            "lora_r": self.lora_r or 16,
            "lora_alpha": self.lora_alpha or 32,
            "learning_rate": self.learning_rate or (5e-5 if small else 5e-6),
            "grad_accum": self.grad_accum or max(1, round(EFFECTIVE_BATCH / (self.batch_size * devices))),
            "four_bit": self.wants_four_bit(device_type),
            "gradient_checkpointing": not small if self.gradient_checkpointing is None else self.gradient_checkpointing,
        }
        return FullSettings(**values)


@dataclass(frozen=True, kw_only=True)
class FullSettings(TrainSettings):
    """`TrainSettings` with nothing left open."""

    beta: float
    lora_r: int
    lora_alpha: int
    learning_rate: float
    grad_accum: int
    four_bit: bool
    gradient_checkpointing: bool

    def total_steps(self, pairs: int, devices: int = 1) -> int:
        """Optimiser steps for so many pairs."""
        if self.max_steps is not None:
            return self.max_steps
        passes = math.ceil(pairs / (self.batch_size * devices))
        return max(1, math.ceil(self.epochs * math.ceil(passes / self.grad_accum)))

    def steps_between_saves(self, total: int) -> int:
        """Steps between checkpoints: as set, or a tenth of the run."""
        return self.save_steps or max(1, math.ceil(total / 10))

    def rate_factor(self, step: int, total: int) -> float:
        """Share of the learning rate at a step (from 0): a linear rise, then a cosine towards 0.

        The first step already learns: a rise that starts at 0 would waste it, which counts in a run of ten steps.
        """
        rise = math.floor(self.warmup * total)
        if step < rise:
            return (step + 1) / (rise + 1)
        return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))


def settings_for(recipe: Mapping[str, Any], given: Mapping[str, Any]) -> TrainSettings:
    """The settings of a method, with what the user gave (not None) in their place."""
    return TrainSettings(**{**recipe, **{key: value for key, value in given.items() if value is not None}})
