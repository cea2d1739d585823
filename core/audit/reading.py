"""What one way of reading a model says about one audit prompt: the input of every statistic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Mode = Literal["exact", "bounds", "sampled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The answer distribution of one prompt over the K options of its task, as far as a mode can tell.

    Attributes:
        mode: How it was read.
        p: Probability of each option, float64 of shape [K], sum at most 1: exact, the certified lower bound, or the
            share of the n responses. The rest of the mass is anything else (⊥).
        p_low: Lower ends per option (bounds: ``p``; sampled: Wilson at level α/K); None in exact mode.
        p_high: Upper ends per option, at most 1; None in exact mode.
        unexplored: Bounds only: the mass u that the search did not reach; None elsewhere.
        counts: Sampled only: responses per option, int64 of shape [K]; None elsewhere.
        n: Sampled only: number of responses, invalid ones included; None elsewhere.
        extras: Further keys of the audit record (``leak_top``, ``checks``, ``unlisted``, ``finish_reasons`` …).
    """

    mode: Mode
    p: NDArray[np.float64]
    p_low: NDArray[np.float64] | None = None
    p_high: NDArray[np.float64] | None = None
    unexplored: float | None = None
    counts: NDArray[np.int64] | None = None
    n: int | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)
