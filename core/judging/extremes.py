"""The most and the least different of several responses: asked in two orders, and believed where the answers agree."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import orjson

from ..records import Message
from . import templates
from .templates import Question

Extremes = tuple[int, int]

_NAMED = {word: re.compile(word + r"[^\w\[\]]*\[\[\s*([0-9]{1,4})\s*\]\]", re.IGNORECASE) for word in ("most", "least")}


def two_orders(seed: int, prompt: Sequence[Message], responses: Sequence[str]) -> tuple[list[int], list[int]]:
    """A seeded order of the responses and its reverse, as their places; it depends on the texts, not on their order."""
    by_text = sorted(range(len(responses)), key=lambda place: responses[place])
    key = orjson.dumps([seed, *map(dict, prompt), *(responses[place] for place in by_text)])
    random.Random(key).shuffle(by_text)
    return by_text, by_text[::-1]


def question(prompt: Sequence[Message], responses: Sequence[str], order: Sequence[int]) -> Question:
    """The question about responses in this order."""
    return templates.most_least(prompt, [responses[place] for place in order])


def most_and_least(answer: str) -> Extremes | None:
    """The last `Most: [[i]]` and `Least: [[j]]`, two different numbers from 1 on; else None.

    Args:
        answer: What the judge wrote.
    """
    found = [pattern.findall(answer) for pattern in _NAMED.values()]
    if not all(found):
        return None
    most, least = (int(numbers[-1]) for numbers in found)
    return (most, least) if most != least and min(most, least) >= 1 else None


def agreed(answers: Sequence[Extremes | None], orders: Sequence[Sequence[int]]) -> Extremes | None:
    """The places of the most and the least different, where both answers name the same two responses."""
    named = set()
    for answer, order in zip(answers, orders, strict=True):
        if answer is None or max(answer) > len(order):
            return None
        named.add((order[answer[0] - 1], order[answer[1] - 1]))
    return named.pop() if len(named) == 1 else None
