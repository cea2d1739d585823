"""What the judge is asked: the templates in `prompts/judge`, each with its version, filled with the texts to judge."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from string import Template

import orjson

from ..records import Message

_CODE_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Question:
    """A template filled in.

    Attributes:
        template: Name and version, as "rate 1".
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


def rate(prompt: Sequence[Message], response: str) -> Question:
    """How good is this response?"""
    return _filled("rate", prompt=_chat(prompt), response=response)


def compare(prompt: Sequence[Message], a: str, b: str) -> Question:
    """Which of these two responses is better?"""
    return _filled("compare", prompt=_chat(prompt), a=a, b=b)


def compare_sets(prompt: Sequence[Message], a: Sequence[str], b: Sequence[str]) -> Question:
    """Which of these two sets of responses is more varied?"""
    code = _code(_chat(prompt), *a, "", *b)
    return _filled("compare-sets", code, prompt=_chat(prompt), a=_listed("A", a, code), b=_listed("B", b, code))


def version(name: str) -> str:
    """The version of a template: "1" for "rate" as it is now."""
    return _template(name)[0]


@cache
def _template(name: str) -> tuple[str, str]:
    """Version and text of a template."""
    content = resources.files("divtool.prompts").joinpath("judge", f"{name}.txt").read_text(encoding="utf-8")
    first, _, text = content.partition("\n")
    return first.removeprefix("version "), text.strip()


def _filled(name: str, code: str = "", **texts: str) -> Question:
    text = Template(_template(name)[1]).substitute(texts, code=code or _code(*texts.values()))
    return Question(f"{name} {version(name)}", text)


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
