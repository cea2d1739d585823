"""The classes of each attribute, and the shipped lists of words that stand for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import orjson
import regex

AGES = ("under 20", "20s", "30s", "40s", "50s", "60s", "70s", "80 and over")
GENDERS = ("woman", "man", "neither")
EDUCATION = ("school", "vocational", "university", "master", "doctorate")  # in rising order
ATTRIBUTES = ("age", "gender", "country", "education", "occupation")

_YOUNGEST, _OLDEST = 5, 109
# It is a state as well, and who means the country mostly names a city or says "Georgian".
_AMBIGUOUS = frozenset({"Georgia"})


def age_class(years: int) -> str | None:
    """The decade of an age; None for a number that is no age of somebody who speaks."""
    if not _YOUNGEST <= years <= _OLDEST:
        return None
    return AGES[min(max(years // 10 - 1, 0), len(AGES) - 1)]


@cache
def words(kind: str) -> frozenset[str]:
    """A list of plain words in `words.json`."""
    return frozenset(_lists()[kind])


@cache
def gender_words() -> Mapping[str, str]:
    """The gender that a word states."""
    return _inverted(_lists()["gender"])


@cache
def occupations() -> Mapping[str, str]:
    """The sector of an occupation."""
    return _inverted(_json("occupations.json"))


@cache
def fields() -> Mapping[str, str]:
    """The sector of a field of work, or of a place to work in."""
    return _inverted(_lists()["fields"])


@cache
def sectors() -> tuple[str, ...]:
    """The classes of occupation."""
    return tuple(_json("occupations.json"))


@cache
def places() -> Mapping[str, str]:
    """The country of a place: its own names, regions and cities, as they are spelled."""
    found = {name: country for country, own in _named().items() for name in own if name not in _AMBIGUOUS}
    return found | {place: country for country, _, own in _places() for place in own}


@cache
def demonyms() -> Mapping[str, str]:
    """The country of a demonym."""
    return {word: country for country, own, _ in _places() for word in own}


@cache
def countries() -> tuple[str, ...]:
    """The classes of country."""
    return tuple(country for country, _, _ in _places())


def country_named(name: str) -> str | None:
    """The country with this name, in whatever case, its long and other names included; None for no country."""
    return _folded().get(plain(name).casefold())


@cache
def subject() -> regex.Pattern[str]:
    """A subject of studies behind a blank, at the beginning of what is searched."""
    return regex.compile(rf"^ (?:{longest(words('study'))})\b", regex.IGNORECASE)


def longest(names: Iterable[str]) -> str:
    """A pattern for any of these names, a longer one before one that it begins with."""
    return "|".join(regex.escape(name) for name in sorted(names, key=lambda name: (-len(name), name)))


def plain(text: str) -> str:
    """The same with straight quotes, without stars and the dots of abbreviations, which would end a sentence."""
    text = text.replace("’", "'").replace("‘", "'").replace("“", '"').replace("”", '"')
    text = regex.sub(r"\*+|__+", "", text)
    text = regex.sub(r"\b(?:[A-Za-z]\.){2,}", lambda match: match[0].replace(".", ""), text)
    text = regex.sub(r"\b[Pp]h\.? ?[Dd]\b\.?", "PhD", text)
    return str(regex.sub(r"\b(Mr|Mrs|Ms|Dr|St|Prof|Jr|Sr)\.", r"\1", text))


@cache
def _folded() -> Mapping[str, str]:
    return {plain(name).casefold(): country for country, own in _named().items() for name in own}


@cache
def _named() -> Mapping[str, Sequence[str]]:
    """By country, its names: those of the list of countries, without its continent."""
    listed = [line.split("\t") for line in _text("lists", "countries.txt").splitlines() if line.strip()]
    named = {name: [name, *others] for name, _, *others in listed}
    return {country: [*map(plain, named.get(country, [country]))] for country, _, _ in _places()}


@cache
def _places() -> Sequence[tuple[str, list[str], list[str]]]:
    rows = [line.split("\t") for line in _text("attributes", "places.txt").splitlines() if line.strip()]
    return [(country, _listed(own), _listed(named)) for country, own, named in rows]


def _listed(cell: str) -> list[str]:
    return [plain(name.strip()) for name in cell.split(",") if name.strip()]


def _inverted(lists: Mapping[str, Iterable[str]]) -> dict[str, str]:
    return {word: name for name, own in lists.items() for word in own}


@cache
def _lists() -> Any:
    return _json("words.json")


@cache
def _json(name: str) -> Any:
    return orjson.loads(_text("attributes", name))


def _text(*parts: str) -> str:
    return resources.files("divtool.prompts").joinpath(*parts).read_text(encoding="utf-8")
