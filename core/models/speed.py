"""Which number format a CPU multiplies fastest: measured, since it depends on the processor and on the libraries."""

from __future__ import annotations

import time
from functools import cache

import torch

_ROWS, _WIDEST, _ROUNDS, _REPEATS = 64, 1024, 5, 4
# bfloat16 rounds more, so it has to be worth it; where a processor has instructions for it, it is 2 to 3 times as fast.
_WORTH = 1.5


@cache
def fastest_dtype(width: int) -> torch.dtype:
    """float32 or bfloat16, whichever draws faster on this CPU: a few matrix products of each are timed.

    Args:
        width: Hidden size of the model; that of a very small one gains nothing.
    """
    seconds = {torch.float32: float("inf"), torch.bfloat16: float("inf")}
    size = min(width, _WIDEST)
    inputs = {kind: (torch.ones(_ROWS, size, dtype=kind), torch.ones(2 * size, size, dtype=kind)) for kind in seconds}
    with torch.inference_mode():
        # In turn, so that what else the machine does falls on both; the shortest time is the least disturbed.
        for _ in range(_ROUNDS):
            for dtype, (rows, weights) in inputs.items():
                begun = time.perf_counter()
                for _ in range(_REPEATS):
                    torch.nn.functional.linear(rows, weights)
                seconds[dtype] = min(seconds[dtype], time.perf_counter() - begun)
    return torch.bfloat16 if seconds[torch.float32] > _WORTH * seconds[torch.bfloat16] else torch.float32
