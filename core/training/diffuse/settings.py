"""Settings of training to target distributions. Free of torch: a command line is checked before it is imported."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import ClassVar, Literal

from ...errors import UsageError
from ..run_settings import RunSettings, check_at_least_one, check_positive, flag


@dataclass(frozen=True, kw_only=True)
class DiffuseSettings(RunSettings):
    """What a user sets beside `RunSettings`; what is None is filled in by `filled`.

    Attributes:
        builtin: Built-in targets instead of a file: presets, families, or family/id, by commas.
        hold_out: Built-in families or ids that are left out.
        epochs: Passes over the prompts.
        clip: Largest gradient norm.
        batch_size: Prompts an optimiser step.
        schedule: The learning rate falls to 0 in a line, or stays.
        beta1: AdamW's memory of the gradient.
        beta2: AdamW's memory of its square.
        epsilon: AdamW's.
        weight_decay: AdamW's.
        anchor: How much the KL divergence from the base model on everyday answers counts; 0 is none.
        anchor_every: Steps from one anchor text to the next.
        gamma: Open lists end once their loss is within this share of its least.
        early_stop: Whether lists that are complete end a run once they fit.
        end_token: The token that ends an answer; None is the one that the chat template writes.
        max_ppl_ratio: The run fails where the perplexity of given texts rises above this; None never.
        max_rows: Rows of an answer tree in one forward pass; None is what memory allows.
        dtype: Number format of the weights where the user leaves it open; None is the device's usual one.
    """

    common: ClassVar[frozenset[str]] = RunSettings.common

    builtin: str | None = None
    hold_out: str | None = None
    epochs: float = 50.0
    clip: float = 1.0
    schedule: Literal["linear", "constant"] = "linear"
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-5
    weight_decay: float = 0.01
    anchor: float = 1.0
    anchor_every: int = 2
    gamma: float = 0.2
    early_stop: bool = True
    end_token: str | None = None
    max_ppl_ratio: float | None = None
    max_rows: int | None = None
    dtype: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            UsageError: A value outside its range, or one that needs another.
        """
        super().__post_init__()
        for option in ("anchor", "gamma"):
            if not 0 <= getattr(self, option) < math.inf:
                raise UsageError(f"{flag(option)} is {getattr(self, option)}, not a number of 0 or more")
        check_positive(self, "max_ppl_ratio")
        check_at_least_one(self, "anchor_every", "max_rows")
        if self.hold_out is not None and self.builtin is None:
            raise UsageError("--hold-out leaves out built-in targets: name them with --builtin")

    def filled(self, parameters: int, device_type: str) -> FullDiffuseSettings:
        """Every None that means something replaced by it, for this model and device."""
        return FullDiffuseSettings(
            **asdict(self)
            | self.adapter_values()
            | {
                "learning_rate": self.learning_rate or 2e-4,
                "four_bit": self.wants_four_bit(device_type),
                "gradient_checkpointing": self.wants_checkpointing(parameters),
            }
        )


@dataclass(frozen=True, kw_only=True)
class FullDiffuseSettings(DiffuseSettings):
    """`DiffuseSettings` with nothing left open but limits that the user does not set."""

    lora_r: int
    lora_alpha: int
    lora_targets: str
    learning_rate: float
    four_bit: bool
    gradient_checkpointing: bool

    def steps_a_pass(self, prompts: int) -> int:
        """Optimiser steps of one pass."""
        return math.ceil(prompts / self.batch_size)

    def total_steps(self, prompts: int) -> int:
        """Optimiser steps for so many prompts, where nothing ends the run early."""
        return self.max_steps or max(1, math.ceil(self.epochs * self.steps_a_pass(prompts)))

    def rate(self, step: int, total: int) -> float:
        """The learning rate of a step (from 0)."""
        return self.learning_rate * (1 - step / total if self.schedule == "linear" else 1.0)
