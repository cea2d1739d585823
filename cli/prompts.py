"""`divtool prompts`: a built-in prompt set as records."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options as o


def prompts(
    name: Annotated[str, typer.Argument(help="The set; see divtool prompt-sets.", metavar="NAME")],
    output: o.Output = "-",
    count: Annotated[int | None, typer.Option("--count", min=1, help="How many; the set's own number else.")] = None,
    seed: o.Seed = 0,
) -> None:
    """Write the prompts of a built-in set, to read, to change, or to sample from."""
    from ..core.sampling.prompt_sets import builtin_rows
    from ..core.writer import RecordWriter

    with RecordWriter(output) as writer:
        for row in builtin_rows(name, count, seed):
            writer.write(row.data)
