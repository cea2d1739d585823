"""`divtool report`: stage files to one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import console


def report(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Any mix of stage files: responses, scored, pairs, length-bias and select reports, training logs, "
            "measures, values by unit.",
            metavar="FILE...",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The page.", metavar="FILE")],
    title: Annotated[str | None, typer.Option("--title", help="Headline of the page.")] = None,
) -> None:
    """Write one self-contained HTML page about a run.

    It opens from a file, offline. The kind of each input is told by its keys.
    """
    from ..core.jsonl import check_distinct
    from ..core.reporting.page import write_report

    check_distinct(output, *files)
    write_report(files, output, title)
    console.note(f"wrote {output} ({output.stat().st_size / 1024:,.0f} KiB)")
