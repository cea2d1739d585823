"""Measure records as tables on standard error: verdicts first, then every number, then what is noted beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import console
from .layout import Column
from .marks import Span
from .verdict_table import QUALITY, drawn, interval, show_matched, show_verdicts

Rows = Sequence[dict[str, Any]]

# More runs than this do not fit side by side.
_MOST_RUNS = 6
# What is shown apart from the rows of runs.
_APART = ("reference", "matched")
# What notes with these words say can turn a conclusion round.
_DOUBTFUL = ("unreliable", "left the map", "decoding differs", "in common", "no p can reach")


def show(tasks: Sequence[Rows]) -> None:
    """Print the rows of each task: of its runs, or of their comparison with the baseline.

    Args:
        tasks: The measure records, by task.
    """
    show_matched([record for records in tasks for record in records if record["role"] == "matched"])
    compared = [record for records in tasks for record in records if "delta" in record]
    if compared:
        show_verdicts(compared)
    for records in tasks:
        _show_task(records)
        _show_references(records)
    for records in tasks:
        _show_notes(records, task=records[0]["task"] if len(tasks) > 1 else "")


def _show_task(records: Rows) -> None:
    compared = [record for record in records if "delta" in record]
    records = [record for record in records if record["role"] not in _APART]
    rows = compared or records
    runs = list(dict.fromkeys(record["run"] for record in rows))
    if len(runs) > 1:
        _show_side_by_side(records, runs, compared[0]["baseline"] if compared else None)
    elif compared:
        _show_comparison(rows)
    else:
        _show_values(rows)


def _show_values(records: Rows) -> None:
    cells = [(r["metric"], r["value"], _on_unit_axis(r), interval(r, ""), r["direction"]) for r in records]
    columns = ("metric", "value", Column("0 to 1", drop=2), "95 % interval", Column("direction", drop=1))
    console.table(f"{records[0]['task']}: {records[0]['run']}", columns, cells)


def _show_references(records: Rows) -> None:
    """The ceiling and the floor of the headline, in a line."""
    made = [r for r in records if r["role"] == "reference" and "setting" not in r]
    made = [r for r in made if r["metric"] == made[0]["metric"]]
    parts = [f"{r['run'].strip('[]')} responses {console.shown(r['value'])}{_matched(r)}" for r in made]
    if parts:
        without = "" if any("matched_value" in r for r in made) else "; of humans: nothing given (--human FILE)"
        console.note(f"for comparison, {made[0]['metric']} of {', of '.join(parts)}{without}")


def _matched(record: dict[str, Any]) -> str:
    """What the run has where it is cut to the responses by humans."""
    return f" ({console.shown(record['matched_value'])} on as many)" if "matched_value" in record else ""


def _show_comparison(records: Rows) -> None:
    first = records[0]
    rows = [
        (
            r["metric"],
            r["baseline_value"],
            r["value"],
            r["delta"],
            drawn(r),
            interval(r, "delta_"),
            r["p_value"],
            r["verdict"] or "",
        )
        for r in records
    ]
    columns = (
        Column("metric"),
        Column("baseline", drop=1),
        Column("run", drop=2),
        Column("delta"),
        Column("0 in the middle", drop=5),
        Column("95 % interval", drop=3),
        Column("p", drop=4),
        Column("verdict", kind="words"),
    )
    console.table(f"{first['task']}: {first['run']} against {first['baseline']}", columns, rows)


def _show_side_by_side(records: Rows, runs: Sequence[str], baseline: str | None) -> None:
    """A column a run while they fit, else a line a run with what matters most."""
    task, sides = records[0]["task"], [*([baseline] if baseline is not None else []), *runs]
    cells = {(r["metric"], r["run"]): r for r in records}
    metrics = list(dict.fromkeys(r["metric"] for r in records))
    title = f"{task}: value" + (f" (delta against {baseline}; * its interval leaves 0 out)" if baseline else "")
    rows = [(metric, *(_cell(cells.get((metric, side))) for side in sides)) for metric in metrics]
    if len(sides) <= _MOST_RUNS and console.fits(("metric", *sides), rows):
        console.table(title, ("metric", *sides), rows)
        return
    leading = list(dict.fromkeys(r["metric"] for r in records if r["role"] in ("headline", "length", *QUALITY)))
    rows = [(side, *(_cell(cells.get((metric, side))) for metric in leading)) for side in sides]
    console.table(title, ("run", *leading), rows)
    console.note(f"{task}: {len(metrics) - len(leading)} more measures are in the output")


def _on_unit_axis(record: dict[str, Any]) -> Span | str:
    """A value and its interval, where it is of those between 0 and 1."""
    low, value, high = record["ci_low"], record["value"], record["ci_high"]
    if low is None or not 0 <= low <= value <= high <= 1:
        return ""
    return Span(low, value, high, 0.0, (0.0, 1.0))


def _cell(record: dict[str, Any] | None) -> str:
    """A value, with its difference; a star where the interval of the difference leaves zero out."""
    if record is None:
        return ""
    if record.get("delta") is None:
        return console.shown(record["value"])
    low, high = record["delta_ci_low"], record["delta_ci_high"]
    star = "*" if low is not None and (low > 0 or high < 0) else ""
    sign = "+" if record["delta"] >= 0 else ""
    return f"{console.shown(record['value'])} ({sign}{console.shown(record['delta'])}{star})"


def _show_notes(records: Rows, task: str) -> None:
    """Each note once, with the rows that it belongs to unless it is said of every row that has units."""
    noted: dict[str, list[dict[str, Any]]] = {}
    records = [record for record in records if record["role"] not in _APART]
    for record in records:
        for note in filter(None, record["note"].split("; ")):
            # The record holds the reason, which differs from metric to metric.
            noted.setdefault(note.partition(" (")[0], []).append(record)
    over_units = {record["metric"] for record in records if record["unit"] != "run"}
    every = {record["run"] for record in records if "delta" in record} or {record["run"] for record in records}
    for note, rows in noted.items():
        runs = list(dict.fromkeys(row["run"] for row in rows))
        metrics = list(dict.fromkeys(row["metric"] for row in rows))
        whose = "" if every <= set(runs) else _listed(runs)
        of = "" if over_units <= set(metrics) else _listed(metrics)
        say = console.warn if any(words in note for words in _DOUBTFUL) else console.note
        say(": ".join(filter(None, (task, whose, of, note))))
    moved = list(dict.fromkeys(record["run"] for record in records if record.get("length_flag")))
    if moved:
        whose = "" if len(every) == 1 else _listed(moved)
        care = ": read the diversity numbers with care" if any(r["role"] == "headline" for r in records) else ""
        text = f"mean length moved by more than 10 %{care}"
        console.warn(": ".join(filter(None, (task, whose, text))))


def _listed(names: list[str]) -> str:
    """A few names, and how many more there are."""
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"
