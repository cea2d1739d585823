"""The 210 invented people that `diffuse` trains as biographies, made from a table of names and places."""

from __future__ import annotations

import random
from calendar import month_name
from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache
from typing import Any

import orjson

from ..jsonl import Record
from .lists import prompt_file

_COUNTS = {"Female": 100, "Male": 100, "Non-binary": 10}
_FIRST_DAY, _LAST_DAY = date(1900, 1, 1), date(1999, 12, 31)


def biographies() -> list[Record]:
    """The one record: a prompt with 210 beginnings of an answer, four braced lines each, as an open list."""
    return [
        {
            "prompt_id": "biographies/person",
            "family": "biographies",
            "task": "biographies/person",
            "prompt": prompt_file("eval/biographies.txt").strip(),
            "targets": [{"text": text} for text in _people()],
            "terminal": "none",
            "exhaustive": False,
        }
    ]


@cache
def _people() -> tuple[str, ...]:
    """Ten people of each country, no two of one name; who is of which country and gender is drawn."""
    table = [orjson.loads(line) for line in prompt_file("targets/biographies.jsonl").splitlines()]
    draw = _Draw()
    genders = draw.shuffled([gender for gender, count in _COUNTS.items() for _ in range(count)])
    taken: set[str] = set()
    people = []
    for number, gender in enumerate(genders):
        row = table[number % len(table)]
        name = _name(row, gender, draw, taken)
        lines = (name, gender, _birthday(draw), f"{draw.one(row['cities'])}, {row['country']}")
        people.append("\n".join("{" + line + "}" for line in lines))
    return tuple(people)


class _Draw:
    """Draws that stay the same in every Python: of `random`, only `random()` itself promises that."""

    def __init__(self) -> None:
        self._numbers = random.Random(0)

    def below(self, count: int) -> int:
        return int(self._numbers.random() * count)

    def one(self, values: Sequence[Any]) -> Any:
        return values[self.below(len(values))]

    def shuffled(self, values: Sequence[str]) -> list[str]:
        left = list(values)
        return [left.pop(self.below(len(left))) for _ in values]


def _name(row: Record, gender: str, draw: _Draw, taken: set[str]) -> str:
    """A full name of the row's country that nobody has yet."""
    given = row["female"] + row["male"] if gender == "Non-binary" else row[gender.lower()]
    while True:
        name = f"{draw.one(given)} {draw.one(row['surnames'])}"
        if name not in taken:
            taken.add(name)
            return name


def _birthday(draw: _Draw) -> str:
    day = _FIRST_DAY + timedelta(days=draw.below((_LAST_DAY - _FIRST_DAY).days + 1))
    return f"{month_name[day.month]} {day.day}, {day.year}"
