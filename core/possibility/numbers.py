"""Which possibility number each response of a prompt gets."""

from __future__ import annotations

from typing import Literal

from ..draws import generator
from ..errors import UsageError

Scheme = Literal["random", "rank"]
# Highest number of the published code.
POOL = 9


def check_pool(k: int, pool: int) -> None:
    """Raise `UsageError` unless there are as many numbers as responses."""
    if k > pool:
        raise UsageError(f"k = {k} needs at least {k} numbers; raise --max-number")


def assigned(count: int, pool: int, *, scheme: Scheme, seed: int, prompt_id: str) -> list[int]:
    """Numbers for the responses of a prompt, the same in every pass of a run.

    Args:
        count: How many responses; at most `pool`.
        pool: Numbers are from 1 to this one.
        scheme: "random" draws without replacement, "rank" counts from 1.
        seed: Of the draw.
        prompt_id: Of the prompt.
    """
    check_pool(count, pool)
    if scheme == "rank":
        return list(range(1, count + 1))
    drawn = generator(seed, "possibility", prompt_id).permutation(pool)[:count]
    return [int(number) + 1 for number in drawn]
