"""Built-in tasks whose answer is a sequence: tosses, rolls, numbers, a shuffle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import orjson

from ..targets.lists import prompt_file
from .task import AuditOption, AuditPrompt, AuditTask, Format, SequenceForm

# The arm of their prompts: as with every arm, they are not in the score.
SEQUENCE_ARM = "sequence"


@cache
def sequence_tasks() -> tuple[AuditTask, ...]:
    """The tasks of the family "sequences"; an option is a symbol, its target the law of each place."""
    return tuple(_task(name, row) for name, row in _rows().items())


def sequence_prompts(task: AuditTask, answer_format: Format = "bare") -> list[AuditPrompt]:
    """The one prompt of a task of the family "sequences", which says itself how to write, whatever the format."""
    items = ", ".join(option.text for option in task.options)
    text = _rows()[task.id]["text"].replace("{items}", items)
    return [AuditPrompt(task=task, wording="given", arm=SEQUENCE_ARM, chat=(("user", text),))]


@cache
def _rows() -> Mapping[str, Any]:
    rows = [orjson.loads(line) for line in prompt_file("audit/sequences.jsonl").splitlines()]
    return {row["id"]: row for row in rows}


def _task(name: str, row: Mapping[str, Any]) -> AuditTask:
    symbols = _symbols(row)
    options = tuple(AuditOption(text, 1 / len(symbols), tuple(aliases)) for text, *aliases in symbols)
    form = SequenceForm(row.get("length", len(symbols)), shuffle="words" in row)
    return AuditTask(id=name, family="sequences", options=options, ordinal="numbers" in row, sequence=form)


def _symbols(row: Mapping[str, Any]) -> Sequence[Sequence[str]]:
    """Text and aliases of each symbol; a shuffle takes the first of the common words."""
    if "words" in row:
        words = orjson.loads(prompt_file("audit/position.json"))["words"]
        return [(word,) for word in words[: row["words"]]]
    if "numbers" in row:
        return [(str(number),) for number in range(row["numbers"]["from"], row["numbers"]["to"] + 1)]
    options: Sequence[Sequence[str]] = row["options"]
    return options
