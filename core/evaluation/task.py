"""What an evaluation task is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..errors import UsageError
from ..jsonl import Record


@dataclass(frozen=True, slots=True)
class Preset:
    """How much of a task to run.

    Attributes:
        prompts: How many prompts of the task's set.
        samples: Responses a prompt.
        max_new_tokens: Longest response in tokens.
        top_p: Nucleus of the decoding; temperature is 1 throughout.
    """

    prompts: int
    samples: int
    max_new_tokens: int
    top_p: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """An evaluation task.

    Attributes:
        name: As in the catalog.
        headline: The set metric that the verdict is about.
        metrics: Every set metric that is reported, the headline among them.
        usable: Whether a response does what the task asks.
        usable_rule: The same in words, for the definition.
        prompt_set: Name of the built-in prompt set that it asks; None for a task that measures files only.
        presets: By name: "quick", "standard", "paper".
    """

    name: str
    headline: str
    metrics: tuple[str, ...]
    usable: Callable[[Record], bool]
    usable_rule: str
    prompt_set: str | None = None
    presets: Mapping[str, Preset] = field(default_factory=dict)

    def prompts(self) -> str:
        """The name of the prompt set.

        Raises:
            UsageError: The task has no prompts to ask a model.
        """
        if self.prompt_set is None:
            raise UsageError(
                f"task {self.name} has no prompts of its own: it measures files; "
                "sample the model first (divtool sample), and name the files of responses"
            )
        return self.prompt_set
