"""The strategies that a call asks its models with, and what they leave to be settled."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import UsageError
from ..sampling.open import strategy_kind
from .sources import Lineup
from .task import Task
from .task_options import Prefill


def settled_prefill(tasks: Sequence[Task], lineup: Lineup, strategy: str, wanted: Prefill) -> Prefill:
    """How answers are begun: as the user said, but on no side where a side's responses are taken out of its answers.

    Args:
        tasks: What is measured.
        lineup: The runs and the baseline.
        strategy: That of models which name none of their own.
        wanted: What the user said.

    Raises:
        UsageError: No such strategy, nothing that it could ask, or answers that cannot be begun.
    """
    kinds = {
        source.name: strategy_kind(str(dict(source.settings).get("strategy", strategy)))
        for source in lineup.every
        if source.model is not None
    }
    if strategy_kind(strategy).name != "direct" and not kinds:
        raise UsageError("--strategy is how models are asked, and every run of this call is a file: leave it out")
    for name, kind in kinds.items():
        if kind.name != "direct" and all(task.drawing is not None for task in tasks):
            raise UsageError(f"{name}: task {tasks[0].name} asks in a way of its own; leave strategy {kind.name} out")
        if kind.name == "list" and (several := [task.name for task in tasks if task.lines]):
            raise UsageError(
                f"{name}: answers to task {', '.join(several)} are lists or have several lines, and cannot be told "
                "apart in a list of them; strategy verbalized marks each"
            )
        if not kind.whole and wanted == "on":
            raise UsageError(
                f"--prefill on: strategy {kind.name} of {name} takes responses out of an answer, which cannot be begun "
                "for them; leave it at auto"
            )
    return wanted if all(kind.whole for kind in kinds.values()) else "off"
