"""The sector that a speaker works in, where they say it otherwise than by naming an occupation."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import regex

from .lexicon import fields, longest, subject
from .phrases import RETIRED
from .statements import ADVERBS

_EDUCATION, _TRANSPORT, _STUDENT = "education", "transport", "student"
_TEACHES = regex.compile(rf"\bI{ADVERBS} teach\b(?! (?:myself|my|you|him|her|them|people a)\b)")
_DRIVES = regex.compile(rf"\bI{ADVERBS} drive (?:an?|the) (?:taxi|cab|bus|truck|lorry|tram|delivery van|train)\b")
_RETIRED = regex.compile(rf"\bI(?:'m| am|'ve| have)?{ADVERBS} retired\b(?! (?:to|early to) (?:bed|my room))")
_STUDIES = regex.compile(rf"\bI(?:'m| am)?{ADVERBS} study(?:ing)?\b(?P<rest>[^.!?;]*)")
_SCHOOLS = regex.compile(r"\b(?:university|college|institute)\b", regex.IGNORECASE)
_ADJECTIVES = r"(?:(?!(?:and|or|with|for|at|in)\b)[\p{L}-]+ ){0,3}?"


@cache
def _works() -> regex.Pattern[str]:
    field = longest(fields())
    return regex.compile(
        rf"\bI(?:'m| am|'ve| have)?{ADVERBS} (?:work|working|been working|worked)\b{ADVERBS} (?:in|at|for)"
        rf" (?:an?|the|our|my)? ?{_ADJECTIVES}(?P<field>{field})(?: (?:industry|sector|field|business|department|firm|"
        rf"company))?(?![\w'-])(?! (?:manager|director|teacher|assistant|called))"
        rf"|\bI{ADVERBS} (?:run|own|manage)\b (?:an?|the|my|our)(?: own)? {_ADJECTIVES}(?P<field>{field})(?![\w'-])",
        regex.IGNORECASE,
    )


def work_said(sentence: str) -> Iterator[tuple[int, str]]:
    """Sectors that a sentence states of its speaker, each with how good the evidence is; 0 is best."""
    if _RETIRED.search(sentence):
        yield 0, RETIRED
    for match in _works().finditer(sentence):
        yield 1, fields()[next(filter(None, match.captures("field"))).casefold()]
    if _TEACHES.search(sentence):
        yield 1, _EDUCATION
    if _DRIVES.search(sentence):
        yield 1, _TRANSPORT
    if (studies := _STUDIES.search(sentence)) and _at_school(studies["rest"]):
        yield 2, _STUDENT


def label_work(value: str) -> str | None:
    """The sector of a value behind a label like "Work:"."""
    return fields().get(value.casefold())


def _at_school(rest: str) -> bool:
    """Whether somebody studies for a degree rather than for an evening."""
    return bool(subject().match(rest) or _SCHOOLS.search(rest))
