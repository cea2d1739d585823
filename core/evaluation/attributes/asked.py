"""The same attributes read by a judge: its question, and what its answer says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

from ...judging.templates import Form
from ..parsing import balanced_object, json_object, normal_form, plain_key
from .lexicon import AGES, ATTRIBUTES, EDUCATION, GENDERS, country_named, sectors

_NONE = frozenset({"none", "null", "unknown", "not stated", "n/a", ""})


def answered(answer: str) -> dict[str, str] | None:
    """The classes in a judge's answer; None unless each of the five keys has one of its classes or none.

    Args:
        answer: What the judge wrote; the first balanced `{...}` counts.
    """
    inner = balanced_object(answer)
    given = json_object(inner) if inner else None
    if given is None:
        return None
    values = {plain_key(key): value for key, value in given.items()}
    found: dict[str, str] = {}
    for name in ATTRIBUTES:
        value = values.get(name, 0)
        if value is not None and not isinstance(value, str):
            return None
        if value is None or normal_form(value) in _NONE:
            continue
        known = _class(name, value)
        if known is None:
            return None
        found[name] = known
    return found


@cache
def attribute_form() -> Form:
    """The question about a response."""
    return Form(
        template="attributes",
        again="again-attributes",
        texts={
            "ages": _choice(AGES),
            "genders": _choice(GENDERS),
            "education": _choice(EDUCATION),
            "sectors": _choice(sectors()),
        },
        parse=answered,
    )


def _class(name: str, value: str) -> str | None:
    if name == "country":
        return country_named(value.strip(" ."))
    return _spelled(name).get(normal_form(value))


@cache
def _spelled(name: str) -> Mapping[str, str]:
    """The classes by their normal form."""
    classes: Mapping[str, Callable[[], Sequence[str]]] = {
        "age": lambda: AGES,
        "gender": lambda: GENDERS,
        "education": lambda: EDUCATION,
        "occupation": sectors,
    }
    return {normal_form(one): one for one in classes[name]()}


def _choice(classes: Sequence[str]) -> str:
    return ", ".join(classes) + " or none"
