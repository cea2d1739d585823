"""A prompt with its allowed answers and the probability wanted for each."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .laws import Law

Chat = tuple[tuple[str, str], ...]
Terminal = Literal["eos", "none"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One allowed answer.

    Attributes:
        text: The answer as it is trained.
        weight: Its wanted probability, 0 or more; the weights of a target sum to 1.
        aliases: Other spellings of it; they count in the audit, never in training.
    """

    text: str
    weight: float
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A prompt and the distribution wanted over its answers.

    Attributes:
        prompt_id: The prompt's name, or the hash of the prompt.
        chat: The prompt as (role, content) messages.
        answers: The allowed answers, in the record's order. Empty only for a law of more than 20,000 values.
        law: The numeric law that the record names, else None. A law of at most 20,000 values is in `answers` too.
        decimals: Decimals of the law's values.
        family: The group that the prompt belongs to, for logs and hold-out; may be empty.
        task: The audit task that the prompt words; may be empty.
        prefill: What the assistant's turn begins with, before the answer.
        prefills: Where the record gives several beginnings, all of them (`prefill` is the first); else empty.
        terminal: "eos": the answer ends with the end token; "none": it begins a longer text.
        exhaustive: Whether the answers are all that is allowed; False for an open list.
        where: File and line of the record, for messages; no part of a comparison.
    """

    prompt_id: str
    chat: Chat
    answers: tuple[Answer, ...]
    law: Law | None = None
    decimals: int = 0
    family: str = ""
    task: str = ""
    prefill: str = ""
    prefills: tuple[str, ...] = ()
    terminal: Terminal = "eos"
    exhaustive: bool = True
    where: str = field(default="", compare=False)

    @property
    def entropy(self) -> float:
        """Entropy of the wanted distribution, in nats, 0 or more: the least cross-entropy a model can reach."""
        if not self.answers and self.law is not None:
            return self.law.entropy
        return max(0.0, -math.fsum(a.weight * math.log(a.weight) for a in self.answers if a.weight > 0))
