"""What the judge is asked: the templates in `prompts/judge`, filled with the texts and the criteria to judge by.

Templates and criteria have versions, which stand in definitions and by which answers are remembered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from string import Template
from typing import Any

import orjson

from ..records import Message

GENERAL = "general"
_CODE_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Question:
    """A template filled in.

    Attributes:
        template: Name and version, and those of the criteria, as "rate 2, criteria story 1".
        text: What the judge reads.
    """

    template: str
    text: str

    def again(self, repeat: str) -> Question:
        """The same question with the demand to answer in the right form.

        Args:
            repeat: The template of that demand, "again-rating" or "again-verdict".
        """
        demand = _template(repeat)[1]
        return Question(f"{self.template}, {repeat} {version(repeat)}", f"{self.text}\n\n{demand}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a judge is asked to read out of single responses.

    Attributes:
        template: Name of the question in `prompts/judge`.
        again: Name of the demand to answer in the right form.
        texts: What stands in the question beside the response, such as the classes to choose from.
        parse: An answer to what was read; None where it cannot be read.
    """

    template: str
    again: str
    texts: Mapping[str, str]
    parse: Callable[[str], Any]


def rate(prompt: Sequence[Message], response: str, criteria: str = GENERAL) -> Question:
    """How good is this response, by these criteria?"""
    return _by(criteria, "rate", prompt=_chat(prompt), response=response)


def compare(prompt: Sequence[Message], a: str, b: str, criteria: str = GENERAL) -> Question:
    """Which of these two responses is better, by these criteria?"""
    return _by(criteria, "compare", prompt=_chat(prompt), a=a, b=b)


def compare_sets(prompt: Sequence[Message], a: Sequence[str], b: Sequence[str]) -> Question:
    """Which of these two sets of responses is more varied?"""
    code = _code(_chat(prompt), *a, "", *b)
    text = _filled("compare-sets", code=code, prompt=_chat(prompt), a=_listed("A", a, code), b=_listed("B", b, code))
    return Question(f"compare-sets {version('compare-sets')}", text)


def most_least(prompt: Sequence[Message], responses: Sequence[str]) -> Question:
    """Which of these responses differs most from the others, and which least?"""
    code = _code(_chat(prompt), *responses)
    marked = (f"<response {i}, {code}>\n{text}\n</response {i}, {code}>" for i, text in enumerate(responses, start=1))
    texts = {"prompt": _chat(prompt), "responses": "\n".join(marked), "count": str(len(responses))}
    return Question(f"most-least {version('most-least')}", _filled("most-least", code=code, **texts))


def read(response: str, form: Form) -> Question:
    """What does this response say?"""
    text = _filled(form.template, code=_code(response), response=response, **form.texts)
    return Question(f"{form.template} {version(form.template)}", text)


def version(name: str) -> str:
    """The version of a template: "2" for "rate" as it is now."""
    return _template(name)[0]


def named(name: str, criteria: str) -> str:
    """A template and criteria with their versions, as "rate 2, criteria story 1"."""
    return f"{name} {version(name)}, criteria {criteria} {version(f'criteria/{criteria}')}"


@cache
def _template(name: str) -> tuple[str, str]:
    """Version and text of a template, or of criteria."""
    content = resources.files("divtool.prompts").joinpath("judge", f"{name}.txt").read_text(encoding="utf-8")
    first, _, text = content.partition("\n")
    return first.removeprefix("version "), text.strip()


def _by(criteria: str, name: str, **texts: str) -> Question:
    """A template with criteria."""
    by = _template(f"criteria/{criteria}")[1]
    return Question(named(name, criteria), _filled(name, criteria=by, code=_code(*texts.values()), **texts))


def _filled(name: str, **texts: str) -> str:
    return Template(_template(name)[1]).substitute(texts)


def _code(*texts: str) -> str:
    """A code for the marks that depends on the texts, so that no text can be written to close its own mark."""
    return hashlib.sha256(orjson.dumps(texts)).hexdigest()[:_CODE_DIGITS]


def _chat(prompt: Sequence[Message]) -> str:
    """A lone user message as it is; a longer chat with the role above each message."""
    if len(prompt) == 1 and prompt[0]["role"] == "user":
        return prompt[0]["content"]
    return "\n\n".join(f"[{message['role']}]\n{message['content']}" for message in prompt)


def _listed(side: str, responses: Sequence[str], code: str) -> str:
    return "\n".join(
        f"<set {side}, response {number}, {code}>\n{response}\n</set {side}, response {number}, {code}>"
        for number, response in enumerate(responses, start=1)
    )
