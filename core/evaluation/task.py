"""What an evaluation task is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

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
        prompt_set: Name of the built-in prompt set that it asks.
        presets: By name: "quick", "standard", "paper".
        headline: The set metric that the verdict is about.
        metrics: Every set metric that is reported, the headline among them.
        usable: Whether a response does what the task asks.
        usable_rule: The same in words, for the definition.
    """

    name: str
    prompt_set: str
    presets: Mapping[str, Preset]
    headline: str
    metrics: tuple[str, ...]
    usable: Callable[[Record], bool]
    usable_rule: str
