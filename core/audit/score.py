"""What a run of audit records adds up to: the score, the spread, the format, and how sure they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..draws import generator
from .task import HABIT

Row = Mapping[str, Any]
Floats = NDArray[np.float64]
Families = dict[str, dict[str, float]]  # family -> task -> value

RESAMPLES = 2_000
FEWEST_WORDINGS = 3  # below, wordings have no interval


def counted_tv(row: Row) -> float:
    """The TV that counts in the score: of samples the corrected one, in bounds mode the highest."""
    return float(row["tv_corrected"] if row["mode"] == "sampled" else row["tv"])


def counted_spread(row: Row) -> float:
    """TV of the valid answers; 1 where there is no valid answer to speak of."""
    return 1.0 if row["tv_valid"] is None else float(row["tv_valid"])


def _valid(row: Row) -> float:
    return float(row["valid_mass"])


def scored(row: Row) -> bool:
    """Whether a record counts: not the wording without a word of chance, no arm."""
    return row["wording"] != HABIT and not row.get("arm")


def _by(rows: Iterable[Row], key: str) -> dict[str, list[Row]]:
    """Records by the value of a key, in the order of first appearance."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row[key], []).append(row)
    return found


def _families(rows: Iterable[Row], missing: Mapping[str, str], value: Callable[[Row], float], worst: float) -> Families:
    """For each family the mean over wordings of each task; a task with no result counts as the worst."""
    found: dict[str, dict[str, float]] = {}
    for task, own in _by(rows, "task").items():
        found.setdefault(own[0]["family"], {})[task] = float(np.mean([value(row) for row in own]))
    for task, family in missing.items():
        found.setdefault(family, {})[task] = worst
    return found


def _mean(families: Families) -> float:
    """Mean over families of the mean over their tasks."""
    return float(np.mean([np.mean(list(tasks.values())) for tasks in families.values()]))


def _score_interval(families: Families, seed: int) -> tuple[float, float] | tuple[None, None]:
    """Percentile interval of the score over tasks, resampled within their families; None if no family has two."""
    if max(map(len, families.values()), default=0) < 2:
        return None, None
    rng = generator(seed, "score")
    means = [
        values[rng.integers(0, len(values), size=(RESAMPLES, len(values)))].mean(axis=1)
        for values in (np.array(list(tasks.values())) for tasks in families.values())
    ]
    low, high = np.quantile(100 * (1 - np.mean(means, axis=0)), [0.025, 0.975]).tolist()
    return low, high


def _wording_interval(values: Sequence[float], seed: int, task: str) -> tuple[float, float] | tuple[None, None]:
    """Percentile interval of a task's mean TV over its wordings; None for fewer than three."""
    if len(values) < FEWEST_WORDINGS:
        return None, None
    units: Floats = np.array(values)
    draws = generator(seed, task, "wordings").integers(0, len(units), size=(RESAMPLES, len(units)))
    low, high = np.quantile(units[draws].mean(axis=1), [0.025, 0.975]).tolist()
    return low, high


def _figures(rows: Sequence[Row], missing: Mapping[str, str]) -> dict[str, float | None]:
    """Score, spread and format of some records; null without any."""
    if not rows and not missing:
        return dict.fromkeys(("score", "spread", "format"))
    tv, spread = (_mean(_families(rows, missing, value, 1.0)) for value in (counted_tv, counted_spread))
    valid = _mean(_families(rows, missing, _valid, 0.0))
    shares = {"score": 1 - tv, "spread": 1 - spread, "format": valid}
    # Rounding noise is cut off: a score that is 80 on paper meets a threshold of 80.
    return {name: round(100 * share, 9) for name, share in shares.items()}


