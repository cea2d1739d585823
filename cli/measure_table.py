"""Measure records as a table on standard error, with their notes."""

from __future__ import annotations

from typing import Any

from . import console


def show(records: list[dict[str, Any]]) -> None:
    """Print the rows of a run, or of its comparison with the baseline, and what is noted beside them."""
    compared = [record for record in records if "delta" in record]
    if compared:
        _show_comparison(compared)
    else:
        rows = [(r["metric"], r["value"], _interval(r, ""), r["direction"]) for r in records]
        title = f"{records[0]['task']}: {records[0]['run']}"
        console.table(title, ("metric", "value", "95 % interval", "direction"), rows)
    _show_notes(records)


def _show_notes(records: list[dict[str, Any]]) -> None:
    """Each note once, with the rows that it belongs to unless it is said of every row over prompts."""
    noted: dict[str, list[str]] = {}
    for record in records:
        for note in filter(None, record["note"].split("; ")):
            noted.setdefault(note, []).append(record["metric"])
    over_prompts = {record["metric"] for record in records if record["unit"] == "prompt"}
    for note, metrics in noted.items():
        where = "" if over_prompts <= set(metrics) else f"{_listed(list(dict.fromkeys(metrics)))}: "
        doubtful = "unreliable" in note or "left the map" in note
        (console.warn if doubtful else console.note)(where + note)


def _listed(names: list[str]) -> str:
    """A few names, and how many more there are."""
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def _show_comparison(records: list[dict[str, Any]]) -> None:
    first = records[0]
    rows = [
        (
            r["metric"],
            r["baseline_value"],
            r["value"],
            r["delta"],
            _interval(r, "delta_"),
            r["p_value"],
            r["verdict"] or "",
        )
        for r in records
    ]
    columns = ("metric", "baseline", "run", "delta", "95 % interval", "p", "verdict")
    console.table(f"{first['task']}: {first['run']} against {first['baseline']}", columns, rows)
    if first["length_flag"]:
        console.warn("mean length moved by more than 10 %: read the diversity numbers with care")


def _interval(record: dict[str, Any], prefix: str) -> str:
    low, high = record[f"{prefix}ci_low"], record[f"{prefix}ci_high"]
    return "–" if low is None else f"[{low:.3f}, {high:.3f}]"
