"""What a call asks a model for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..jsonl import Record


@dataclass(frozen=True, slots=True)
class Demand:
    """What a model was asked for.

    Attributes:
        total: How many responses.
        prompts: The prompt records where what is lacking could not be read, and counts as unusable; else none.
        each: How many responses to each of them.
        params: With which settings, as in the records.
        notes: What a reader must know of the way of asking.
    """

    total: int
    prompts: tuple[Record, ...] = ()
    each: int = 0
    params: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
