"""`divtool report`: stage files to one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import console
from . import options as o


def report(
    output: Annotated[Path, typer.Option("-o", "--output", help="The page.", metavar="FILE")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Any mix of stage files: responses, scored, pairs, groups, length-bias and select reports, training "
            "logs and facts, measures, values by unit, audit records, decile maps, and what eval keeps in eval.json; "
            "- or nothing for standard input.",
            metavar="FILE",
        ),
    ] = None,
    title: Annotated[str | None, typer.Option("--title", help="Headline of the page.")] = None,
    pictures: Annotated[
        Path | None,
        typer.Option("--pictures", help="Write every picture there too, as SVG, as PNG and as CSV.", metavar="FOLDER"),
    ] = None,
    on_error: o.OnError = "stop",
) -> None:
    """Write one self-contained HTML page about a run.

    It opens from a file, offline. The kind of each input is told by its keys.
    """
    from ..core.output import check_distinct
    from ..core.reporting.page import write_report

    sources = files or [Path(o.source(None))]
    check_distinct(output, *sources)
    command = console.command_line()
    written = write_report(sources, output, title, pictures, command, skip_bad=on_error == "skip")
    for name, n in written.skipped.items():
        console.warn(f"{name}: {n:,} bad lines left out")
    console.note(f"wrote {output} ({output.stat().st_size / 1024:,.0f} KiB)")
    if pictures is not None:
        console.note(f"wrote {written.pictures:,} pictures to {pictures}")
