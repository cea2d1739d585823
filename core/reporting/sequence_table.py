"""The table of an audit's sequences: the order in them beside that of chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .audit_rows import AuditRow
from .blocks import Table
from .text import as_mapping, as_number, number

_TESTS = {
    "within": {
        "runs": "runs", "longest_run": "longest run", "repetition_ratio": "repetition ratio",
        "ljung_box": "Ljung\u2013Box Q", "transition_chi2": "\u03c7\u00b2 of transitions",
        "conditional_entropy_bits": "bits given the one before", "fixed_points": "fixed points",
        "kendall_tau": "Kendall's \u03c4",
    },
    "between": {"place_chi2": "\u03c7\u00b2 of entries against places"},
}  # fmt: skip


def sequence_table(rows: Sequence[AuditRow], title: str) -> Table | None:
    """Every statistic of order of every record with sequences; None without one.

    Args:
        rows: Audit records.
        title: What the table is called.
    """
    cells = [cell for row in rows for cell in _cells(row)]
    head = ("Task", "About", "Statistic", "Value", "By chance", "p")
    return Table(head, cells, "lllrrr", title, folded=True) if cells else None


def _cells(row: AuditRow) -> list[tuple[str, ...]]:
    found = as_mapping(row.record.get("sequence"))
    name = f"{row.task}, {row.column}"
    cells = []
    for about, tests in _TESTS.items():
        statistics = as_mapping(found.get(about))
        for key, label in tests.items():
            one = as_mapping(statistics.get(key))
            if one:
                cells.append((name, f"{about} sequences", label, *(_shown(one, k) for k in ("value", "expected", "p"))))
    between = as_mapping(found.get("between"))
    if as_number(between.get("equal_pairs")) is not None:
        shown = (_shown(between, key) for key in ("equal_pairs", "equal_pairs_expected"))
        cells.append((name, "between sequences", "equal pairs", *shown, ""))
    law = as_mapping(found.get("next"))
    if as_number(law.get("repetition_ratio")) is not None:
        for key, label in (("repetition_ratio", "repetition ratio"), ("entropy_rate_bits", "entropy rate in bits")):
            cells.append((name, "exact law of the next symbol", label, _shown(law, key), "", ""))
    return cells


def _shown(values: Mapping[str, Any], key: str) -> str:
    return number(as_number(values.get(key)), 3)
