"""Training prompts that an evaluation asks as well: what was trained on says nothing about what was learned."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from ..jsonl import Record, Row, RowReader
from ..metrics.text import words
from ..records import check_messages, messages, require
from ..sampling.prompt_sets import builtin_rows
from .runs import Run, SamplePlan
from .task import Task
from .tasks.story import holds_word

_SHOWN = 5
_TRIPLET = 3


@dataclass(frozen=True, slots=True)
class Overlap:
    """What of a training file is evaluated on.

    Attributes:
        found: The first line for each evaluation prompt or triplet of words, with what it holds.
        lines: How many lines hold one.
        read: How many lines there are.
        skipped: Bad lines that were left out.
    """

    found: Sequence[tuple[str, str]]
    lines: int
    read: int
    skipped: int = 0

    def __str__(self) -> str:
        """One line, with the first five."""
        listed = ", ".join(f"{where} ({what})" for where, what in self.found[:_SHOWN])
        more = f" and {len(self.found) - _SHOWN} more" if len(self.found) > _SHOWN else ""
        how_many = f"{self.lines} of {self.read} training prompts"
        return f"{how_many} are asked in the evaluation, or hold its words: {listed}{more}"


def evaluation_prompts(tasks: Iterable[Task], plan: SamplePlan, runs: Iterable[Run]) -> dict[str, Record]:
    """Every prompt that the tasks may ask or that was answered in files, by prompt_id.

    Args:
        tasks: The tasks of the call.
        plan: Where the prompts are that stand in a file.
        runs: The responses that were read from files.

    Raises:
        DivtoolError: The file of prompts cannot be read.
    """
    found: dict[str, Record] = {}
    for run in runs:
        found |= {prompt_id: records[0] for prompt_id, records in run.responses.items()}
    for task in tasks:
        rows: Iterable[Row]
        if task.drawing is not None:
            rows = plan.rows(task)
        elif task.prompts_from_file:
            rows = plan.rows(task) if plan.prompt_file is not None else ()
        else:
            rows = builtin_rows(task.prompt_set, None, plan.seed) if task.prompt_set is not None else ()
        found |= {row.data["prompt_id"]: row.data for row in rows}
    return found


def find_overlap(path: str, prompts: Mapping[str, Record], *, skip_bad: bool = False) -> Overlap:
    """The training prompts that are evaluation prompts, or hold all three words that one of these asks for.

    Prompts are compared in NFC and casefolded, with white space collapsed; of a chat the user's turns.

    Args:
        path: Records with a `prompt`: prompts, pairs, groups, targets or responses. Read line by line.
        prompts: Evaluation prompts by prompt_id; three `words` of a record are a triplet, in any inflection.
        skip_bad: Count bad lines and go on.

    Raises:
        DivtoolError: The file cannot be read, or a record has no prompt.
    """
    asked = {normalised(record["prompt"]): prompt_id for prompt_id, record in prompts.items()}
    asked.pop("", None)
    triplets = {triplet: None for record in prompts.values() if (triplet := _triplet(record))}
    reader = RowReader(path, _check, skip_bad=skip_bad)
    first: dict[str, str] = {}
    lines = 0
    for row in reader:
        text = normalised(row.data["prompt"])
        what = asked[text] if text in asked else _words_held(text, triplets)
        if what is not None:
            lines += 1
            first.setdefault(what, f"line {row.where.rpartition(':')[2]}")
    return Overlap([(where, what) for what, where in first.items()], lines, reader.read, reader.skipped)


def check_overlap(
    path: str, prompts: Mapping[str, Record], warn: Callable[[str], None] | None, *, skip_bad: bool = False
) -> Overlap:
    """See that nothing of a training file is evaluated on.

    Args:
        path: As for `find_overlap`.
        prompts: Likewise.
        warn: Hears of an overlap; None makes it an error.
        skip_bad: As for `find_overlap`.

    Raises:
        DivtoolError: There is one, or the file cannot be read.
    """
    overlap = find_overlap(path, prompts, skip_bad=skip_bad)
    if overlap.lines and warn is None:
        raise InputError(path, str(overlap), "take them out and train again, or go on with --allow-overlap")
    if overlap.lines and warn is not None:
        warn(f"{path}: {overlap}")
    return overlap


def normalised(prompt: str | list[dict[str, str]]) -> str:
    """What prompts are compared by."""
    turns = [message["content"] for message in messages(prompt) if message["role"] == "user"]
    return " ".join(unicodedata.normalize("NFC", "\n".join(turns)).casefold().split())


def _check(row: Row) -> None:
    prompt = row.data.get("prompt")
    if isinstance(prompt, list):
        check_messages(row, "prompt", prompt)
    else:
        require(row, "prompt", str, remedy="--train-data takes records with a prompt, such as pairs of divtool select")


def _triplet(record: Mapping[str, Any]) -> tuple[str, ...]:
    """The three words that a prompt asks for; none where it asks for something else."""
    own = record.get("words")
    if not (isinstance(own, list) and len(own) == _TRIPLET and all(isinstance(word, str) and word for word in own)):
        return ()
    return tuple(own)


def _words_held(text: str, triplets: Iterable[tuple[str, ...]]) -> str | None:
    own = frozenset(words(text))
    return next(("-".join(t) for t in triplets if all(holds_word(word, own) for word in t)), None)
