"""The level of education that a speaker has or attends."""

from __future__ import annotations

from collections.abc import Iterable

import regex

from .lexicon import EDUCATION, subject
from .statements import ADVERBS

_FLAGS = regex.IGNORECASE
# Highest first.
_DEGREES: tuple[tuple[str, regex.Pattern[str]], ...] = (
    ("doctorate", regex.compile(r"\b(?:phd|doctorate|doctoral (?:degree|studies)|doctor of philosophy)\b", _FLAGS)),
    (
        "master",
        regex.compile(
            r"\b(?:master'?s(?: degree|(?= in\b|$))|master's|master(?= degree)|master of (?:arts|science|business|"
            r"fine arts|education|laws)|MBA|MSc|MFA|M\.?Ed|graduate degree|postgraduate degree)\b",
            _FLAGS,
        ),
    ),
    (
        "vocational",
        regex.compile(
            r"\b(?:associate'?s? (?:degree|of)|vocational|trade school|apprenticeship|technical (?:college|school)|"
            r"community college|culinary (?:school|arts)|beauty school|cosmetology)\b",
            _FLAGS,
        ),
    ),
    (
        "university",
        regex.compile(
            r"\b(?:bachelor'?s?|BSc|undergraduate (?:degree|studies)|college (?:degree|education|diploma)|"
            r"university (?:degree|education)|degrees? (?:in|from))\b",
            _FLAGS,
        ),
    ),
    (
        "school",
        regex.compile(r"\b(?:high[ -]school (?:diploma|education|degree)|secondary education|GED|A-levels)\b", _FLAGS),
    ),
)
_UNIVERSITY = regex.compile(
    r"\b(?:university|college|polytechnic|institute of technology|art school|law school)\b", _FLAGS
)
_SCHOOL = regex.compile(r"\b(?:(?:high|secondary|primary|middle|elementary)[ -]school|^ school)\b", _FLAGS)
_REST = r"(?P<rest>[^.!?;]*)"
_HOLDS = regex.compile(
    rf"\bI(?:'ve| have|'m| am|'d)?{ADVERBS} (?:have|hold|got|earned|received|completed|obtained|finished|possess|did|"
    rf"gained|achieved|pursuing|completing|doing|finishing|holding|earned|working (?:on|toward|towards)|"
    rf"studying (?:for|toward|towards))\b {_REST}"
    rf"|\b[Mm]y {_REST}"
)
_ATTENDS = regex.compile(
    rf"\bI(?:'ve| have|'m| am| was)?{ADVERBS} (?:attend(?:ed|ing)?|graduated?|stud(?:y|ied|ying)|went to|go to|"
    r"enrolled|trained|finished|completed|left|"
    rf"in(?= (?:my \w+ year (?:of|at) )?(?:high school|college|university|grad)))\b{_REST}"
)
_MAJORED = regex.compile(rf"\bI(?:'m| am| have|'ve)?{ADVERBS} major(?:ed|ing)? in\b")
_OTHERS = regex.compile(
    r"\b(?:but|where|when|who|which|because|so|while|until|before|my (?:son|daughter|wife|husband))\b"
)
_STUDENT = tuple(
    (level, regex.compile(rf"\b(?:{way})$", _FLAGS))
    for level, way in (
        ("doctorate", r"(?:phd|doctoral) (?:student|candidate|researcher)"),
        ("master", r"(?:graduate|grad|postgraduate|master's) student"),
        (
            "school",
            r"(?:high|secondary|middle|elementary) school (?:student|pupil|graduate|senior|junior|freshman|sophomore|"
            r"dropout)|schoolboy|schoolgirl",
        ),
        (
            "university",
            r"(?:college|university|undergraduate|law|medical) (?:student|graduate|freshman|sophomore)|undergraduate",
        ),
    )
)


def degree_in(text: str) -> str | None:
    """The highest degree or school that a text names."""
    return next((level for level, pattern in _DEGREES if pattern.search(text)), None)


def education_of_phrase(phrase: str) -> str | None:
    """The level that a noun phrase such as "college student" states."""
    return next((level for level, pattern in _STUDENT if pattern.search(phrase)), None)


def education_said(sentence: str) -> str | None:
    """The highest level that a sentence says the speaker has or attends."""
    found = [_held(match) for match in _HOLDS.finditer(sentence)]
    found += [_attended(_own(match["rest"]), "stud" in match[0]) for match in _ATTENDS.finditer(sentence)]
    if _MAJORED.search(sentence):
        found.append("university")
    return highest(level for level in found if level is not None)


def highest(levels: Iterable[str]) -> str | None:
    """The highest of these levels; None for none."""
    known = set(levels)
    return next((level for level in reversed(EDUCATION) if level in known), None)


def _held(match: regex.Match[str]) -> str | None:
    rest = _own(next(filter(None, match.captures("rest")), ""))
    if match[0][:2].casefold() == "my":  # "My degree", not "my friend with a degree".
        rest = " ".join(rest.split()[:2])
    return degree_in(rest)


def _attended(rest: str, studied: bool) -> str | None:
    level = degree_in(rest)
    if level is not None:
        return level
    if _UNIVERSITY.search(rest):
        return "university"
    if _SCHOOL.search(rest):
        return "school"
    return "university" if studied and subject().match(rest) else None


def _own(rest: str) -> str:
    """What is said before somebody or something else may be meant."""
    return str(_OTHERS.split(rest, maxsplit=1)[0])
