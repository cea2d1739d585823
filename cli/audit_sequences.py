"""Sequences and the ways of asking, as people see them at the end of an audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import console

Rows = Sequence[Mapping[str, Any]]

_NAMES = {
    "repetition_ratio": "repetition ratio",
    "runs": "runs",
    "longest_run": "longest run",
    "conditional_entropy_bits": "bits given the one before",
    "fixed_points": "fixed points",
    "kendall_tau": "Kendall's τ",
    "place_chi2": "χ² of places",
}


def show_sequences(records: Rows) -> None:
    """One table of all records with sequences: how many were kept, and the order in them beside that of chance."""
    rows = [cells(record) for record in records if record.get("sequence")]
    if rows:
        columns = ("task", "kept", "length", "within a sequence", "between sequences")
        console.table("Sequences: each number beside what chance would give", columns, rows)


def cells(record: Mapping[str, Any]) -> tuple[str, ...]:
    """The row of a record."""
    found = record["sequence"]
    length = "–" if found["kept_length"] is None else f"{found['kept_length']} of {found['length']}"
    kept = f"{found['kept']} of {record['n']}"
    return record["task"], kept, length, _within(found), _between(found)


def _within(found: Mapping[str, Any]) -> str:
    parts = _tests(found["within"] or {})
    law = found.get("next") or {}
    if law.get("repetition_ratio") is not None:
        parts.append(f"exact: repetition ratio {law['repetition_ratio']:.3g}, {law['entropy_rate_bits']:.3g} bits")
    return "\n".join(parts) or "–"


def _between(found: Mapping[str, Any]) -> str:
    between = found["between"] or {}
    parts = _tests(between)
    if between.get("equal_pairs") is not None:
        parts.append(f"equal pairs {between['equal_pairs']:.3g} ({between['equal_pairs_expected']:.3g})")
    if between.get("first_symbol_p") is not None:
        parts.append(f"first symbol p {between['first_symbol_p']:.2g}")
    return "\n".join(parts) or "–"


def _tests(statistics: Mapping[str, Any]) -> list[str]:
    return [
        f"{name} {one['value']:.3g} ({one['expected']:.3g}), p {one['p']:.2g}"
        for key, name in _NAMES.items()
        if isinstance(one := statistics.get(key), Mapping)
    ]


def show_robustness(ways: Rows) -> None:
    """One line: how far the laws of a task are apart over its ways of asking, and where most."""
    if not ways:
        return
    mean = sum(one["mean_js_bits"] for one in ways) / len(ways)
    most = max(ways, key=lambda one: one["mean_js_bits"])
    worst = " ".join(filter(None, (most["worst"]["wording"], most["worst"]["arm"])))
    console.note(
        f"over ways of asking: laws {mean:.3f} bits apart (0–1, lower is better); most {most['task']} "
        f"{most['mean_js_bits']:.3f}, worst in {worst}"
    )
    deep = [one["task"] for one in ways if one["depth"] and one["depth"]["deep"]]
    if deep:
        console.note(f"one favourite in any scenario: {', '.join(deep)}")
