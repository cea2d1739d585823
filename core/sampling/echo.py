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
        echoed = [word for word in (part.strip(".,:;!?\"'").lower() for part in asked.split()) if len(word) > 3]
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
        asked_for = _LIST.search(request.messages[-1][1])
        said = _numbered(words, int(asked_for[1])) if asked_for else _sentences(words)
        text = " ".join(filter(None, (request.prefill, said)))
        return Draw(text, len(words), "length" if cut else "stop", -len(words) * math.log(reach))


# What `--strategy list` asks for: an answer without a list would leave it nothing.
_LIST = re.compile(r"Give (\d+) different good answers as a numbered list")


@cache
def _vocabulary() -> tuple[str, ...]:
    return tuple(resources.files("divtool.prompts").joinpath("echo", "words.txt").read_text(encoding="utf-8").split())


def _sentences(words: Sequence[str]) -> str:
    lines = [" ".join(words[start : start + 12]) for start in range(0, len(words), 12)]
    return " ".join(line[0].upper() + line[1:] + "." for line in lines)


def _numbered(words: Sequence[str], count: int) -> str:
    size = max(1, len(words) // count)
    parts = [words[start : start + size] for start in range(0, len(words), size)][:count]
    return "\n".join(f"{number}. {_sentences(part)}" for number, part in enumerate(parts, start=1))
