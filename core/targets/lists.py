"""The lists of `prompts/lists/`: countries, given names, occupations, fruits.

One item a line, sorted, no item twice. The columns of a line are parted by tabs: the text, its region (empty or left
out where it has none), then its other spellings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a list.

    Attributes:
        text: The entry as an answer.
        aliases: Other spellings of it: official names, for a country.
        region: The UN M49 region of a country, the Americas in two; empty in the other lists.
    """

    text: str
    aliases: tuple[str, ...] = ()
    region: str = ""


def prompt_file(name: str) -> str:
    """The text of a file below `prompts/`, named by its path there."""
    return resources.files("divtool.prompts").joinpath(*name.split("/")).read_text(encoding="utf-8")


@cache
def items(name: str) -> tuple[Item, ...]:
    """The entries of a list, in the file's order.

    Args:
        name: "countries" (193 UN members, the Holy See, Palestine), "first_names" (the 100 most frequent female and
            the 100 most frequent male names of the US Census 1990), "occupations" (200 plain titles after ISCO-08
            unit groups) or "fruits" (80).
    """
    return tuple(_item(line) for line in prompt_file(f"lists/{name}.txt").splitlines())


def _item(line: str) -> Item:
    text, _, rest = line.partition("\t")
    region, *aliases = rest.split("\t")
    return Item(text, tuple(aliases), region)
