"""Settings of training on pairs or texts. Free of torch, so that a command line is checked before it is imported."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from ..errors import UsageError
from .run_settings import BILLION, RunSettings, check_at_least_one, check_positive, flag

WeightForm = Literal["outer", "inner"]

Kind = Literal["dpo", "orpo", "sft"]
LOSSES = ("sigmoid", "sigmoid_norm")


@dataclass(frozen=True, kw_only=True)
class TrainSettings(RunSettings):
    """What a user sets beside `RunSettings`; None is filled in by `filled` once model and device are known.

    Without a `learning_rate` it is 5e-6, and 2e-4 for a model under a billion parameters; 1e-4 without a rejected text.
    What small models do by themselves was found by `benchmarks/preference.py`.

    Attributes:
        kind: Which loss: DPO's with a reference, ORPO's without one, or likelihood of the chosen text alone.
        loss: "sigmoid" is DPO (arXiv 2305.18290); "sigmoid_norm" divides each log-ratio by its token count.
        beta: Strength of the tie to the reference; None is 0.1, or 5 for sigmoid_norm.
        ld_alpha: Share of the longer text's tail that counts (LD-DPO, arXiv 2409.06411); None is plain DPO.
        sft_weight: How much of the chosen text's negative log-likelihood is added to DPO's loss; None is 0, and
            `sft_weight_small` for a model under a billion parameters.
        sft_weight_small: See `sft_weight`; a method's own.
        odds_weight: lambda of ORPO: how much its odds ratio counts beside the likelihood; None is 0.25.
        nll_span: What the likelihood runs over: "response", or "full" for prompt and response; None is "response".
        smoothing: "ual" smooths the labels of a text the more, the more uncertain its prompt is (arXiv 2406.04854).
        smoothing_max: Smoothing of the most uncertain text; None is 0.1.
        weighted: Use each pair's `weight`.
        weight_form: Where the weight stands, outside of log sigmoid or inside; None is "outer".
        weight_norm: "mean" divides the weights by their mean over the pairs, once.
        epochs: Passes over the records.
        clip: Largest gradient norm.
        batch_size: Pairs in one forward pass of one device.
        grad_accum: Forward passes an optimiser step; None makes a step of `step_pairs`.
        step_pairs: Pairs an optimiser step, where `grad_accum` is None; None is 16 for a model under a billion
            parameters, else 32.
        warmup: Share of the steps over which the learning rate rises; it falls as a cosine after that.
        warmup_steps: The same as a number of steps; None follows `warmup`.
        max_length: Tokens of prompt and response together; longer pairs are left out, never cut.
        save_steps: Steps between checkpoints; None is a tenth of the run.
        head: Which output layer scores the tokens: TRL's "fused", or "compact"; "auto" is compact on a CPU.
        pack: Run a pair as one sequence that holds its prompt once; None is on, on a CPU, where it saves enough.
    """

    common: ClassVar[frozenset[str]] = RunSettings.common | {
        "grad_accum", "max_length", "save_steps", "head", "held_out",
    }  # fmt: skip

    kind: Kind = "dpo"
    loss: str = "sigmoid"
    beta: float | None = None
    ld_alpha: float | None = None
    sft_weight: float | None = None
    sft_weight_small: float = 0.0
    odds_weight: float | None = None
    nll_span: str | None = None
    smoothing: str | None = None
    smoothing_max: float | None = None
    weighted: bool = False
    weight_form: WeightForm | None = None
    weight_norm: str | None = None
    epochs: float = 1.0
    clip: float = 1.0
    batch_size: int = 4
    grad_accum: int | None = None
    step_pairs: int | None = None
    warmup: float = 0.1
    warmup_steps: int | None = None
    max_length: int = 1024
    save_steps: int | None = None
    head: str = "auto"
    pack: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            UsageError: A value outside its range, or two that exclude each other.
        """
        super().__post_init__()
        if self.loss not in LOSSES:
            raise UsageError(f"unknown loss '{self.loss}': known: {', '.join(LOSSES)}")
        if self.ld_alpha is not None and self.loss == "sigmoid_norm":
            raise UsageError("--ld-alpha and --loss sigmoid_norm both correct for length: use one of them")
        if self.smoothing == "ual" and self.head == "fused":
            raise UsageError("--smoothing ual needs a gradient that the fused head does not have: leave --head out")
        if self.smoothing_max is not None and self.smoothing is None:
            raise UsageError("--smoothing-max goes with --smoothing ual")
        for option in ("ld_alpha", "smoothing_max"):
            value = getattr(self, option)
            if value is not None and not 0 <= value <= 1:
                raise UsageError(f"{flag(option)} is {value}, not in [0, 1]")
        check_positive(self, "beta", "odds_weight")
        if self.sft_weight is not None and not 0 <= self.sft_weight < math.inf:
            raise UsageError(f"--sft-weight is {self.sft_weight}, not a number of 0 or more")
        check_at_least_one(self, "grad_accum", "max_length", "save_steps")
        if not 0 <= self.warmup < 1:
            raise UsageError(f"--warmup is {self.warmup}, not in [0, 1)")

    def filled(self, parameters: int, device_type: str, devices: int = 1) -> FullSettings:
        """Every None that means something replaced by it, for this model and device."""
        small = parameters < BILLION
        step_pairs = self.step_pairs or (16 if small else 32)
        step = self.grad_accum or max(1, round(step_pairs / (self.batch_size * devices)))
        values = (
            asdict(self)
            | self._loss_values(small)
            | {
                **self.adapter_values(),
                "learning_rate": self.learning_rate or self._usual_rate(small),
                "grad_accum": step,
                "four_bit": self.wants_four_bit(device_type),
                "gradient_checkpointing": self.wants_checkpointing(parameters),
                "head": self._usual_head(device_type) if self.head == "auto" else self.head,
            }
        )
        return FullSettings(**values)

    def _loss_values(self, small: bool) -> dict[str, Any]:
        """What the loss of this kind needs."""
        if self.kind == "dpo":
            values: dict[str, Any] = {
                "beta": self.beta or (5.0 if self.loss == "sigmoid_norm" else 0.1),
                "sft_weight": self._usual_sft_weight(small) if self.sft_weight is None else self.sft_weight,
            }
        else:
            values = {"nll_span": self.nll_span or "response"}
        if self.kind == "orpo":
            values["odds_weight"] = self.odds_weight or 0.25
        if self.smoothing == "ual":
            values["smoothing_max"] = 0.1 if self.smoothing_max is None else self.smoothing_max
        if self.weighted:
            values["weight_form"] = self.weight_form or "outer"
        return values

    def _usual_sft_weight(self, small: bool) -> float | None:
        return self.sft_weight_small or None if small else None

    def _usual_rate(self, small: bool) -> float:
        if self.kind == "sft":
            return 1e-4
        return 2e-4 if small else 5e-6

    def _usual_head(self, device_type: str) -> str:
        return "compact" if device_type == "cpu" or self.smoothing == "ual" else "fused"


@dataclass(frozen=True, kw_only=True)
class FullSettings(TrainSettings):
    """`TrainSettings` with nothing left open but what this kind of loss does not have.

    `pack` stays as the user gave it until the pairs are known; `forms.settle` settles it.
    """

    lora_r: int
    lora_alpha: int
    lora_targets: str
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
        rise = math.floor(self.warmup * total) if self.warmup_steps is None else min(self.warmup_steps, total)
        if step < rise:
            return (step + 1) / (rise + 1)
        return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))
