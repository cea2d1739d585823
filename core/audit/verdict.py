"""Pass, warn or fail: by the size of the deviation, never by a p-value."""

from __future__ import annotations

from typing import Any, Literal

from .counts import draws_for_null
from .reading import Reading
from .sampled import FEW_RESPONSES
from .statistics import bounds_statistics, targets, total_variation
from .task import AuditTask

Verdict = Literal["pass", "warn", "fail"]

_ROUNDING = 1e-12  # sums of shares that are equal on paper differ by less
_SAMPLED_SLACK = 0.01  # how far the Wilson lower end of the valid mass may lie below what passes


def verdict(reading: Reading, task: AuditTask) -> dict[str, Any]:
    """Judge a reading by the limits of its task.

    Exact: pass if TV and valid mass keep the limits, fail above ``warn_tv``, else warn. Bounds: pass by the highest
    TV and the lowest valid mass, fail by the lowest TV. Sampled: pass if the upper end of TV's interval keeps the limit
    and Wilson's lower end of the valid mass is at most .01 below its own, fail by the lower end of TV's. A sample whose
    noise floor exceeds half the limit, or of fewer than 30 responses, does not pass. Of sequences, the gap between
    repetitions and their chance is held against the same limits as TV, and the worse of the two counts.

    Args:
        reading: What was read.
        task: For the target and the limits.

    Returns:
        ``verdict``; in sampled mode also ``underpowered`` (the noise floor is too high) and, if so, ``n_needed``.
    """
    if reading.mode == "sampled":
        return _of_sample(reading, task)
    if reading.mode == "bounds":
        assert reading.unexplored is not None
        ends = bounds_statistics(reading.p, reading.unexplored, task)
        return {"verdict": _by_size(ends["tv_low"], ends["tv_high"], ends["valid_mass_low"], task)}
    tv = total_variation(reading.p, targets(task))
    return {"verdict": _by_size(tv, tv, float(reading.p.sum()), task)}


def _by_size(tv_low: float, tv_high: float, valid_low: float, task: AuditTask, slack: float = 0.0) -> Verdict:
    """Pass by the worst that is possible, fail by the best."""
    limits = task.limits
    if tv_high <= limits.pass_tv + _ROUNDING and valid_low >= limits.pass_valid - slack - _ROUNDING:
        return "pass"
    return "fail" if tv_low > limits.warn_tv + _ROUNDING else "warn"


def _of_sample(reading: Reading, task: AuditTask) -> dict[str, Any]:
    """The verdict on responses, with what a larger sample would take."""
    known, floor = reading.extras, task.limits.pass_tv / 2
    gap = known.get("sequence") or {}
    low, high = (max(known[f"tv_ci_{end}"], gap.get(f"repeat_gap_{end}") or 0.0) for end in ("low", "high"))
    found = _by_size(low, high, known["valid_mass_low"], task, _SAMPLED_SLACK)
    underpowered = floor > 0 and known["tv_null"] > floor
    assert reading.n is not None
    if found == "pass" and (underpowered or reading.n < FEW_RESPONSES):
        found = "warn"
    if not underpowered:
        return {"verdict": found, "underpowered": False}
    if found == "fail" and max(known["tv_excess"], gap.get("repeat_gap") or 0.0) <= task.limits.warn_tv:
        found = "warn"
    return {"verdict": found, "underpowered": True, "n_needed": draws_for_null(targets(task), floor)}


def limits_of(task: AuditTask) -> dict[str, float]:
    """The limits as they stand in the record."""
    return {"pass_tv": task.limits.pass_tv, "pass_valid": task.limits.pass_valid, "warn_tv": task.limits.warn_tv}
