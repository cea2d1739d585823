"""What a call has gathered: the responses of every run to every task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..jsonl import RowReader
from ..sampling.settings import Wanted
from .demand import Demand
from .intake import Intake
from .runs import Run
from .sources import HEEDED, Lineup, Source
from .unread import filled, unread_note


@dataclass(slots=True)
class Collection:
    """What was gathered.

    Attributes:
        lineup: The runs and the baseline.
        runs: By origin and task, the responses of files.
        files: Likewise, where sampled responses are.
        asked: Likewise, what there should be.
        lacking: Origins and tasks that have none.
        refused: By task, why it is left out.
        failed: By task, what went wrong while it was sampled.
        human: Responses by humans to the same prompts, or None.
    """

    lineup: Lineup
    runs: dict[tuple[object, str], Run] = field(default_factory=dict)
    files: dict[tuple[object, str], Path] = field(default_factory=dict)
    asked: dict[tuple[object, str], Demand] = field(default_factory=dict)
    lacking: set[tuple[object, str]] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    failed: dict[str, Exception] = field(default_factory=dict)
    human: Run | None = None

    def of(self, task: str) -> tuple[list[Run], Run | None]:
        """The runs of a task that have responses, and the baseline, which is an object of its own.

        Raises:
            Exception: What went wrong while the task was sampled.
        """
        if task in self.failed:
            raise self.failed[task]
        opened: dict[object, Run] = {}
        runs = [self._open(source, task, opened) for source in self.lineup.runs if self._there(source, task)]
        base = self.lineup.baseline
        return runs, self._open(base, task, opened) if base is not None else None

    def swept(self, task: str) -> list[Run]:
        """The baseline's responses to a task at each point of the sweep."""
        return [self._open(source, task, {}) for source in self.lineup.sweep]

    def params(self, task: str) -> dict[str, Mapping[str, Any]]:
        """By run, how its model was asked; not of files, whose records say it, nor for tasks that ask in their way."""
        asked = ((source.name, self.asked.get((source.origin, task))) for source in self.lineup.every)
        return {name: demand.params for name, demand in asked if demand is not None and demand.params}

    def _there(self, source: Source, task: str) -> bool:
        return (source.origin, task) not in self.lacking

    def _drawn(self, source: Source, key: tuple[object, str]) -> Run:
        return drawn_run(source.name, str(source.model), self.files[key], self.asked[key])

    def _open(self, source: Source, task: str, opened: dict[object, Run]) -> Run:
        """A run under the name of its source; sources of one origin share the records."""
        key = source.origin, task
        if key not in opened:
            opened[key] = self.runs[key] if key in self.runs else self._drawn(source, key)
        return replace(opened[key], name=source.name)


def drawn_run(name: str, model: str, path: Path, demand: Demand) -> Run:
    """The run in a file that a model's responses were drawn into.

    Args:
        name: What the run is called.
        model: What the model is called.
        path: The file; empty where no answer held a response that could be read.
        demand: What it should hold.

    Raises:
        InputError: It holds no records for another reason.
    """
    intake = Intake(Wanted(heeded=HEEDED), every_turn=True)
    for row in RowReader(str(path)) if not demand.prompts or path.stat().st_size else ():
        intake.add(row)
    found = {prompt_id: [group[key] for key in sorted(group)] for prompt_id, group in intake.groups.items()}
    responses = found | {
        record["prompt_id"]: filled(found.get(record["prompt_id"], ()), record, demand.each)
        for record in demand.prompts
    }
    got, there = sum(map(len, found.values())), sum(map(len, responses.values()))
    notes = [*demand.notes, *intake.notes, *unread_note(there - got)]
    if there < demand.total:
        notes.append(f"only {there:,} of {demand.total:,} responses of {name} are there")
    return Run(name, ", ".join(intake.models) or model, responses, tuple(notes))
