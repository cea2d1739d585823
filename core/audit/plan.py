"""What the user asks of an audit, apart from its prompts and its model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..errors import UsageError, unknown_name
from .reading import Mode
from .task import AuditPrompt

AnyMode = Literal["auto", "exact", "bounds", "sampled"]
MODES: tuple[AnyMode, ...] = ("auto", "exact", "bounds", "sampled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How prompts are read.

    Attributes:
        mode: "auto" reads closed sets exactly, open ones in bounds, and samples where there are no logits.
        n: Responses a prompt in sampled mode.
        sequences: Responses a prompt that asks for a sequence.
        seed: Fixes every draw, with the task and the wording.
        variants: Whether spellings of an option count for it in exact mode.
        tau: Unexplored mass at which bounds mode stops.
        max_nodes: Most beginnings that bounds mode looks at; None for what suits the device.
        end_token: The token that ends an answer, where the tokenizer's are not the ones; None for those.
        decoders: Whether exact mode works out the laws under a grid of decoding settings too.
        weights: Number format that the model is asked to load in: that of `LoadOptions`, or "4bit".
    """

    mode: AnyMode = "auto"
    n: int = 1000
    sequences: int = 200
    seed: int = 0
    variants: bool = True
    tau: float = 0.01
    max_nodes: int | None = None
    end_token: str | None = None
    decoders: bool = False
    weights: str = "auto"

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise unknown_name("mode", self.mode, MODES)
        if min(self.n, self.sequences) < 1:
            raise UsageError(f"-n {min(self.n, self.sequences)}: sampled mode takes 1 response or more")
        if not 0 < self.tau < 1:
            raise UsageError(f"--tau {self.tau}: give a number between 0 and 1")
        if self.max_nodes is not None and self.max_nodes < 1:
            raise UsageError(f"--max-nodes {self.max_nodes}: give 1 or more")

    def mode_for(self, prompt: AuditPrompt) -> Mode:
        """The mode that a model with logits is read in; sequences are sampled in any."""
        if prompt.task.sequence is not None:
            return "sampled"
        if self.mode != "auto":
            return self.mode
        return "bounds" if prompt.task.open and prompt.terminal == "eos" else "exact"

    def draws(self, prompt: AuditPrompt) -> int:
        """Responses to a prompt in sampled mode."""
        return self.n if prompt.task.sequence is None else self.sequences

    def params(self) -> dict[str, Any]:
        """The settings as the record holds them, the seed apart."""
        return {name: value for name, value in asdict(self).items() if name != "seed"}
