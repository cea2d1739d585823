"""`divtool sample --engine ray`: the stage over shards of prompts, on a cluster."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import typer

from ..core.errors import DivtoolError, UsageError
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
    if loading.server is not None and loading.server.per_minute is not None and context.params["ray_workers"] != 1:
        console.warn("--requests-per-minute holds for each worker by itself; --ray-workers sets their number")
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
    if refused := totals.counts["refused"]:
        if not totals.records:
            spread.parts.clear()
            raise DivtoolError(
                "nothing was drawn: the server has refused everything; leave out --on-error skip to see why"
            )
        console.warn(f"{refused:,} responses left out, which the server refused")
    for line in totals.notes:
        console.note(f"first of {len(totals.shards):,} shards: {line}")
    spread.parts.join(totals.shards)
    counts = totals.counts
    console.note(f"{counts['read']:,} prompts, {counts['chats']:,} chats, {counts['tokens']:,} tokens")
