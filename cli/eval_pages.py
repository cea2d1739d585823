"""What `eval` leaves beside its records: the results of checks, the page, the values by unit; and how it ends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import console


def write_checks(path: Path | None, outcomes: Any, checks: Any) -> None:
    """Write the results of the user's bounds as JUnit XML, where a file is named."""
    if path is None:
        return
    from ..core.evaluation.junit import write_junit

    write_junit(path, outcomes, checks)
    console.note(f"wrote {path}")


def check_pages(report: Path | None, unit_values: Path | None, others: Sequence[Path | str]) -> None:
    """Look whether the page and the values by unit can be written, before anything takes long."""
    from ..core.output import check_distinct, check_writable

    for path in filter(None, (report, unit_values)):
        check_distinct(path, *others)
        check_writable(path)
    if report is not None:
        from ..core.reporting.svg import require_page_packages

        require_page_packages()
        check_distinct(report, *([unit_values] if unit_values else []))


def call_account(folder: Path) -> dict[str, Any]:
    """What is said of the call itself; it is kept beside the responses that were drawn."""
    from ..core.jsonl import dumps
    from ..core.output import replacing
    from ..core.provenance import account

    said = {"format": "divtool-eval", "version": 1, **account(console.command_line())}
    if folder.is_dir():
        with replacing(folder / "eval.json") as temporary:
            temporary.write_bytes(dumps(said))
    return said


def write_pages(
    report: Path | None, unit_values: Path | None, outcomes: Any, collection: Any, account: dict[str, Any]
) -> None:
    """Write the values by unit and the page, where files are named."""
    if unit_values is not None:
        from ..core.evaluation.unit_values import write_unit_values

        write_unit_values(str(unit_values), outcomes)
        console.note(f"wrote {unit_values}")
    if report is not None:
        from ..core.reporting.eval_report import write_eval_report

        write_eval_report(outcomes, collection, report, account)
        console.note(f"wrote {report}")


def end(error: Exception | None, checks: Any) -> None:
    """End with what went wrong, else with what was missed, else well.

    Raises:
        ThresholdMissed: A bound of the user was missed.
    """
    from ..core.errors import ThresholdMissed
    from ..core.evaluation.thresholds import missed

    if error is not None:
        raise error
    if text := missed(checks):
        raise ThresholdMissed(text)
