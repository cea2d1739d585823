"""What a call has gathered: the responses of every run to every task."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from .runs import Run, read_run
from .sources import Lineup, Source


@dataclass(slots=True)
class Collection:
    """What was gathered.

    Attributes:
        lineup: The runs and the baseline.
        runs: By origin and task, the responses of files.
        files: Likewise, where sampled responses are.
        asked: Likewise, how many of them there should be.
        lacking: Origins and tasks that have none.
        refused: By task, why it is left out.
        failed: By task, what went wrong while it was sampled.
        human: Responses by humans to the same prompts, or None.
    """

    lineup: Lineup
    runs: dict[tuple[object, str], Run] = field(default_factory=dict)
    files: dict[tuple[object, str], Path] = field(default_factory=dict)
    asked: dict[tuple[object, str], int] = field(default_factory=dict)
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

    def _there(self, source: Source, task: str) -> bool:
        return (source.origin, task) not in self.lacking

    def _read(self, source: Source, key: tuple[object, str]) -> Run:
        """What was drawn of a model, with a note where it is less than was asked for."""
        run = read_run(source.name, str(self.files[key]), every_turn=True)
        got, asked = sum(map(len, run.responses.values())), self.asked.get(key, 0)
        if got >= asked:
            return run
        return replace(run, notes=(*run.notes, f"only {got:,} of {asked:,} responses of {source.name} are there"))

    def _open(self, source: Source, task: str, opened: dict[object, Run]) -> Run:
        """A run under the name of its source; sources of one origin share the records."""
        key = source.origin, task
        if key not in opened:
            opened[key] = self.runs[key] if key in self.runs else self._read(source, key)
        return replace(opened[key], name=source.name)
