"""Random numbers that depend on what they are for, never on batch size or order."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    import numpy as np


def generator(seed: int, *parts: str | int) -> np.random.Generator:
    """A random generator of its own for (seed, parts).

    Args:
        seed: The run's seed.
        parts: What the numbers are for: a `prompt_id`, a `sample_index`, a turn.
    """
    import numpy as np

    digest = hashlib.blake2b(orjson.dumps([seed, *parts]), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "big")))
