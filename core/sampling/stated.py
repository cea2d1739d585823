"""Answers with stated probabilities, taken out of what a model wrote: tags, JSON, or a numbered list.

Small models and foreign servers write anything: no reader here raises, or takes more time than grows with the text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import regex

from .lists import list_items

# Beyond it nothing is read: no answer of some thousand tokens comes near.
_LONGEST = 500_000


@dataclass(frozen=True, slots=True)
class Stated:
    """One answer as it was stated.

    Attributes:
        text: The answer.
        probability: As `probability` reads it; None where there is none, or no valid one.
    """

    text: str
    probability: float | None


def stated_answers(text: str, count: int, *, cut: bool = False) -> list[Stated]:
    """The answers in a text that was asked for some with their probabilities, in order.

    The first form that gives an answer counts: `<response>` blocks, JSON objects, a numbered list. An answer without a
    letter or digit is none.

    Args:
        text: What the model wrote.
        count: How many answers were asked for.
        cut: The text was cut at its end; an answer that is not whole is left out.
    """
    cut, text = cut or len(text) > _LONGEST, text[:_LONGEST]
    for found in (_tagged(text, cut), _objects(text), _numbered(text, count, cut)):
        answers = [answer for answer in found if any(map(str.isalnum, answer.text))]
        if answers:
            return answers
    return []


_PROBABILITY = regex.compile(
    r"[~≈]?\s*+([+-]?(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:e[+-]?\d{1,3})?)\s*+(%)?", regex.I
)


def probability(value: Any) -> float | None:
    """A stated probability as a number from 0 to 1; None for anything else.

    Args:
        value: A number, or text such as "0.3" or "30%". A number above 1 without a percent sign is no probability.
    """
    if isinstance(value, str):
        match = _PROBABILITY.fullmatch(value.strip())
        if match is None:
            return None
        value = float(match[1]) / (100 if match[2] else 1)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value <= 1 else None


def shares(answers: Sequence[Stated]) -> list[float | None]:
    """Each answer's share of the sum of the valid probabilities; None without one, or where all of them are 0."""
    total = math.fsum(answer.probability or 0.0 for answer in answers)
    return [None if answer.probability is None or not total else answer.probability / total for answer in answers]


_OPEN = regex.compile(r"<response\b([^<>]{0,200})>", regex.I)
_CLOSE = regex.compile(r"</response\s{0,9}>", regex.I)
_TEXT = regex.compile(r"<text\s{0,9}>(.*?)(</text\s{0,9}>|(?=</?(?:probability|response)\b)|\Z)", regex.I | regex.S)
_NUMBER = regex.compile(r"<probability\s{0,9}>([^<]*+)(?:</probability\s{0,9}>)?", regex.I)
_ATTRIBUTE = regex.compile(r"\bprob(?:ability)?\s{0,9}=\s{0,9}[\"']?([^\"'\s]{1,40})", regex.I)


def _tagged(text: str, cut: bool) -> Iterator[Stated]:
    opened = list(_OPEN.finditer(text))
    for start, following in zip_longest(opened, opened[1:]):
        stop = following.start() if following else len(text)
        end = _CLOSE.search(text, start.end(), stop)
        block = text[start.end() : end.start() if end else stop]
        number = _NUMBER.search(block) or _ATTRIBUTE.search(start[1])
        inner = _TEXT.search(block)
        # Without a <text> the block is the answer, but for its probability.
        answer = inner[1] if inner else _NUMBER.sub("", block)
        closed = end or (inner and (inner[2] or inner.end() < len(block)))
        if closed or stop < len(text) or not cut:
            yield Stated(answer.strip(), probability(number[1]) if number else None)


_SETS = ("responses", "answers")
_TEXTS = ("text", "response", "answer", "content")
_NUMBERS = ("probability", "prob", "likelihood", "p")
_INNERMOST = regex.compile(r"\{[^{}]*+\}")
_COMMA = regex.compile(r",\s*+(?=[}\]])")


def _objects(text: str) -> list[Stated]:
    """The answers of one JSON value, from the first bracket to the last; else of every object without another in it."""
    starts = [place for place in map(text.find, "{[") if place >= 0]
    if not starts:
        return []
    found = _in_value(_loaded(text[min(starts) : max(map(text.rfind, "}]")) + 1]))
    return found or [answer for part in _INNERMOST.findall(text) for answer in _in_value(_loaded(part))]


def _loaded(text: str) -> Any:
    """A JSON value; commas before a closing bracket are forgiven. None where it is none."""
    for candidate in (text, _COMMA.sub("", text)):
        try:
            return json.loads(candidate, parse_constant=lambda _: None, strict=False)
        except (ValueError, RecursionError):
            continue
    return None


def _in_value(value: Any) -> list[Stated]:
    """The answers of a list of objects, of an object that holds such a list, or of one object."""
    if isinstance(value, dict):
        value = next((value[key] for key in _SETS if isinstance(value.get(key), list)), [value])
    return [answer for item in (value if isinstance(value, list) else []) for answer in _in_object(item)]


def _in_object(item: Any) -> Iterator[Stated]:
    known = {key.strip().lower(): value for key, value in item.items()} if isinstance(item, dict) else {}
    answer = next((known[key] for key in _TEXTS if isinstance(known.get(key), str)), None)
    if answer is not None:
        number = next((known[key] for key in _NUMBERS if key in known), None)
        # Half a character, which JSON can spell, cannot be written.
        yield Stated(regex.sub(r"[\ud800-\udfff]", "\ufffd", answer).strip(), probability(number))


_AMOUNT = r"[~≈]?[01]?\.\d{1,18}|[~≈]?\d{1,3}(?:\.\d{1,18})?\s?%"
_AT_END = (
    regex.compile(
        r"[\s(\[*_,;:–—-]*+\b(?:probability|prob\.?|likelihood)[*_]*+\s*+[:=≈~][*_]*+\s*+([^\s)\]]{1,40}(?:\s?%)?)[\s)\]]*+$",
        regex.I,
    ),
    regex.compile(rf"\s*+[(\[]\s?(?:p\s?[=:≈]\s?)?({_AMOUNT})\s?[)\]][\s.*_]*+$", regex.I),
    regex.compile(rf"(?:\s*+[:–—]|\s++-)\s?(?:p\s?[=:≈]\s?)?({_AMOUNT})[\s.*_]*+$", regex.I),
)
_LABEL = regex.compile(r"^[*_]*+(?:text|answer|response)[*_]*+\s*+:[*_]*+\s*+", regex.I)
_TAIL = 200


def _numbered(text: str, count: int, cut: bool) -> Iterator[Stated]:
    """The items of a list; a probability stands at an item's end: behind its name, in brackets, or behind a dash."""
    for item in list_items(text, count, cut=cut):
        head, tail = item[:-_TAIL], item[-_TAIL:]
        match = next(filter(None, (form.search(tail) for form in _AT_END)), None)
        if match is None:
            yield Stated(item, None)
        else:
            answer = _LABEL.sub("", (head + tail[: match.start()]).strip())
            yield Stated(answer.strip(), probability(match[1].rstrip(".*_,;")))
