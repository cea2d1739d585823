"""How an answer is asked for: wordings, format clauses and arms, all of them files in `prompts/audit/`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson

from ..errors import unknown_name
from ..targets.lists import prompt_file
from .task import FORMATS, Format

# The wordings that ask for chance, then the one that does not.
WORDINGS = ("w1", "w2", "w3", "w4", "w0")


@cache
def _file(name: str) -> Mapping[str, Any]:
    table: Mapping[str, Any] = orjson.loads(prompt_file(f"audit/{name}.json"))
    return table


def asked(wording: str, thing: str, device: str, answer_format: Format) -> str:
    """The prompt's text: the wording with its blanks filled, then the format clause.

    Args:
        wording: One of `WORDINGS`.
        thing: What is asked for: "day of the week".
        device: What would draw it: "a wheel shows every {thing} and is spun"; may hold `{thing}`.
        answer_format: How the answer is to be written.
    """
    text = str(_file("wordings")[wording]).replace("{device}", device).replace("{thing}", thing)
    return with_clause(text, answer_format)


def with_clause(text: str, answer_format: Format) -> str:
    """A prompt with the format clause as its last sentence."""
    return f"{text} {_file('formats')[answer_format]}".strip()


def neutral_system() -> str:
    """The system prompt of the arm "system"."""
    return str(_file("arms")["system"])


def scenarios() -> Mapping[str, str]:
    """The texts of the arm "scenarios" by their names, each with `{prompt}` where the prompt stands."""
    texts: Mapping[str, str] = _file("arms")["scenarios"]
    return texts


def check_format(name: str) -> Format:
    """The format of this name.

    Raises:
        UsageError: No such format; the known ones are listed.
    """
    for known in FORMATS:
        if name == known:
            return known
    raise unknown_name("format", name, FORMATS)
