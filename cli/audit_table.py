"""Audit records as people see them: a table for each task, bars where there are few, the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import console
from .audit_sequences import show_robustness, show_sequences
from .layout import Column
from .marks import Bar

Rows = Sequence[Mapping[str, Any]]

# So many records have their bars shown; more are for the report.
_MOST_BARS = 8
_MOST_OPTIONS = 20
_NOTHING = "⊥ anything else"


def show(records: Rows, summary: Mapping[str, Any]) -> None:
    """Print the tables, the comparison and the score.

    Args:
        records: The audit records of a run.
        summary: What they add up to.
    """
    by_task: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        by_task.setdefault(record["task"], []).append(record)
    for task, rows in by_task.items():
        _show_task(task, rows)
    if len(records) <= _MOST_BARS:
        for record in records:
            _show_bars(record)
    show_sequences(records)
    _show_comparison(summary.get("compare"))
    _show_score(summary)
    show_robustness(summary.get("robustness", ()))


def _show_task(task: str, rows: Rows) -> None:
    sampled = any(row["mode"] == "sampled" for row in rows)
    compared = any(row.get("compare") for row in rows)
    columns = [
        Column("wording"),
        Column("TV"),
        *([Column("noise", drop=2)] if sampled else []),
        *([Column("TV before", drop=1)] if compared else []),
        Column("valid mass"),
        Column("TV of valid", drop=4),
        Column("effective", drop=5),
        Column("most likely", drop=3, kind="words"),
        Column("mode", drop=6),
        Column("verdict"),
    ]
    cells = []
    for row in rows:
        before = (row.get("compare") or {}).get("tv")
        cells.append(
            (
                _wording(row),
                _tv(row),
                *([_share(row.get("tv_null"))] if sampled else []),
                *([_share(before)] if compared else []),
                _share(row["valid_mass"]),
                _share(row["tv_valid"]),
                console.shown(row["effective_options"]),
                _top(row),
                row["mode"],
                row["verdict"],
            )
        )
    console.table(f"{task}: {len(rows[0]['options'])} options", columns, cells)


def _wording(row: Mapping[str, Any]) -> str:
    plain = row["format"] in ("bare", "none")
    return " ".join(filter(None, (row["wording"], row["arm"], "" if plain else row["format"])))


def _tv(row: Mapping[str, Any]) -> str:
    """TV; in bounds mode from its lower to its upper end."""
    if row["mode"] == "bounds":
        return f"{_share(row['tv_low'])}–{_share(row['tv_high'])}"
    return _share(row["tv"])


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _top(row: Mapping[str, Any]) -> str:
    if row["top_option"] is None:
        return "–"
    times = row["over_representation"]
    return str(row["top_option"]) + ("" if times is None else f" ×{times:.3g}")


def _show_bars(record: Mapping[str, Any]) -> None:
    """One bar an option, from 0, with a mark at its target, and one for anything else, which is never left out."""
    options = list(record["options"])
    if not record.get("ordinal"):
        options.sort(key=lambda option: -option["p"])
    shown, rest = options[:_MOST_OPTIONS], options[_MOST_OPTIONS:]
    bars = [(option["text"], option["p"], option["target"]) for option in shown]
    if rest:
        targets, p = (sum(option[key] for option in rest) for key in ("target", "p"))
        bars.append((f"other ({len(rest)})", p, targets))
    bars.append((_NOTHING, max(0.0, 1 - sum(option["p"] for option in options)), 0.0))
    most = max(max(p, target) for _, p, target in bars)
    rows = [
        (text, Bar(p / most, target / most if target > 0 else None), f"{p:.4f}", f"{target:.4f}")
        for text, p, target in bars
    ]
    title = f"{record['task']} {_wording(record)}, {_verdict(record)}: {_asked(record)}"
    console.table(title, ("option", Column("p, with │ at its target"), "p", "target"), rows)


def _verdict(record: Mapping[str, Any]) -> str:
    return record["verdict"] or "no verdict"


def _asked(record: Mapping[str, Any]) -> str:
    prompt = record["prompt"]
    return prompt if isinstance(prompt, str) else str(prompt[-1]["content"])


def _show_comparison(compared: Mapping[str, Any] | None) -> None:
    if compared is None:
        return
    if compared["n_tasks"]:
        low, high = compared["delta_tv_ci_low"], compared["delta_tv_ci_high"]
        ends = "" if low is None else f" [{low:+.3f}, {high:+.3f}]"
        console.result(
            f"against {compared['baseline']}: TV {compared['delta_tv']:+.3f}{ends} over {compared['n_tasks']} tasks, "
            f"p {compared['p_value']:.3g}; {compared['better']} better, {compared['worse']} worse, "
            f"{compared['verdicts_changed']} verdicts changed"
        )
    missing = compared["missing"]
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        console.warn(f"the baseline has no record of {shown}")


def _show_score(summary: Mapping[str, Any]) -> None:
    if summary["score"] is None:
        console.note("no score: nothing that counts was audited")
        return
    low, high = summary["score_ci_low"], summary["score_ci_high"]
    ends = "" if low is None else f" [{low:.1f}, {high:.1f}]"
    verdicts = ", ".join(f"{number} {name}" for name, number in summary["verdicts"].items() if number)
    worst = summary["worst_wording"]
    lines = [
        f"score {summary['score']:.1f}{ends} (0–100, higher is better), spread {summary['spread']:.1f}, "
        f"format {summary['format']:.1f}; {verdicts or 'no verdict'}"
    ]
    if worst:
        lines.append(f"worst wording: {worst['wording']} (score {worst['score']:.1f})")
    habit = summary["habit"]
    if habit and habit["asking_gains"] is not None:
        lines.append(f"without a word of chance (w0) {habit['score']:.1f}: asking gains {habit['asking_gains']:+.1f}")
    for line in lines:
        console.result(line)
