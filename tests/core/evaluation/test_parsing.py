"""What the tasks read in fixed answers, and that no text is too odd for them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from divtool.core.evaluation.parsing import normal_form
from divtool.core.evaluation.tasks import aut, biographies, dat, persona

_TEN = ["apple", "river", "anger", "ladder", "music", "planet", "bread", "justice", "needle", "winter"]
_NUMBERED = "\n".join(f"{n}. {word.capitalize()}" for n, word in enumerate(_TEN, start=1))
_FRENCH = ["chien", "chat", "eau", "feu", "lune", "rue", "main", "pain", "mer", "roi"]
_VOCABULARY = frozenset([*_TEN, "ice-cream", "seaside", "dog"])
_ANA = {"first_name": "ana", "city": "lima", "occupation": "nurse"}
_USES = ["a tiny drum", "a door stop", "a bird bath", "a garden border", "a paper weight"]
_LIST = "\n".join(f"{n}. {use}" for n, use in enumerate(_USES, start=1))
_PERSON = ["Ana Ruiz", "Female", "March 3, 1921", "Lima, Peru", "Nurse", "She wrote songs."]
_BRACED = "\n".join(f"{{{field}}}" for field in _PERSON)
_READ = {"first_name": "ana", "gender": "female", "birth_date": "march 3, 1921", "birthplace": "lima, peru"}

_DAT = [
    (_NUMBERED, True, 7),
    (_NUMBERED.replace(". ", ") "), True, 7),
    (_NUMBERED.replace("River", "Sea-side"), True, 7),
    ("Here are ten nouns:\n" + _NUMBERED, False, 7),
    (f"```\n{_NUMBERED}\n```", False, 7),
    (_NUMBERED + "\n\nI hope this helps!", False, 7),
    (", ".join(_TEN), False, 7),
    ("\n".join(_TEN), False, 7),
    ("1. " + ", ".join(_TEN), False, 7),
    (" ".join(f"{n}. {word}" for n, word in enumerate(_TEN, start=1)), False, 7),
    (_NUMBERED.replace("Apple", "Apple: a sweet fruit").replace("Bread", "**Bread** (baked)"), False, 7),
    (_NUMBERED.replace("Apple", "Ice cream").replace("River", "sea side"), False, 7),
    (_NUMBERED.replace("River", "Apple"), False, 7),
    ("\n".join(_NUMBERED.splitlines()[:7]), False, 7),
    ("\n".join(_NUMBERED.splitlines()[:6]), False, None),
    ("\n".join(f"{n}. dog" for n in range(1, 11)), False, None),
    ("\n".join(f"{n}. {word}" for n, word in enumerate(_FRENCH, start=1)), True, None),
    ("1. 犬\n2. 猫\n3. 水", False, None),
    ("I cannot do that.", False, None),
    ("", False, None),
]  # fmt: skip

_PERSONA = [
    ('{"first_name": "Ana", "city": "Lima", "occupation": "nurse"}', True, _ANA),
    (' \n{"occupation":"Nurse","city":"Lima","first_name":"ANA"}\n', True, _ANA),
    ('```json\n{"first_name": "Ana", "city": "Lima", "occupation": "nurse"}\n```', False, _ANA),
    ('Sure! {"First Name": "Ana", "CITY": "Lima.", "Occupation": " nurse "} Done.', False, _ANA),
    ('{"first_name": "Ana", "city": "Lima", "occupation": "nurse"', False, _ANA),
    ('{"first_name": "Ana", "city": "Lima", "occupation": "nur', False, None),
    ("First name: Ana\nCity: Lima\nOccupation: nurse", False, _ANA),
    ("{'first_name': 'Ana', 'city': 'Lima', 'occupation': 'nurse',}", False, _ANA),
    ('{"first_name": "Ana", "city": "Lima", "occupation": "nurse", "age": 3}', False, _ANA),
    ('{"first_name": "Ana", "city": "Lima"}', False, None),
    ('{"first_name": "Ana", "city": "", "occupation": "nurse"}', False, None),
    ('{"first_name": 3, "city": ["Lima"], "occupation": null}', False, None),
    ("Ana is a nurse from Lima.", False, None),
]  # fmt: skip

_AUT = [
    (_LIST, True, 5),
    ("Five uses:\n" + _LIST, False, 5),
    ("\n".join(f"- {use}" for use in _USES[:3]), False, 3),
    ("\n".join(use.capitalize() + "." for use in _USES[:4]), False, 4),
    (_LIST + "\n6. a seat for dolls", False, 5),
    (_LIST.replace("a door stop", "a tiny drum"), True, 4),
    ("1. a tiny drum\n2. a door stop", False, None),
    ("\n".join(f"{n}. use number {n}" for n in range(1, 15)), False, None),
    ("Use it as a drum.", False, None),
]  # fmt: skip

_BIOGRAPHIES = [
    (_BRACED, True, {**_READ, "profession": "nurse"}),
    ("Here you are.\n" + _BRACED, False, {**_READ, "profession": "nurse"}),
    (" ".join(_BRACED.splitlines()), False, {**_READ, "profession": "nurse"}),
    ("\n".join(_BRACED.splitlines()[:4]) + "\n{Nur", False, _READ),
    (_BRACED.replace("{Ana", "{Full name: Ana").replace("{Nurse", "{Profession: Nurse"), True,
     {**_READ, "profession": "nurse"}),
    ("\n".join(_BRACED.splitlines()[:3]), False, None),
    (_BRACED.replace("{", "").replace("}", ""), False, None),
    (_BRACED.replace("{Female}", "{}"), False, None),
]  # fmt: skip


def _words(text: str) -> int | None:
    known: Any = {word: (word, 0.0) for word in _VOCABULARY}
    found = dat.chosen(dat.candidates(text), known)
    return len(found.words) if found else None


@pytest.mark.parametrize(("text", "strict", "words"), _DAT)
def test_lists_of_words(text: str, strict: bool, words: int | None) -> None:
    assert (dat.strict(text), _words(text)) == (strict, words)


@pytest.mark.parametrize(("text", "strict", "value"), _PERSONA)
def test_people(text: str, strict: bool, value: Any) -> None:
    assert (persona.strict(text), persona.person(text)) == (strict, value)


@pytest.mark.parametrize(("text", "strict", "uses"), _AUT)
def test_uses(text: str, strict: bool, uses: int | None) -> None:
    found = aut.uses(text)
    assert (aut.strict(text), len(found) if found else None) == (strict, uses)


@pytest.mark.parametrize(("text", "strict", "value"), _BIOGRAPHIES)
def test_biographies(text: str, strict: bool, value: Any) -> None:
    assert (biographies.strict(text), biographies.biography(text)) == (strict, value)


def test_there_are_forty_of_them() -> None:
    assert len([*_DAT, *_PERSONA, *_AUT, *_BIOGRAPHIES]) >= 40


def test_first_words_count_in_their_order() -> None:
    known: Any = {word: (word, 0.0) for word in _VOCABULARY}
    found = dat.chosen(dat.candidates(_NUMBERED.replace("River", "Zzz").replace("Anger", "apple")), known)
    assert found is not None
    assert found.words == ("apple", "ladder", "music", "planet", "bread", "justice", "needle")
    assert len(found.valid) == 8


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        (" “José.” ", "josé"), ("NEW  York!", "new york"), ("Straße", "strasse"), ("e\u0301", "é"),
        ("O'Neil", "o'neil"), ("...", ""),
    ],
)  # fmt: skip
def test_normal_form(written: str, normal: str) -> None:
    assert normal_form(written) == normal


def test_no_text_is_too_odd() -> None:
    draw = random.Random(0)
    marks = [
        "1.",
        "2)",
        "10:",
        "{",
        "}",
        '"',
        "'",
        "“",
        ":",
        "\\",
        "\n",
        "\n\n",
        " ",
        "\t",
        "```",
        "- ",
        "* ",
        "=",
        ",",
        "[",
    ]
    odd = ["first_name", "City", "occupation", "é", "\ud800", "\u2028", "\x00", "🙂", "猫", "999999999999", "null"]
    pieces = [*_TEN, *marks, *odd]
    for _ in range(10_000):
        text = "".join(draw.choice(pieces) for _ in range(draw.randint(0, 40)))
        _words(text)
        dat.strict(text)
        persona.parse({"response": text})
        aut.uses(text)
        aut.strict(text)
        biographies.parse({"response": text})
