"""The answers of a target record: read from its two forms, and checked before any model is loaded."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ..jsonl import Row
from ..records import kind_of
from .laws import MOST_VALUES, is_number
from .target import Answer

_SHOWN = 40


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry as it stands in the record; `weighted` where it carries a weight, of any kind."""

    text: Any
    weight: Any = None
    aliases: Any = ()
    weighted: bool = False


class _Repeated(dict[str, Any]):
    """A JSON object in which a key stands twice; `pairs` are all its entries."""

    pairs: list[tuple[str, Any]]


def loads(text: str) -> Any:
    """JSON in which an object keeps its repeated keys; NaN and infinities are read, so that a message can name them."""
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise json.JSONDecodeError("nested too deeply", text, 0) from None
    except ValueError:  # Python reads no number of more than some thousand digits.
        raise json.JSONDecodeError("a number has too many digits", text, 0) from None
    if "\\ud" in text.lower():
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise json.JSONDecodeError("half a character: a lone surrogate", text, text.lower().index("\\ud")) from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    repeated = _Repeated(plain)
    repeated.pairs = pairs
    return repeated


def answers_of(row: Row, targets: Any, weights: Any = None) -> tuple[Answer, ...]:
    """The answers of a record, their weights normalised, in the record's order.

    Args:
        row: The record and its place.
        targets: A list of ``{"text", "weight"?, "aliases"?}``, or an object of weights by text, or a list of texts.
        weights: The weights of a list of texts; None for equal ones.

    Raises:
        InputError: The entries cannot be a target; the message names the entry.
    """
    entries = _entries(row, targets, weights)
    if not entries:
        raise row.fault("'targets' is empty")
    if len(entries) > MOST_VALUES:
        fault = f"'targets' has {len(entries):,} entries, at most {MOST_VALUES:,} are possible"
        raise row.fault(fault, "use a law, or split the record")
    for number, entry in enumerate(entries):
        _check_form(row, number, entry)
    _check_apart(row, entries)
    return tuple(
        Answer(entry.text, weight, tuple(entry.aliases))
        for entry, weight in zip(entries, _normalised(row, entries), strict=True)
    )


def _entries(row: Row, targets: Any, weights: Any) -> list[_Entry]:
    if isinstance(targets, dict):
        pairs = targets.pairs if isinstance(targets, _Repeated) else targets.items()
        return [_Entry(text, weight, weighted=True) for text, weight in pairs]
    if not isinstance(targets, list):
        raise row.fault(f"'targets' is {kind_of(targets)}, not a list or an object")
    if weights is None:
        return [_entry(row, number, entry) for number, entry in enumerate(targets)]
    if not isinstance(weights, list) or len(weights) != len(targets):
        found = f"{len(weights)} entries" if isinstance(weights, list) else kind_of(weights)
        raise row.fault(f"'weights' is {found}, not a list of {len(targets)}, one a target")
    return [_Entry(text, weight, weighted=True) for text, weight in zip(targets, weights, strict=True)]


def _entry(row: Row, number: int, entry: Any) -> _Entry:
    if isinstance(entry, str):
        return _Entry(entry)
    if not isinstance(entry, dict) or "text" not in entry:
        found = "has no key 'text'" if isinstance(entry, dict) else f"is {kind_of(entry)}"
        raise row.fault(f"entry {number + 1} {found}", 'an entry is {"text": "...", "weight": 1}')
    return _Entry(entry["text"], entry.get("weight"), entry.get("aliases", ()), "weight" in entry)


def _check_form(row: Row, number: int, entry: _Entry) -> None:
    """Check the types of one entry, and its weight."""
    place = f"entry {number + 1}"
    if not isinstance(entry.text, str):
        raise row.fault(f"the text of {place} is {kind_of(entry.text)}, not a string")
    if not entry.text.strip():
        raise row.fault(f"the text of {place} is {'blank' if entry.text else 'empty'}", "leave the entry out")
    named = f"{place} ({shown(entry.text)})"
    if entry.weighted and not (is_number(entry.weight) and entry.weight >= 0):
        found = str(entry.weight)[:20] if isinstance(entry.weight, int | float) else kind_of(entry.weight)
        raise row.fault(f"the weight of {named} is {found}, not a finite number of 0 or more")
    if not isinstance(entry.aliases, list | tuple) or not all(isinstance(alias, str) for alias in entry.aliases):
        raise row.fault(f"the aliases of {named} are no list of strings")
    if not all(alias.strip() for alias in entry.aliases):
        raise row.fault(f"{named} has an empty alias", "leave it out")


def _check_apart(row: Row, entries: Sequence[_Entry]) -> None:
    """Raise unless all texts and aliases are different strings in their composed form (NFC)."""
    places: dict[str, int] = {}
    for number, entry in enumerate(entries):
        first = places.setdefault(unicodedata.normalize("NFC", entry.text), number)
        if first != number:
            raise row.fault(f"entries {first + 1} and {number + 1} are the same text, {shown(entry.text)}", "keep one")
    for number, entry in enumerate(entries):
        for alias in entry.aliases:
            form = unicodedata.normalize("NFC", alias)
            if form in places:
                other = f"also the text or an alias of entry {places[form] + 1}"
                raise row.fault(f"the alias {shown(alias)} of entry {number + 1} is {other}")
            places[form] = number


def _normalised(row: Row, entries: Sequence[_Entry]) -> list[float]:
    """The weights as shares of 1; equal ones where no entry has any."""
    bare = [number for number, entry in enumerate(entries) if not entry.weighted]
    if len(bare) == len(entries):
        return [1 / len(entries)] * len(entries)
    if bare:
        named = f"entry {bare[0] + 1} ({shown(entries[bare[0]].text)})"
        raise row.fault(f"{named} has no weight, others have one", "weigh all entries or none")
    largest = max(float(entry.weight) for entry in entries)
    if not largest:
        raise row.fault("all weights are 0", "at least one must be above 0")
    # Divided by the largest first: a sum of huge weights would be infinite.
    scaled = [entry.weight / largest for entry in entries]
    total = math.fsum(scaled)
    return [value / total for value in scaled]


def check_beginnings(row: Row, answers: Sequence[Answer]) -> None:
    """Raise `InputError` if an answer begins with another one: without a terminal the longer one could not be told."""
    ordered = sorted((answer.text, number + 1) for number, answer in enumerate(answers))
    for (short, first), (long, second) in pairwise(ordered):
        if long.startswith(short):
            fault = f"entry {first} ({shown(short)}) is the beginning of entry {second} ({shown(long)})"
            raise row.fault(f"{fault}, and the terminal is none", 'use "terminal": "eos", or put answers in braces')


def shown(text: str) -> str:
    """A text in quotes and on one line, cut if it is long."""
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")
