"""The page of one call of `eval`, from what it holds in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..evaluation.call import Outcome
from ..evaluation.collection import Collection
from ..evaluation.runs import Run
from ..evaluation.sides import size
from ..evaluation.unit_values import unit_records
from ..jsonl import STDIN_NAME, Record
from .load import Inputs, SourceFile
from .page import render, sections_of, write
from .text import as_name


def eval_inputs(outcomes: Sequence[Outcome], found: Collection) -> Inputs:
    """What `load` would give for the measures, the values by unit and the responses of a call.

    Args:
        outcomes: What became of its tasks.
        found: Its runs.
    """
    inputs = Inputs()
    inputs.measures = [record for outcome in outcomes for record in outcome.records]
    for record in unit_records(outcomes):
        inputs.units.add(record)
    inputs.responses.want(inputs.units.wanted(), inputs.units.runs())
    files: dict[str, SourceFile] = {}
    for outcome in outcomes:
        if outcome.records:
            runs, baseline = found.of(outcome.task)
            sides = {run.name: run for run in (*runs, *([baseline] if baseline is not None else []))}
            for run in sides.values():
                _add(inputs, run)
                if (path := _path(found, outcome.task, run.name)) is not None:
                    file = files.setdefault(path, SourceFile(STDIN_NAME if path == "-" else as_name(Path(path).name)))
                    if not file.sha256 and Path(path).is_file():
                        file.look(Path(path))
                    file.kinds["response"] = max(file.kinds["response"], size(run))
    inputs.files = list(files.values())
    return inputs


def _add(inputs: Inputs, run: Run) -> None:
    for records in run.responses.values():
        for record in records:
            inputs.responses.add({**record, "run": run.name}, run.name)


def _path(found: Collection, task: str, run: str) -> str | None:
    """The file that a run's responses to a task stand in."""
    source = next((source for source in found.lineup.every if source.name == run), None)
    if source is None:
        return None
    return source.file or str(found.files[source.origin, task])


def write_eval_report(outcomes: Sequence[Outcome], found: Collection, path: Path, account: Record) -> None:
    """Write the page.

    Args:
        outcomes: What became of the tasks of a call.
        found: Its runs.
        path: The page.
        account: What the call says of itself.

    Raises:
        DivtoolError: The page cannot be written.
    """
    inputs = eval_inputs(outcomes, found)
    sections = sections_of(inputs, account["command"])
    write(render(inputs, "Evaluation", sections), path)
