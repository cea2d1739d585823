"""The audit record: what was asked, what was read, how it compares with the target, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .reading import Reading
from .statistics import bounds_statistics, distribution_statistics
from .task import AuditPrompt
from .verdict import limits_of, verdict

# Of these, `compare` gives the baseline's value and the difference.
COMPARED = ("tv", "tv_valid", "valid_mass", "kl_bits", "entropy_bits", "normalized_entropy", "effective_options")


def record(
    prompt: AuditPrompt,
    reading: Reading,
    model: str,
    *,
    seed: int | None = None,
    params: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One reading of one prompt as the audit record of contract.md, with the keys of random-audit.md A7.

    Args:
        prompt: What was asked.
        reading: What was read.
        model: The model's name.
        seed: The run's seed, where draws were made.
        params: How responses were drawn, or what else tells this reading from another of the same prompt.

    Returns:
        Plain JSON values without NaN or infinity. ``tv`` is the highest possible TV in bounds mode, that of the shares
        in sampled mode. Keys of the reading's extras stand beside the statistics.
    """
    task = prompt.task
    row: dict[str, Any] = {
        "task": task.id,
        "family": task.family,
        "wording": prompt.wording,
        "format": prompt.format,
        "arm": prompt.arm,
        "prompt": asked_text(prompt),
        **({"prefill": prompt.prefill} if prompt.prefill else {}),
        "model": model,
        "mode": reading.mode,
        **({} if seed is None else {"seed": seed}),
        **({} if params is None else {"params": dict(params)}),
        "ordinal": task.ordinal,
        "options": _options(prompt, reading),
        **distribution_statistics(reading.p, task),
    }
    if reading.unexplored is not None:
        row["unexplored"] = reading.unexplored
        row |= bounds_statistics(reading.p, reading.unexplored, task)
    found: dict[str, Any] = plain({**row, **reading.extras, **verdict(reading, task), "limits": limits_of(task)})
    return found


def asked_text(prompt: AuditPrompt) -> str | list[dict[str, str]]:
    """The prompt as records hold it: a text where it is one user turn, else the messages."""
    if len(prompt.chat) == 1 and prompt.chat[0][0] == "user":
        return prompt.chat[0][1]
    return [{"role": role, "content": content} for role, content in prompt.chat]


def _options(prompt: AuditPrompt, reading: Reading) -> list[dict[str, Any]]:
    """Text, target, p and its ends of each option."""
    ends = [
        (name, values)
        for name, values in (("p_low", reading.p_low), ("p_high", reading.p_high), ("count", reading.counts))
        if values is not None
    ]
    return [
        {"text": option.text, "target": option.target, "p": p, **{name: values[place] for name, values in ends}}
        for place, (option, p) in enumerate(zip(prompt.task.options, reading.p, strict=True))
    ]


def plain(value: Any) -> Any:
    """A value as JSON can hold it: NumPy numbers and arrays become Python's; NaN and infinity become None."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def compare_keys(row: Mapping[str, Any], baseline: Mapping[str, Any]) -> dict[str, Any]:
    """What `compare` of a record holds: the baseline's law and statistics, and how far the record's are above them.

    Args:
        row: An audit record.
        baseline: The other model's record of the same prompt.

    Returns:
        ``model``, ``p`` (one number an option), the statistics of `COMPARED` with a ``delta_`` of each (null where one
        of the two is), ``verdict`` and ``verdict_changed``; of samples ``tv_corrected`` and its delta too.
    """
    names = [name for name in (*COMPARED, "tv_corrected") if name in row and name in baseline]
    return {
        "model": baseline["model"],
        "p": [option["p"] for option in baseline["options"]],
        **{name: baseline[name] for name in names},
        "verdict": baseline["verdict"],
        "verdict_changed": row["verdict"] != baseline["verdict"],
        **{f"delta_{name}": _difference(row[name], baseline[name]) for name in names},
    }


def _difference(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other
