"""`divtool sample --engine ray`: the stage over shards of prompts, on a cluster."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import typer

from ..core.errors import UsageError
from . import console
from . import endpoint as served
from . import engine_options as e

_SHARD = "64KB"


def sample_on_cluster(
    context: typer.Context,
    strategy: Any,
    options: Any,
    loading: Any,
    source: str,
    output: str,
    rows: Iterable[Any] | None,
) -> None:
    """Draw responses to the prompts of every shard.

    Args:
        context: The command.
        strategy: How a prompt becomes chats.
        options: How much to draw, and how.
        loading: How to load the model.
        source: The prompts.
        output: Where the parts go.
        rows: The prompts, where they are in no file.

    Raises:
        DivtoolError: A shard cannot be drawn; those that are done stay.
    """
    from ..core.records import check_prompt
    from ..core.scale.drawing import SampleWork
    from ..core.scale.parts import Parts
    from ..core.scale.run import run

    if options.shard.of > 1:
        raise UsageError("--shard goes with the local engine: --engine ray deals all prompts out by itself")
    for line in strategy.warnings:
        console.warn(line)
    backend, model = context.params["backend"], context.params["model"]
    with console.progress(None, "responses") as advance:
        spread = e.spread(context, source, Parts(output), size=_SHARD, advance=advance, given=rows)
        work = SampleWork(
            source=partial(served.opened, backend, model, loading),
            strategy=strategy,
            options=options,
            models=loading.server is None and backend != "echo",
            parts=spread.parts,
            skip_bad=spread.skip_bad,
        )
        totals = run(work, spread, check_prompt)
    if totals.skipped:
        console.warn(f"{source}: {totals.skipped} bad lines left out, {totals.counts['read']} read")
    for line in totals.notes:
        console.note(f"first of {len(totals.shards):,} shards: {line}")
    spread.parts.join(totals.shards)
    counts = totals.counts
    console.note(f"{counts['read']:,} prompts, {counts['chats']:,} chats, {counts['tokens']:,} tokens")
