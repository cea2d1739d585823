"""Two models on the same prompts: the mean difference over tasks, and whether it could be chance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..resampling import bootstrap_mean, interval, sign_flip_p
from .score import scored

SAME = 1e-9  # differences of TV that are rounding noise
_STREAM = "random-audit"


def comparison(records: Iterable[Mapping[str, Any]], *, seed: int = 0) -> dict[str, Any]:
    """What the `compare` objects of a run's records add up to.

    The unit is the task: its difference is the mean over its wordings of ``delta_tv``, of samples
    ``delta_tv_corrected``. w0 and arms are left out, and so are records without a baseline.

    Args:
        records: Audit records, with `compare` where there is a baseline.
        seed: The run's seed.

    Returns:
        ``model``, ``baseline``; ``n_tasks``; ``delta_tv`` (−1 to 1, below 0: nearer the target than the baseline) with
        the 95 % expanded percentile interval of a bootstrap over tasks (null below two); ``p_value`` (two-sided
        sign-flip test over tasks: all flips up to 12 tasks, else 10,000); ``better``, ``worse``, ``same`` (tasks) and
        ``verdicts_changed`` (records). Null without any pair.
    """
    pairs = [row for row in records if row.get("compare") and scored(row)]
    tasks: dict[str, list[float]] = {}
    for row in pairs:
        compare = row["compare"]
        tasks.setdefault(row["task"], []).append(compare.get("delta_tv_corrected", compare["delta_tv"]))
    # The order of the tasks decides which resamples they fall into.
    deltas = np.array([np.mean(tasks[task]) for task in sorted(tasks)])
    low, high = _interval(deltas, seed)
    return {
        "model": pairs[0].get("model") if pairs else None,
        "baseline": pairs[0]["compare"].get("model") if pairs else None,
        "n_tasks": len(deltas),
        "delta_tv": float(deltas.mean()) if len(deltas) else None,
        "delta_tv_ci_low": low,
        "delta_tv_ci_high": high,
        "p_value": sign_flip_p(deltas, seed=seed, task=_STREAM) if len(deltas) else None,
        "better": int((deltas < -SAME).sum()),
        "worse": int((deltas > SAME).sum()),
        "same": int((np.abs(deltas) <= SAME).sum()),
        "verdicts_changed": sum(row["verdict"] != row["compare"]["verdict"] for row in pairs),
    }


def _interval(deltas: NDArray[np.float64], seed: int) -> tuple[float, float] | tuple[None, None]:
    """Ends of the 95 % interval of the mean; None below two tasks."""
    if len(deltas) < 2:
        return None, None
    low, high = interval(bootstrap_mean(deltas, seed=seed, task=_STREAM), len(deltas))
    return float(low), float(high)
