"""Made tasks, prompts and readings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from divtool.core.audit.reading import Reading
from divtool.core.audit.record import record
from divtool.core.audit.sampled import read_counts
from divtool.core.audit.task import AuditOption, AuditPrompt, AuditTask


def task(size: int, name: str = "made", family: str = "made", **settings: Any) -> AuditTask:
    """The numbers 1 to `size`, each with the same chance."""
    options = tuple(AuditOption(str(number), 1 / size) for number in range(1, size + 1))
    return AuditTask(name, family, options, **settings)


def prompt(of: AuditTask, wording: str = "w1", **settings: Any) -> AuditPrompt:
    return AuditPrompt(task=of, wording=wording, chat=(("user", "A number, please."),), **settings)


def exact(p: Sequence[float] | NDArray[np.float64]) -> Reading:
    return Reading(mode="exact", p=np.asarray(p, dtype=np.float64))


def bounds(p: Sequence[float] | NDArray[np.float64], unexplored: float) -> Reading:
    low = np.asarray(p, dtype=np.float64)
    return Reading(mode="bounds", p=low, p_low=low, p_high=np.minimum(1, low + unexplored), unexplored=unexplored)


def sampled(of: AuditTask, counts: Sequence[int] | NDArray[np.int64], invalid: int = 0) -> Reading:
    """Responses with these counts, some of them invalid."""
    texts = [option.text for option, count in zip(of.options, counts, strict=True) for _ in range(count)]
    texts += ["Sure!"] * invalid
    return read_counts(prompt(of), texts, ["stop"] * len(texts), 0)


def audited(of: AuditTask, reading: Reading, wording: str = "w1", **settings: Any) -> dict[str, Any]:
    return record(prompt(of, wording, **settings), reading, "model")
