"""Built-in tasks whose target is a numeric law."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson

from ..targets.laws import Law, make_law
from ..targets.lists import prompt_file
from .task import AuditOption, AuditPrompt, AuditTask, Format
from .wordings import with_clause

LAWS = "laws"


def law_names() -> tuple[str, ...]:
    """The tasks of the family "laws", by their names alone: making one takes SciPy."""
    return tuple(_rows())


@cache
def law_task(name: str) -> AuditTask:
    """A task of the family "laws".

    The options of a law of whole numbers are its values. Those of a law with decimals are bins: the text of a value
    without its last decimal stands for all values that begin so.
    """
    row = _rows()[name]
    law = make_law(row["law"]["name"], row["law"]["args"], row["decimals"])
    options = tuple(AuditOption(text, mass) for text, mass in _masses(law).items())
    return AuditTask(id=name, family=LAWS, options=options, ordinal=True, law=law)


def law_summary(name: str) -> str:
    """A task of the family "laws" in a line."""
    row = _rows()[name]
    args = ", ".join(f"{key} {value}" for key, value in row["law"]["args"].items())
    return f"{LAWS}: {row['law']['name']}{f' with {args}' if args else ''}, {row['decimals']} decimals"


def law_prompts(task: AuditTask, answer_format: Format = "bare") -> list[AuditPrompt]:
    """The one prompt of a task of the family "laws".

    Where options are bins, answers have no end: a bin's mass is that of its text with anything behind it. They are
    asked bare, whatever the format.
    """
    binned = task.law is not None and task.law.decimals > 0
    asked: Format = "bare" if binned else answer_format
    chat = (("user", with_clause(_rows()[task.id]["text"], asked)),)
    return [AuditPrompt(task=task, wording="given", format=asked, chat=chat, terminal="none" if binned else "eos")]


@cache
def _rows() -> Mapping[str, Any]:
    rows = [orjson.loads(line) for line in prompt_file("audit/laws.jsonl").splitlines()]
    return {row["id"]: row for row in rows}


def _masses(law: Law) -> dict[str, float]:
    """The probability of each value, or of each bin of ten, in rising order."""
    masses: dict[str, float] = {}
    for text, mass in zip(law.texts(), law.masses(), strict=True):
        own = text[:-1] if law.decimals else text
        masses[own] = masses.get(own, 0.0) + float(mass)
    return masses
