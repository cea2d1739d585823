"""`divtool eval --task pool --engine ray`: responses of one run in shards, on a cluster."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from ..core.errors import DivtoolError, UsageError
from . import console, measure_table
from . import engine_options as engines

if TYPE_CHECKING:
    from ..core.evaluation.measure import Measurer

_SHARD = "32MB"
# What needs the texts of all prompts, or of two runs, in one place; or asks a judge.
_ALONE = (
    "model", "run", "baseline", "sweep", "prompts", "human", "train_data", "report", "judge", "protocol",
    "quality_model", "dry_run",
)  # fmt: skip


def eval_on_cluster(
    context: typer.Context, plans: Any, lineup: Any, task_options: Any, qualities: Any, demands: Any, output: str
) -> tuple[Any, Any]:
    """Measure one run, its prompts in shards, and write the records; the answer is the outcome and the checked bounds.

    Args:
        context: The command.
        plans: What to measure.
        lineup: The run.
        task_options: What the user set for tasks.
        qualities: The measures of quality.
        demands: Bounds of the user's.
        output: Where the measure records go.

    Raises:
        DivtoolError: A shard cannot be read, or the call asks for what cannot be spread.
    """
    from ..core.evaluation.call import Outcome
    from ..core.evaluation.pool_parts import Findings, of_parts, rows_left_out
    from ..core.evaluation.pool_survey import Survey, any_group
    from ..core.evaluation.quality import open_quality
    from ..core.records import check_response
    from ..core.scale.parts import Parts
    from ..core.scale.passing import first_pass
    from ..core.writer import RecordWriter

    _check(context, plans)
    plan, source = of_parts(plans[0]), lineup.runs[0]
    parts = Parts.beside(output, context.params["scratch"])
    spread = engines.spread(context, str(source.file), parts, size=_SHARD, advance=lambda n: None)
    first = replace(spread, parts=parts.below("survey"))
    with console.progress(None, "responses, survey") as advance:
        look = partial(Survey, plan.task, qualities.keys, skip_bad=spread.skip_bad)
        survey, totals = first_pass(replace(first, advance=advance), look, check_response, any_group, models=False)
    survey.check(source.name)
    opened = partial(_opened, [plan], task_options, open_quality(qualities, None, plan.sources.loading, console.note))
    frame = survey.frame(plan.truncate)
    make = partial(Findings, opened, source.name, frame, skip_bad=spread.skip_bad)
    second = replace(spread, parts=parts.below("values"))
    with console.progress(None, "responses") as advance:
        found, _ = first_pass(
            replace(second, advance=advance), make, check_response, any_group, models=bool(plan.needed())
        )
    skipped = totals.skipped + survey.skipped
    notes = [*([f"{skipped} bad lines left out"] if skipped else []), *survey.notes]
    for note in notes:
        console.warn(f"{source.file}: {note}")
    outcome = Outcome(plan.task.name)
    try:
        measured = found.measured(plan, survey.model, notes)
    except DivtoolError as error:
        outcome.error = error
        return outcome, demands.check([source.name], [])
    outcome.records, outcome.units = measured.records, measured.units
    lone = rows_left_out(plans[0])
    console.note(f"left out, as all texts would have to be in one place: {', '.join([*lone, 'reference rows'])}")
    checks = demands.check([source.name], outcome.records)
    with RecordWriter(output) as writer:
        for record in outcome.records:
            writer.write(record)
    for passed in (first.parts, second.parts, parts):
        passed.clear()
    measure_table.show([outcome.records])
    return outcome, checks


def _check(context: typer.Context, plans: Any) -> None:
    """Refuse what parts cannot do.

    Raises:
        UsageError: The call asks for it.
    """
    if [plan.task.name for plan in plans] != ["pool"]:
        raise UsageError("--engine ray measures --task pool, alone")
    for name in _ALONE:
        if context.params[name]:
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag} does not go with --engine ray, which measures the responses of one run by prompt")


def _opened(plans: Any, task_options: Any, quality: Any) -> Measurer:
    from ..core.evaluation.plan import open_all

    return open_all(plans, lambda text: None, task_options, quality)[0]
