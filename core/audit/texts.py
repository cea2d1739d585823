"""Reading a prompt from responses, whatever form its answers have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from .sampled import read_counts
from .sequence_reading import sequence_reading

if TYPE_CHECKING:
    from .reading import Reading
    from .task import AuditPrompt


def read_texts(prompt: AuditPrompt, texts: Sequence[str], finish_reasons: Iterable[str | None], seed: int) -> Reading:
    """What responses say about the law behind them.

    Args:
        prompt: What was asked.
        texts: The responses, at least one.
        finish_reasons: Why each ended, None where unknown.
        seed: The run's seed.
    """
    read = read_counts if prompt.task.sequence is None else sequence_reading
    return read(prompt, texts, finish_reasons, seed)
