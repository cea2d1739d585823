"""Whether stated chances become the model's chances: stated against read probability, over a range of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import log
from typing import Any

import numpy as np

from .listed import WEIGHTED
from .statistics import NEVER_VALID


def calibration(stated: Sequence[float], read: Sequence[float]) -> dict[str, float | None]:
    """How a model's probabilities follow stated ones.

    Args:
        stated: Probabilities strictly between 0 and 1.
        read: The model's probability of the same answer, 0 to 1, among its valid answers.

    Returns:
        `mean_absolute_error`, 0 to 1, lower is better, null without points; `slope` and `intercept` of the least
        squares line of logit(read) on logit(stated), 1 and 0 for a faithful model, null where fewer than two different
        chances have a read probability inside 0 and 1.
    """
    points = list(zip(stated, read, strict=True))
    error = float(np.mean([abs(one - other) for one, other in points])) if points else None
    inside = [(_logit(one), _logit(other)) for one, other in points if 0 < other < 1]
    if len({one for one, _ in inside}) < 2:
        return {"mean_absolute_error": error, "slope": None, "intercept": None}
    x, y = np.array(inside).T
    slope, intercept = np.polyfit(x, y, 1)
    return {"mean_absolute_error": error, "slope": float(slope), "intercept": float(intercept)}


def weighted_summary(records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The curve of stated against read probability of A, for each form of stating it.

    Args:
        records: Audit records; tasks other than draws of A or B with a stated chance are passed over.

    Returns:
        One object a form (the wording) and format, with `curve`, `[{"stated", "p"}]` in rising order, p being the
        mean over both orders of the probability of A among valid answers (null without any), and with the numbers of
        `calibration`.
    """
    groups: dict[tuple[Any, ...], dict[float, list[float]]] = {}
    for record in records:
        if str(record.get("task")).startswith(f"{WEIGHTED}/"):
            key = tuple(record.get(name) for name in ("model", "wording", "format"))
            first, *_ = record["options"]
            valid = sum(option["p"] for option in record["options"])
            shares = groups.setdefault(key, {}).setdefault(first["target"], [])
            shares += [first["p"] / valid] if valid >= NEVER_VALID else []
    return [_summarised(key, curve) for key, curve in groups.items()]


def _summarised(key: tuple[Any, ...], curve: Mapping[float, Sequence[float]]) -> dict[str, Any]:
    means = [(stated, float(np.mean(read)) if read else None) for stated, read in sorted(curve.items())]
    told = [(stated, p) for stated, p in means if p is not None]
    return {
        **dict(zip(("model", "wording", "format"), key, strict=True)),
        "curve": [{"stated": stated, "p": p} for stated, p in means],
        **calibration([stated for stated, _ in told], [p for _, p in told]),
    }


def _logit(p: float) -> float:
    return log(p / (1 - p))
