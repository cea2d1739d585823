"""What a user can set for `select --method possibility`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..metrics.supplies import Sources
from ..models.options import LoadOptions
from .options import refuse_unless
from .possibility import Pick


@dataclass(frozen=True, kw_only=True)
class PossibilityOptions:
    """What `possibility` takes.

    Attributes:
        k: Most responses a group.
        min_k: Groups with fewer are dropped.
        pick: ``spread``: far apart by the embedder; ``first``: the earliest, as in the published code; ``random``.
        input_format: Responses, or groups of them, in the records of the pipe; or the published dialogues.
        quality_key: The score that a response must not be low in.
        quality_floor: The quantile of the prompt's own scores that it must reach.
        length_tolerance: Most words from the median of the prompt, or None for any length.
        embedder: Sentence embedder.
        embedding_cache: Keep sentence vectors on disk.
        device: Where the embedder runs.
        seed: For what is drawn.

    Raises:
        UsageError: A value that makes no sense; raised before anything is read.
    """

    k: int = 4
    min_k: int = 2
    pick: Pick = "spread"
    input_format: Literal["responses", "dialogue"] = "responses"
    quality_key: str = "quality"
    quality_floor: float = 0.25
    length_tolerance: float | None = None
    embedder: str = "minilm"
    embedding_cache: bool = True
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        refuse_unless(
            (self.k >= 1, "--k must be at least 1"),
            (1 <= self.min_k <= self.k, f"--min-k must be from 1 to --k, which is {self.k}"),
            (0 <= self.quality_floor <= 1, "--quality-floor must be from 0 to 1"),
            (self.quality_key != "", "--quality-key is empty"),
            (self.length_tolerance is None or self.length_tolerance >= 0, "--length-tolerance must be 0 or more"),
        )

    @property
    def sources(self) -> Sources:
        """Where vectors come from."""
        return Sources(
            embedder=self.embedder, embedding_cache=self.embedding_cache, loading=LoadOptions(device=self.device)
        )
