"""What a call of `eval` measures: its runs, and the tasks that come with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError
from . import console
from . import options as o

if TYPE_CHECKING:
    from ..core.evaluation.sources import Lineup
    from ..core.evaluation.task_options import TaskOptions
    from ..core.models.options import ServerOptions


def lined_up(
    file: str | None,
    model: str | None,
    adapter: str | None,
    runs: Sequence[str],
    baseline: str | None,
    sweep: str | None,
    server: ServerOptions | None,
) -> Lineup:
    """What the user named, in the order given; of a server without a name, its only model.

    Raises:
        DivtoolError: Options that exclude each other, or a server that has no model or several.
    """
    from ..core.evaluation.sources import file_source, line_up, model_source, parse_source

    if file is not None and model is not None:
        raise UsageError("eval measures a FILE of responses or a --model, not both")
    if runs and (file is not None or model is not None):
        raise UsageError("with --run, give every run as a --run, also a FILE or a model")
    if adapter is not None and model is None:
        raise UsageError("--adapter needs a --model; with --run, write NAME=MODEL+ADAPTER")
    if runs:
        return line_up([parse_source(text) for text in runs], baseline, sweep)
    if server is not None and file is None and model is None:
        from ..core.sampling.open import only_model

        model = only_model(server)
        console.note(f"model {model}")
    if model is not None:
        return line_up([model_source(model, adapter)], baseline, sweep)
    return line_up([file_source(o.source(file))], baseline, sweep)


def guarded(tasks: list[Any], lineup: Lineup, server: ServerOptions | None) -> list[Any]:
    """The tasks, with the guard where models of this process are compared."""
    from ..core.evaluation.guard.task import GUARD, compares_models, with_guard

    if server is not None:
        if compares_models(lineup) and GUARD not in tasks:
            console.note("without task guard, which reads probabilities that a server does not give")
        return tasks
    found = with_guard(tasks, lineup)
    if len(found) > len(tasks):
        console.note(f"task {found[-1].name} added, as models are compared (--no-guard leaves it out)")
    return found


def check_standard_input(files: Sequence[str | Path | None]) -> None:
    """Raise where standard input is to be read for two things."""
    if sum(str(file) == "-" for file in files) > 1:
        raise UsageError("standard input can be read only once; name files for all but one of those that are -")


def prefill_of(
    server: ServerOptions | None, tasks: Sequence[Any], lineup: Lineup, options: TaskOptions, strategy: str
) -> Any:
    """How answers are begun: as the user said, but not where a server draws them, or a strategy takes them apart.

    Raises:
        UsageError: The call asks of a server, or of a strategy, what it cannot do.
    """
    from ..core.evaluation.served import check_served
    from ..core.evaluation.strategies import settled_prefill

    prefill = settled_prefill(tasks, lineup, strategy, options.prefill)
    if prefill != options.prefill and any(task.prefill for task in tasks):
        console.note("answers are begun on no side (--prefill), as a strategy takes responses out of those of one")
    if server is None:
        return prefill

    check_served(tasks, lineup, options)
    return "off"
