"""Verdicts on runs as a table on standard error: what became of diversity, at which quality and length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import console
from .layout import Column
from .marks import Span

Rows = Sequence[dict[str, Any]]

QUALITY = ("quality", "guard")
_DIVERSITY = {"more": "more diverse", "less": "less diverse"}


def show_matched(records: Rows) -> None:
    """One line a run and task: would another setting of the baseline have done the same?"""
    if not records:
        return
    rows = [
        (r["task"], r["run"], r["value"], interval(r, ""), r["quality_metric"] or "–", _matched_answer(r))
        for r in records
    ]
    key, values = next(iter(records[0]["sweep"].items()))
    title = f"would another {key} of {records[0]['baseline']} have done the same ({', '.join(map(str, values))})?"
    columns = (
        Column("task", kind="words"),
        "run",
        Column("diversity at matched quality"),
        Column("95 % interval", drop=1),
        Column("quality", drop=2),
        Column("answer", kind="words"),
    )
    console.table(title, columns, rows)


def _matched_answer(record: dict[str, Any]) -> str:
    low, high = record["ci_low"], record["ci_high"]
    if low is None:
        return str(record["note"]).rpartition("; ")[2] or "not shown"
    if record["direction"] == "-":
        low, high = -high, -low
    if low > 0:
        return "no: more diverse than all of them at this quality"
    return "yes, and more" if high < 0 else "not shown"


def show_verdicts(records: Rows) -> None:
    """One line a run and task: is it more diverse, at which quality, at which length."""
    rows = []
    for record in records:
        if record["role"] == "headline":
            same = [r for r in records if (r["task"], r["run"]) == (record["task"], record["run"])]
            rows.append(_verdict(record, [r for r in same if r["role"] in QUALITY and "margin" in r]))
    if not rows:
        return
    family = next((record["family_size"] for record in records if record.get("family_size")), 0)
    title = f"against {records[0]['baseline']}" + (f", p adjusted over {family} comparisons" if family > 1 else "")
    columns = (
        Column("task", kind="words"),
        Column("run"),
        Column("verdict", kind="words"),
        Column("by", drop=2),
        Column("delta"),
        Column("0 in the middle", drop=3),
        Column("95 % interval", drop=4),
        Column("p", drop=5),
        Column("detectable", drop=6),
        Column("quality", drop=1, kind="words"),
        Column("words", kind="words"),
    )
    names = list(zip(*rows, strict=True))[:2]
    # What is the same in every row is said once.
    said = [place for place, column in enumerate(names) if len(set(column)) == 1]
    title = ": ".join([*(rows[0][place] for place in said), title])
    kept = [place for place in range(len(columns)) if place not in said]
    console.table(title, [columns[place] for place in kept], [[row[place] for place in kept] for row in rows])
    _show_guarded(records)


def _show_guarded(records: Rows) -> None:
    """One line a run about what it must not lose."""
    guarding = [record for record in records if record["role"] == "guard"]
    for task, run in dict.fromkeys((record["task"], record["run"]) for record in guarding):
        own = [record for record in guarding if (record["task"], record["run"]) == (task, run)]
        say = console.warn if any(record["verdict"] == "worse" for record in own) else console.note
        say(f"{task}: {run}: " + ", ".join(f"{record['metric']} {record['verdict'] or '–'}" for record in own))


def _verdict(record: dict[str, Any], quality: Rows) -> tuple[Any, ...]:
    named = [f"{r['metric']} {r['verdict'] or '–'}" if len(quality) > 1 else r["verdict"] or "–" for r in quality]
    return (
        record["task"],
        record["run"],
        _words(record),
        record["metric"],
        record["delta"],
        drawn(record),
        interval(record, "delta_"),
        record["p_adjusted"],
        record["detectable_delta"],
        ", ".join(named) or "–",
        _lengths(record),
    )


def _words(record: dict[str, Any]) -> str:
    """What becomes of diversity and quality, in words."""
    own = _DIVERSITY.get(record["verdict"], record["verdict"] or "–")
    words = record.get("tradeoff") or own
    return f"trade: {own}" if words == "trade" else words


def _lengths(record: dict[str, Any]) -> str:
    flag = " (!)" if record["length_flag"] else ""
    return f"{record['baseline_mean_words']:.0f} → {record['mean_words']:.0f}{flag}"


def drawn(record: dict[str, Any]) -> Span | str:
    """The difference and its interval beside 0."""
    low, high = record["delta_ci_low"], record["delta_ci_high"]
    return "" if low is None or low == high == 0 else Span.around_zero(low, record["delta"], high)


def interval(record: dict[str, Any], prefix: str) -> str:
    """The ends of an interval; `prefix` is that of its keys."""
    low, high = record[f"{prefix}ci_low"], record[f"{prefix}ci_high"]
    return "–" if low is None else f"[{low:.3f}, {high:.3f}]"
