"""`divtool score --engine ray`: the stage over shards, on a cluster."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import typer

from ..core.errors import UsageError
from . import console
from . import engine_options as e

_SHARD = "32MB"


def score_on_cluster(context: typer.Context, stage: Any, planned: Any, source: str, output: str) -> str:
    """Score every shard; the answer is the hash of what was read.

    Args:
        context: The command.
        stage: Gets what was counted, and what it collects of the scored records.
        planned: What to score.
        source: The responses.
        output: Where the parts go.

    Raises:
        DivtoolError: A shard cannot be scored; those that are done stay.
    """
    from ..core.records import check_response
    from ..core.scale.parts import Parts
    from ..core.scale.run import run
    from ..core.scale.scoring import ScoreWork, summary_of

    if context.params["judge_max_calls"] is not None:
        raise UsageError("--judge-max-calls does not go with --engine ray: each worker would make so many")
    if context.params["workers"] != 1:
        console.warn("--workers has no effect with --engine ray; --ray-workers sets how many there are")
    definitions = {name: planned.definitions[name] for name in stage.names if name in planned.definitions}
    with console.progress(None, "responses") as advance:
        spread = e.spread(
            context, source, Parts(output), size=_SHARD, depends={"definitions": definitions}, advance=advance
        )
        totals = run(ScoreWork(plan=planned, parts=spread.parts, skip_bad=spread.skip_bad), spread, check_response)
    if totals.skipped:
        console.warn(f"{source}: {totals.skipped} bad lines left out, {totals.records} read")
    if any(one is not None for one in (stage.builder, stage.length_bias, stage.distributions)):
        # What is collected over all records is collected here, from the parts, as a resumed run does.
        for _, group in groupby(spread.parts.records(totals.shards), key=lambda record: record["prompt_id"]):
            stage.observe(list(group))
    stage.summary = summary_of(totals.records, totals.counts)
    spread.parts.join(totals.shards)
    return totals.sha256
