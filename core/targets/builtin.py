"""The built-in targets. Wordings and answers are files in `prompts/`; here they become target records."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import orjson

from ..catalog import split_names
from ..errors import UsageError, unknown_name
from ..jsonl import Record, Row
from .biographies import biographies
from .lists import Item, items, prompt_file
from .record import target_of
from .target import Target

PRESETS = ("diffuse", "diffuse-quick", "diffuse-quick-held-out", "diffuse-wide", "biographies")
_KIND = "built-in targets"


def builtin_targets(names: str | Iterable[str], hold_out: str | Iterable[str] = "") -> list[Target]:
    """The targets of presets, families and single prompts, each once, in the built-in order.

    Args:
        names: Preset, family or ``family/id`` names, several parted by commas. Preset "diffuse" is the 26 prompts
            in six families, "diffuse-quick" five short ones, "diffuse-quick-held-out" the two that test transfer,
            "diffuse-wide" 28 short ones in five families, for a model that is to draw by lot on prompts of any kind.
        hold_out: Names of the same kinds to leave out.

    Raises:
        UsageError: An unknown name, a held-out one that was not chosen, or nothing left.
    """
    return [target_of(Row(record, f"built-in {record['prompt_id']}")) for record in _chosen(names, hold_out)]


def export(names: str | Iterable[str]) -> list[Record]:
    """The same as target records, to be written and edited.

    Raises:
        UsageError: An unknown name.
    """
    return _chosen(names, "")


def builtin_names() -> list[str]:
    """Every name: presets, families, then single prompts."""
    return list(_members())


def _chosen(names: str | Iterable[str], hold_out: str | Iterable[str]) -> list[Record]:
    wanted = _resolved(names)
    for name in split_names(hold_out):
        held = _resolved(name)
        if not held & wanted:
            raise UsageError(f"'{name}' is held out but not among the chosen {_KIND}")
        wanted -= held
    if not wanted:
        raise UsageError(f"no {_KIND} are left: choose some, or hold out fewer")
    return [record for records in _records().values() for record in records if record["prompt_id"] in wanted]


def _resolved(names: str | Iterable[str]) -> set[str]:
    """The `prompt_id`s that names stand for."""
    members = _members()
    found: set[str] = set()
    for name in split_names(names):
        if name not in members:
            raise unknown_name(_KIND, name, members)
        found |= members[name]
    return found


@cache
def _members() -> dict[str, frozenset[str]]:
    """The `prompt_id`s of every name; a preset comes before a family of its name."""
    presets = {name: frozenset(record["prompt_id"] for record in records) for name, records in _records().items()}
    records = [record for each in _records().values() for record in each]
    families = {
        family: frozenset(record["prompt_id"] for record in records if record["family"] == family)
        for family in dict.fromkeys(record["family"] for record in records)
    }
    return presets | {name: ids for name, ids in families.items() if name not in presets} | _singles(records)


def _singles(records: Iterable[Record]) -> dict[str, frozenset[str]]:
    return {record["prompt_id"]: frozenset([record["prompt_id"]]) for record in records}


@cache
def _records() -> dict[str, list[Record]]:
    """The records of each preset."""
    made = {preset: [_record(preset, line) for line in _lines(preset)] for preset in PRESETS if preset != "biographies"}
    return made | {"biographies": biographies()}


def _lines(preset: str) -> list[Record]:
    return [orjson.loads(line) for line in prompt_file(f"targets/{preset}.jsonl").splitlines()]


def _record(preset: str, line: Record) -> Record:
    """A line of a preset's file as a target record."""
    prompt_id = f"{line['family']}/{line['id']}"
    example = line.get("example")
    answers = [Item(text) for text in line["answers"]] if "answers" in line else _listed(line)
    return {
        "prompt_id": prompt_id,
        "family": line["family"],
        "task": prompt_id if line["family"] in PRESETS else f"{preset}/{prompt_id}",
        "prompt": f"{line['prompt']} {_clause(example)}" if example else line["prompt"],
        "targets": [_entry(item, braced=example is not None) for item in answers],
        **({} if line.get("exhaustive", True) else {"exhaustive": False}),
    }


def _clause(example: str) -> str:
    return prompt_file("targets/braces.txt").strip().replace("EXAMPLE", example)


def _listed(line: Record) -> list[Item]:
    """The part of a list that a prompt asks for."""
    region, letter = line.get("region", ""), line.get("letter", "")
    found = (item for item in items(line["list"]) if item.text.startswith(letter))
    return [item for item in found if not region or item.region == region]


def _entry(item: Item, *, braced: bool) -> Record:
    def form(text: str) -> str:
        return "{" + text + "}" if braced else text

    aliases = [form(alias) for alias in item.aliases]
    return {"text": form(item.text), **({"aliases": aliases} if aliases else {})}
