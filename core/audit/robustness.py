"""How much an answer distribution hangs on the way of asking: one task over its wordings, arms and formats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .orders import order_of
from .statistics import NEVER_VALID
from .task import HABIT

Row = Mapping[str, Any]
Floats = NDArray[np.float64]

SCENARIO = "scenario-"
# Above these, a favourite is biased where asked directly, and deeply so where it stays the favourite in any scenario.
BIASED, DEEP = 0.65, 0.40


def robustness_summary(records: Iterable[Row]) -> list[dict[str, Any]]:
    """Each task that was asked in several ways, with how far its laws are apart.

    Args:
        records: Audit records. The wording without a word of chance, orders of lists and sequences are passed over:
            they ask for something else, or have statistics of their own.

    Returns:
        One object a model and task with two records or more: ``ways`` (records), ``mean_js_bits`` (mean Jensen-Shannon
        divergence over pairs of laws, anything else than an option included; 0-1, lower is better), ``worst`` (the
        record with the highest TV: ``wording``, ``arm``, ``format``, ``tv``), ``entropy_low_bits`` and
        ``entropy_high_bits`` of the valid answers (null where no record has any) and, where scenarios were asked,
        ``depth``: the keys of `depth` averaged over wordings.
    """
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for record in records:
        arm = record.get("arm") or ""
        if record["wording"] != HABIT and order_of(arm) is None and not record.get("sequence"):
            groups.setdefault((record["model"], record["task"]), []).append(record)
    return [_summarised(model, task, rows) for (model, task), rows in groups.items() if len(rows) > 1]


def _summarised(model: str, task: str, rows: Sequence[Row]) -> dict[str, Any]:
    worst = max(rows, key=lambda row: row["tv"])
    entropies = [row["entropy_bits"] for row in rows if row["entropy_bits"] is not None]
    return {
        "model": model,
        "task": task,
        "ways": len(rows),
        "mean_js_bits": mean_js_bits(np.array([_law(row) for row in rows])),
        "worst": {key: worst.get(key) for key in ("wording", "arm", "format", "tv")},
        "entropy_low_bits": min(entropies, default=None),
        "entropy_high_bits": max(entropies, default=None),
        "depth": _depth(rows),
    }


def mean_js_bits(laws: Floats) -> float:
    """Mean Jensen-Shannon divergence in bits over all pairs of two or more laws [R, K], each of sum 1: 0 to 1."""
    from scipy.special import entr

    halves = np.array([entr((one + other) / 2).sum() for one, other in combinations(laws, 2)])
    own = entr(laws).sum(axis=1)
    pairs = np.array([(one + other) / 2 for one, other in combinations(own, 2)])
    return float(np.clip((halves - pairs).mean() / np.log(2), 0.0, 1.0))


def _law(row: Row) -> list[float]:
    """Probabilities of the options and of anything else."""
    p = [float(option["p"]) for option in row["options"]]
    return [*p, max(0.0, 1 - sum(p))]


def depth(direct: Floats, scenarios: Sequence[Floats]) -> dict[str, float]:
    """Whether the favourite of a prompt stays the favourite where a scenario is put around the prompt.

    Args:
        direct: Law of the valid answers to the prompt itself, shape [K], sum 1.
        scenarios: Laws of the valid answers in scenarios, at least one.

    Returns:
        ``direct``, the favourite's probability; ``reframed``, its mean probability over the scenarios; ``product`` of
        both. All 0-1, lower is better (after the paper on deep and shallow biases, with exact laws at temperature 1).
    """
    top = int(np.argmax(direct))
    reframed = float(np.mean([law[top] for law in scenarios]))
    return {"direct": float(direct[top]), "reframed": reframed, "product": float(direct[top]) * reframed}


def _depth(rows: Sequence[Row]) -> dict[str, Any] | None:
    """The depth over wordings and formats that have both a prompt itself and scenarios; None without any."""
    found = []
    for row in rows:
        if row.get("arm"):
            continue
        same = [other for other in rows if all(other.get(key) == row.get(key) for key in ("wording", "format"))]
        laws = [_valid(other) for other in same if (other.get("arm") or "").startswith(SCENARIO)]
        direct, told = _valid(row), [law for law in laws if law is not None]
        if direct is not None and told:
            found.append(depth(direct, told))
    if not found:
        return None
    means: dict[str, Any] = {key: float(np.mean([one[key] for one in found])) for key in found[0]}
    return means | {"biased": means["direct"] > BIASED, "deep": means["product"] > DEEP}


def _valid(row: Row) -> Floats | None:
    p = np.array([float(option["p"]) for option in row["options"]])
    return p / p.sum() if p.sum() >= NEVER_VALID else None