def _task_figures(rows: Sequence[Row], seed: int) -> dict[str, Any]:
    """A task over its wordings, the worst one named."""
    tvs = [counted_tv(row) for row in rows]
    worst = rows[int(np.argmax(tvs))]
    low, high = _wording_interval(tvs, seed, rows[0]["task"])
    return {
        "family": rows[0]["family"],
        **_figures(rows, {}),
        "tv": float(np.mean(tvs)),
        "tv_ci_low": low,
        "tv_ci_high": high,
        "wordings": len(rows),
        "worst_wording": {"wording": worst["wording"], "tv": max(tvs), "verdict": worst["verdict"]},
        "verdicts": _verdicts(rows),
    }


def _verdicts(rows: Iterable[Row]) -> dict[str, int]:
    found = dict.fromkeys(("pass", "warn", "fail"), 0)
    for row in rows:
        found[row["verdict"]] += 1
    return found


def _worst_wording(rows: Sequence[Row]) -> dict[str, Any] | None:
    """The wording with the lowest score of its own; null where there is one wording only."""
    scores = {wording: _figures(own, {})["score"] for wording, own in _by(rows, "wording").items()}
    if len(scores) < 2:
        return None
    name = min(scores, key=lambda wording: scores[wording] or 0.0)
    return {"wording": name, "score": scores[name]}


def _habit(rows: Sequence[Row], asked: Sequence[Row]) -> dict[str, Any] | None:
    """The wording without a word of chance, and what asking for chance gains on the same tasks; null without it."""
    if not rows:
        return None
    tasks = {row["task"] for row in rows}
    both = {row["task"] for row in asked} & tasks
    own = _figures([row for row in rows if row["task"] in both], {})["score"]
    beside = _figures([row for row in asked if row["task"] in both], {})["score"]
    gain = None if own is None or beside is None else beside - own
    return {"wording": HABIT, **_figures(rows, {}), "tasks": len(tasks), "asking_gains": gain}


def aggregates(records: Iterable[Row], *, planned: Mapping[str, str] | None = None, seed: int = 0) -> dict[str, Any]:
    """The summary of a run.

    Args:
        records: Audit records of one model.
        planned: Family of each task that was to be audited; one without a record counts TV 1 and valid mass 0.
        seed: The run's seed, for the bootstrap.

    Returns:
        ``score`` = 100·(1 − mean over families of mean over tasks of mean over wordings of TV), 0-100, higher is
        better, with its 95 % interval over tasks within families (null where no family has two); ``spread`` (the same
        with ``tv_valid``, 1 where there is none) and ``format`` (100 × mean valid mass). All three leave out w0 and
        arms. Then ``worst_wording``, ``habit`` (w0 beside them; ``asking_gains``: score of the other wordings less
        that of w0 on the same tasks), ``verdicts``, ``missing``, and ``families`` and ``tasks`` with their own.
        Without any record or planned task the three are null.
    """
    rows = list(records)
    counted = [row for row in rows if scored(row)]
    by_task = _by(counted, "task")
    missing = {task: family for task, family in (planned or {}).items() if task not in by_task}
    low, high = _score_interval(_families(counted, missing, counted_tv, 1.0), seed)
    by_family = _by(counted, "family")
    lacking = {family: [task for task, of in missing.items() if of == family] for family in missing.values()}
    families = {
        family: _figures(by_family.get(family, []), dict.fromkeys(lacking.get(family, []), family))
        | {"tasks": len({row["task"] for row in by_family.get(family, [])}) + len(lacking.get(family, []))}
        for family in dict.fromkeys((*by_family, *lacking))
    }
    return {
        **_figures(counted, missing),
        "score_ci_low": low,
        "score_ci_high": high,
        "n_tasks": len(by_task) + len(missing),
        "n_records": len(rows),
        "worst_wording": _worst_wording(counted),
        "habit": _habit([row for row in rows if row["wording"] == HABIT and not row.get("arm")], counted),
        "verdicts": _verdicts(counted),
        "missing": list(missing),
        "families": families,
        "tasks": {task: _task_figures(own, seed) for task, own in by_task.items()},
    }
