"""A seeded fake language model, so that whole pipes run in milliseconds.

It ships, for tests and for trying things out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources

from ..draws import generator
from .backend import Decoding, Draw, Request, ignore_tokens


class EchoBackend:
    """Sentences of seeded everyday words that echo the words of the prompt; one token a word."""

    name = "echo"
    parameters: int | None = None

    def draw(
        self, requests: Sequence[Request], decoding: Decoding, on_tokens: Callable[[int], None] = ignore_tokens
    ) -> list[Draw]:
        """One draw a request, in order; equal requests with equal seeds give equal texts."""
        return [self._one(request, decoding, on_tokens) for request in requests]

    def _one(self, request: Request, decoding: Decoding, on_tokens: Callable[[int], None]) -> Draw:
        numbers = generator(*request.draw)
        asked = next((content for role, content in request.messages if role == "user"), "")
        echoed = [
            word
            for word in (part.strip(".,:;!?\"'").lower() for part in asked.split())
            if len(word) > 3 and "<" not in word
        ]
        vocabulary = _vocabulary()
        # The temperature sets how much of the vocabulary is used, so that diversity metrics have something to see.
        reach = max(2, min(len(vocabulary), round(len(vocabulary) * min(decoding.temperature, 2.0) / 2)))
        length = int(numbers.integers(55, 76))
        words = [vocabulary[int(i)] for i in numbers.integers(0, reach, size=length)]
        for place, word in zip(numbers.permutation(length), echoed[-6:], strict=False):
            words[int(place)] = word
        cut = length > decoding.max_new_tokens
        words = words[: decoding.max_new_tokens]
        on_tokens(len(words))
        text = " ".join(filter(None, (request.prefill, _said(words, request.messages[-1][1]))))
        return Draw(text, len(words), "length" if cut else "stop", -len(words) * math.log(reach))


# What strategies ask for that take an answer apart: any other form would leave them nothing.
_LIST = re.compile(r"Give (\d+) different good answers as a numbered list")
_VERBALIZED = re.compile(r"Give (\d+) different answers.*<probability>", re.DOTALL)
_SEEDED = "<random_string>...</random_string>"


def _said(words: Sequence[str], asked: str) -> str:
    if listed := _LIST.search(asked):
        return "\n".join(f"{place}. {part}" for place, part in enumerate(_parts(words, int(listed[1])), start=1))
    if listed := _VERBALIZED.search(asked):
        parts = _parts(words, int(listed[1]))
        probability = f"<probability>{1 / len(parts):.3f}</probability>"
        return "\n".join(f"<response><text>{part}</text>{probability}</response>" for part in parts)
    if _SEEDED in asked:
        seed = "".join(word[-1] for word in words)
        return f"<random_string>{seed}</random_string>\n<answer>{_sentences(words)}</answer>"
    return _sentences(words)


@cache
def _vocabulary() -> tuple[str, ...]:
    return tuple(resources.files("divtool.prompts").joinpath("echo", "words.txt").read_text(encoding="utf-8").split())


def _sentences(words: Sequence[str]) -> str:
    lines = [" ".join(words[start : start + 12]) for start in range(0, len(words), 12)]
    return " ".join(line[0].upper() + line[1:] + "." for line in lines)


def _parts(words: Sequence[str], count: int) -> list[str]:
    size = max(1, len(words) // count)
    return [_sentences(words[start : start + size]) for start in range(0, len(words), size)][:count]
