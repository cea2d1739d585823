"""What a call can ask of models that a server runs."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import UsageError
from .sources import Lineup
from .task import Task
from .task_options import TaskOptions


def check_served(tasks: Sequence[Task], lineup: Lineup, options: TaskOptions) -> None:
    """Look whether a server can draw what a call needs; it is not asked.

    Args:
        tasks: What is measured.
        lineup: The runs and the baseline; all models are the server's.
        options: What the user set for tasks.

    Raises:
        UsageError: It cannot.
    """
    models = [source for source in lineup.every if source.model is not None]
    if not models:
        raise UsageError("--endpoint draws responses, and every run of this call is a file: leave it out")
    for source in models:
        if source.adapter is not None:
            raise UsageError(
                f"{source.name}: --endpoint has no adapters; let the server load it, and name it as the server does"
            )
    for task in tasks:
        if task.drawing is not None:
            raise UsageError(
                f"task {task.name} reads probabilities that a server does not give: leave out the task, or --endpoint"
            )
    if options.prefill == "on":
        raise UsageError("--prefill on: a server begins every answer itself; leave it at auto")
