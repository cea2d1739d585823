"""Settings of possibility fine-tuning. Free of torch: a command line is checked before it is imported."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from ...errors import UsageError
from ...possibility.numbers import POOL, Scheme, check_pool
from ...possibility.prompt import TEMPLATE, check_template
from ..run_settings import RunSettings, check_at_least_one, flag

Arm = Literal["one-to-one", "one-to-many", "numbered", "possibility"]
SMALL = 500_000_000
_UL_WEIGHT = 0.5
# The two with a model's name are the published code's; what differs from it stands in docs/methods/possibility.md.
PROFILES: Mapping[str, Mapping[str, Any]] = {
    "small": {
        "lora_r": 16, "lora_alpha": 32, "lora_dropout": 0.0, "lora_targets": "all-linear", "learning_rate": 3e-4,
        "epochs": 3.0, "optimizer": "adamw", "four_bit": False,
    },
    "large": {
        "lora_r": 16, "lora_alpha": 32, "lora_dropout": 0.05, "lora_targets": "all-linear", "learning_rate": 5e-5,
        "epochs": 1.0, "max_number": POOL, "optimizer": "paged_adamw_32bit",
    },
    "mistral": {
        "lora_r": 16, "lora_alpha": 32, "lora_dropout": 0.05, "lora_targets": "q_proj,k_proj,v_proj,lm_head",
        "learning_rate": 5e-5, "epochs": 1.0, "max_number": POOL, "optimizer": "paged_adamw_32bit",
    },
    "llama-2": {
        "lora_r": 64, "lora_alpha": 16, "lora_dropout": 0.1, "lora_targets": "q_proj,v_proj", "learning_rate": 5e-5,
        "epochs": 1.0, "max_number": POOL, "optimizer": "paged_adamw_32bit",
    },
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PossibilitySettings(RunSettings):
    """What a user sets beside `RunSettings`; what is None is filled in by `filled`.

    Attributes:
        arm: Which form: one response a prompt, several, several with a number each, or with the unlikelihood loss too.
        profile: Settings of the adapter and the optimiser by name; None is what suits the model's size.
        k: Responses a prompt, at most; those that come first are taken.
        max_number: Numbers are from 1 to this one; None is the profile's, in the small one as many as `k`.
        number_scheme: "random" draws a number for each response, "rank" counts from 1.
        number_prompt: The sentence behind the last user message, with `{n}` for the number.
        ul_weight: How much the unlikelihood loss counts beside the likelihood; None is 0.5, without it 0.
        ul_warmup: Updates before it counts.
        ul_tokens: What it looks at: the first token of each content word, or every token.
        ul_exclude: Words that it passes over: none, those that the wanted response has too, or those of the prompt.
        stopwords: A file of words that are no content words, instead of the built-in English ones.
        max_negatives: Unwanted responses of a prompt, over all its numbers; None is all.
        max_words: Words of a response beyond which it is cut.
        max_length: Tokens of prompt and response together; longer prompts lose their oldest turns.
        batch_positives: Wanted responses an update.
        rows_per_chunk: Rows of one forward pass; None is as many as fit 2,048 tokens.
        pack: Run the responses of a numbered prompt as branches of one sequence.
        input_format: "records" for groups, "dialogue" for the published files.
        eval_fraction: Share of the groups that is never trained on, and whose losses are logged.
        save_steps: Updates from one saved state to the next.
        lora_dropout: Share of an adapter's inputs that training leaves out; None is the profile's.
        optimizer: "adamw", or "paged_adamw_32bit" where there is CUDA; None is the profile's.
    """

    common: ClassVar[frozenset[str]] = RunSettings.common - {"batch_size"}

    epochs: float | None = None
    clip: float | None = None
    arm: Arm = "possibility"
    profile: str | None = None
    k: int = 4
    max_number: int | None = None
    number_scheme: Scheme = "random"
    number_prompt: str = TEMPLATE
    ul_weight: float | None = None
    ul_warmup: int = 0
    ul_tokens: Literal["content-first", "all"] = "content-first"
    ul_exclude: Literal["none", "shared", "context"] = "none"
    stopwords: str | None = None
    max_negatives: int | None = None
    max_words: int = 60
    max_length: int = 500
    batch_positives: int = 8
    rows_per_chunk: int | None = None
    pack: bool = True
    input_format: Literal["records", "dialogue"] = "records"
    eval_fraction: float = 0.05
    save_steps: int = 25
    lora_dropout: float | None = None
    optimizer: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            UsageError: A value outside its range, or two that do not go together.
        """
        super().__post_init__()
        check_at_least_one(
            self, "max_number", "max_negatives", "max_words", "max_length", "batch_positives", "rows_per_chunk",
            "save_steps",
        )  # fmt: skip
        if self.k < 2:
            raise UsageError(f"--k is {self.k}; it takes at least 2 responses per prompt (--arm one-to-one takes one)")
        if self.ul_warmup < 0:
            raise UsageError(f"--ul-warmup is {self.ul_warmup}, not 0 or more")
        if not 0 <= self.eval_fraction < 1:
            raise UsageError(f"--eval-fraction is {self.eval_fraction}, not in [0, 1)")
        check_template(self.number_prompt)
        self._check_weight()
        if self.max_number is not None and self.has_numbers:
            check_pool(self.k, self.max_number)

    @property
    def has_numbers(self) -> bool:
        """Whether a number stands in the prompt."""
        return self.arm in ("numbered", "possibility")

    def _check_weight(self) -> None:
        if self.ul_weight is None:
            return
        if not 0 <= self.ul_weight < math.inf:
            raise UsageError(f"{flag('ul_weight')} is {self.ul_weight}, not a number of 0 or more")
        if self.ul_weight and self.arm != "possibility":
            raise UsageError(f"--ul-weight is for --arm possibility; --arm {self.arm} has no unlikelihood loss")

    def profiled(self, parameters: int) -> PossibilitySettings:
        """The settings with those of the profile where the user left them open.

        Args:
            parameters: Of the model.
        """
        name = self.profile or ("small" if parameters < SMALL else "large")
        own = {key: value for key, value in asdict(self).items() if value is not None}
        return type(self)(**{**PROFILES[name], **own, "profile": name})

    def filled(self, parameters: int, device_type: str) -> FullPossibilitySettings:
        """Every None that means something replaced by it, for this model and device.

        Raises:
            UsageError: More responses than numbers.
        """
        values = asdict(self.profiled(parameters))
        four_bit = self.profiled(parameters).wants_four_bit(device_type)
        weight = _UL_WEIGHT if self.ul_weight is None else self.ul_weight
        return FullPossibilitySettings(
            **values
            | {
                "max_number": values["max_number"] or self.k,
                "ul_weight": weight if self.arm == "possibility" else 0.0,
                "four_bit": four_bit,
                "gradient_checkpointing": self.wants_checkpointing(parameters),
            }
        )


@dataclass(frozen=True, kw_only=True)
class FullPossibilitySettings(PossibilitySettings):
    """`PossibilitySettings` with nothing left open but limits that the user does not set."""

    profile: str
    max_number: int
    ul_weight: float
    lora_r: int
    lora_alpha: int
    lora_targets: str
    lora_dropout: float
    learning_rate: float
    epochs: float
    optimizer: str
    four_bit: bool
    gradient_checkpointing: bool

    @property
    def groups_a_step(self) -> int:
        """Groups of an update."""
        return max(1, self.batch_positives // (1 if self.arm == "one-to-one" else self.k))

    def steps_a_pass(self, groups: int) -> int:
        """Updates of one pass."""
        return math.ceil(groups / self.groups_a_step)

    def total_steps(self, groups: int) -> int:
        """Updates for so many groups."""
        return self.max_steps or max(1, math.ceil(self.epochs * self.steps_a_pass(groups)))

    def weight_at(self, step: int) -> float:
        """Weight of the unlikelihood loss in an update (from 0)."""
        return self.ul_weight if step >= self.ul_warmup else 0.0
