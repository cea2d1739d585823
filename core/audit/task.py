"""What is audited: a set of answers with a target law, and the prompts that ask for one of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ..targets.laws import Law

Format = Literal["bare", "braces", "json", "none"]
FORMATS: tuple[Format, ...] = ("bare", "braces", "json", "none")
# The wording without a word of chance: shown beside the others, never in the score.
HABIT = "w0"


@dataclass(frozen=True, slots=True)
class AuditOption:
    """One allowed answer.

    Attributes:
        text: The answer as it is asked for, without braces or JSON around it.
        target: The probability that it should have; those of a task sum to 1.
        aliases: Other spellings that count as this answer.
    """

    text: str
    target: float
    aliases: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The text, then its aliases."""
        return (self.text, *self.aliases)


@dataclass(frozen=True, slots=True)
class Limits:
    """By which sizes a task passes.

    Attributes:
        pass_tv: The largest total variation, 0 to 1, that passes.
        pass_valid: The smallest valid mass, 0 to 1, that passes.
        warn_tv: The largest total variation that is no failure.
    """

    pass_tv: float = 0.05
    pass_valid: float = 0.99
    warn_tv: float = 0.15


@dataclass(frozen=True, slots=True)
class SequenceForm:
    """How many symbols an answer is made of, where it is a sequence.

    Attributes:
        length: Symbols asked for.
        shuffle: Every option stands in it once: the answer is an order of the options.
    """

    length: int
    shuffle: bool = False


@dataclass(frozen=True, slots=True)
class AuditTask:
    """A set of answers with a target law.

    Attributes:
        id: Its name, as `--task` takes it.
        family: What it is averaged with first in the score.
        options: At least two answers, in their natural order, whose targets sum to 1; none where only `law` says them.
        ordinal: The options are whole numbers, or steps, in rising order.
        open: Answers off the list are answers too.
        limits: When it passes.
        law: The numeric law that the options were enumerated from, if any.
        sequence: Set where an answer is a sequence of options, each with the target as its law.
    """

    id: str
    family: str
    options: tuple[AuditOption, ...]
    ordinal: bool = False
    open: bool = False
    limits: Limits = field(default_factory=Limits)
    law: Law | None = None
    sequence: SequenceForm | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPrompt:
    """One way to ask for an answer of a task.

    Attributes:
        task: What is asked for.
        wording: "w0" to "w4", or "given" for the user's own prompts ("given-2" for the second one of a task).
        format: How the answer is written.
        arm: A variation of the prompt, such as a system prompt; empty for the prompt itself.
        chat: The messages up to the answer, (role, content) each.
        prefill: How the assistant's turn begins.
        terminal: Whether an answer ends with an end token, or is the beginning of a longer text.
    """

    task: AuditTask
    wording: str
    format: Format = "bare"
    arm: str = ""
    chat: tuple[tuple[str, str], ...]
    prefill: str = ""
    terminal: Literal["eos", "none"] = "eos"

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What tells it from every other prompt of a run: task, wording, arm, format."""
        return (self.task.id, self.wording, self.arm, self.format)

    @property
    def prompt_id(self) -> str:
        """The key as one name: what response records carry and what random draws depend on."""
        parts = (self.task.id, self.wording, self.arm, "" if self.format == "bare" else self.format)
        return ":".join(part for part in parts if part)

    @property
    def scored(self) -> bool:
        """Whether it counts in the score."""
        return self.wording != HABIT and not self.arm
