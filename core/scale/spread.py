"""What a run over shards reads, writes and tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .cluster import ClusterOptions
from .parts import Parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """An input that is worked on in shards.

    Attributes:
        source: The name of the input, for messages.
        files: Its files.
        size: Most bytes of a plain file in a shard.
        parts: Where the parts of the output go.
        identity: What the parts depend on beside the input; JSON values.
        resume: Whether to go on from the parts that are there.
        regroup: Whether the lines of each prompt are brought together first.
        mend: What is to be done where a prompt is in two shards.
        skip_bad: Leave bad lines out and count them, where this is done.
        cluster: Where to work.
        note: Hears what goes on.
        advance: Hears how many records are done.
    """

    source: str
    files: Sequence[str]
    size: int
    parts: Parts
    identity: Mapping[str, Any]
    resume: bool
    regroup: bool
    mend: str
    skip_bad: bool
    cluster: ClusterOptions
    note: Callable[[str], None]
    advance: Callable[[int], None]
