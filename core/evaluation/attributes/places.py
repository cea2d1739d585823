"""Countries behind the places that a text names."""

from __future__ import annotations

from functools import cache

import regex

from .lexicon import demonyms, gender_words, longest, occupations, places, words

_CAPITAL = r"\p{Lu}[\p{L}'-]*"
_NAMED = rf"{_CAPITAL}(?: (?:(?:de|da|do|del|la|of|of the|and the) )?{_CAPITAL}){{0,4}}"
# "Austin, Texas" is kept together by this mark while a sentence is taken apart at its commas.
_MARK = " / "
_LEAD = r"(?:(?!(?:and|who|with|where|to|but|for|by)\b)\p{Ll}[\p{L}'-]* ){0,8}?"
_OTHER_AMERICANS = frozenset({"latin", "south", "central", "north", "native", "african", "asian"})


@cache
def _commas() -> regex.Pattern[str]:
    return regex.compile(rf"({_CAPITAL}), (?=(?:{longest([*places(), 'Georgia'])})(?![\p{{L}}-]))")


def joined(text: str) -> str:
    """The same with the commas between a place and the one that it lies in replaced by a mark."""
    return str(_commas().sub(rf"\1{_MARK}", text))


def country_in(text: str) -> str | None:
    """The country of the place that a text names after a few words at most, such as "a small town in Texas".

    Of a place and the one that it lies in the latter counts. None for a place that is not known.
    """
    found = _listed().match(text)
    if found is None:
        return None
    for name in reversed(found["names"].split(_MARK)):
        country = places().get(name) or places().get(f"the {name}")
        if country is not None:
            return country
    return None


def country_after(text: str, prepositions: str) -> str | None:
    """The country of the first known place behind one of these prepositions.

    Args:
        text: A part of a sentence.
        prepositions: Separated by `|`.
    """
    for match in _behind(prepositions).finditer(text):
        country = country_in(text[match.end() :])
        if country is not None:
            return country
    return None


def _known(word: str) -> bool:
    folded = word.casefold()
    return folded in gender_words() or folded in occupations() or any(word == own.split()[-1] for own in demonyms())


@cache
def _listed() -> regex.Pattern[str]:
    # Whole names first, which may hold small words; then any words in capitals, so that "Paris Hilton" is no Paris.
    name = rf"(?:(?:{longest(places())})(?![\p{{L}}'-])(?! \p{{Lu}})|{_NAMED})"
    return regex.compile(rf"{_LEAD}(?P<names>{name}(?:{_MARK}{name})*)")


@cache
def _behind(prepositions: str) -> regex.Pattern[str]:
    return regex.compile(rf"\b(?:{prepositions}) ")


def nationality(phrase: list[str]) -> str | None:
    """The country of a demonym among the words of a noun phrase; of languages, dishes and firms none."""
    if phrase and phrase[-1][0].isupper() and not _known(phrase[-1]):  # the name of something
        return None
    for place in range(len(phrase)):
        for length in (2, 1):
            country = demonyms().get(" ".join(phrase[place : place + length]))
            before = phrase[place - 1].casefold() if place else ""
            rest = {word.casefold() for word in phrase[place + length :]}
            if country is not None and not rest & words("of things") and before not in _OTHER_AMERICANS:
                return country
    return None
