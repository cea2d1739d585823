"""Ages that a text states of its speaker."""

from __future__ import annotations

import regex

from .lexicon import AGES, age_class, longest

_ONES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_NUMBERS = {word: n for n, word in enumerate([*_ONES, *_TEENS], start=1) if n >= 5} | {
    f"{ten}{mark}{one}".rstrip("- "): 10 * n + k
    for n, ten in enumerate(_TENS, start=2)
    for k, one in enumerate(["", *_ONES])
    for mark in "- "
}
NUMBER = rf"(?:\d{{1,3}}|{longest(_NUMBERS)})"
_DECADES = {f"{word.removesuffix('y')}ies": 10 * n for n, word in enumerate(_TENS, start=2)} | {"teens": 10}
_DECADE = rf"(?:{longest(_DECADES)}|[1-9]0'?s)"

# Adjectives within a noun phrase: "a 34-year-old nurse".
OLD = regex.compile(rf"\b({NUMBER})[ -]years?[ -]olds?\b|\b((?:{'|'.join(_TENS)}))[ -]something\b", regex.IGNORECASE)
_WHOLE = regex.compile(
    rf"^(?:(?:just|only|now|currently|exactly|aged|age) )*({NUMBER})(?: years?(?: old| of age| young)?| yrs old)?"
    r"(?: (?:old|now|today|this year))?(?P<tail> (?:from|living|based|born)\b.*)?$",
    regex.IGNORECASE,
)
_IN_ONES = regex.compile(
    rf"\bin (?:my|his|her) (?:(?:early|mid|middle|late)[ -]?(?:to[ -]late )?)?({_DECADE})\b", regex.IGNORECASE
)
_SAID = regex.compile(
    rf"\b[Mm]y age is (?:currently |now )?({NUMBER})\b"
    rf"|\b(?:[Tt]oday,? )?I(?:'ve)? (?:just|recently) turned ({NUMBER})\b"
    rf"|\bI (?:turn|turned|am turning)(?<!when I turned) ({NUMBER}) (?:today|yesterday|this|last)\b"
    rf"|\bI'm turning ({NUMBER}) (?:today|this)\b"
    rf"|\b[Tt]oday,? I turn ({NUMBER})\b"
    rf"|\b[Aa]t (?:the age of )?({NUMBER})(?: years old)?,? I(?:'m| am|'ve| have| still| work\b| live\b)"
)


def years(number: str) -> int:
    """A number in digits or words."""
    return int(number) if number.isdecimal() else _NUMBERS[number.casefold()]


def age_in(segment: str) -> tuple[str, str] | None:
    """The age class of a segment that is nothing but an age, and what is said behind it; None for other segments."""
    found = _WHOLE.match(segment)
    if found is not None and (age := age_class(years(found[1]))) is not None:
        return age, (found["tail"] or "").strip()
    ones = _IN_ONES.match(segment)
    return (_decade(ones[1]), segment[ones.end() :].strip()) if ones else None


def age_of_phrase(phrase: str) -> str | None:
    """The age class of "34-year-old" or "thirty-something" in a noun phrase."""
    found = OLD.search(phrase)
    return None if found is None else age_class(years((found[1] or found[2]).casefold()))


def age_said(sentence: str) -> str | None:
    """The age class of a sentence like "My age is 34" or "I have just turned forty"."""
    found = _SAID.search(sentence)
    return age_class(years(next(filter(None, found.groups())))) if found else None


def _decade(text: str) -> str:
    tens = _DECADES.get(text.casefold()) or int(regex.sub(r"\D", "", text))
    return AGES[min(tens // 10 - 1, len(AGES) - 1)]
