"""Where a file's records come from: the command that a file states, else one that its records let us write again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import PurePath
from typing import Any

import orjson

from ..jsonl import Record
from ..provenance import portable_command
from .text import as_mapping, as_name, as_number, clean

_DISTINCT = 200  # values of a key that are kept
_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_new_tokens")
_OUTPUTS = {"-o", "--output", "--unit-values"}
_STAGES = (
    "prompt", "response", "scored response", "possibility group", "pair", "training step", "distribution step",
    "measure", "unit value", "audit",
)  # fmt: skip


@dataclass(slots=True)
class Origin:
    """What the records of one file say of the command that wrote it.

    Attributes:
        stated: The command itself, where a record holds it.
        versions: Of packages, likewise.
        seen: Distinct values by key, the first two hundred in the order met.
        samples: Responses a prompt, by the largest sample index.
    """

    stated: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    seen: dict[str, dict[str, None]] = field(default_factory=dict)
    samples: int = 0

    def add(self, kind: str, record: Record) -> None:
        """Take one record in."""
        _ADD.get(kind, _nothing)(self, record)

    def state(self, record: Record) -> None:
        """Take in what a report says of its own making."""
        self.stated = _typed(record.get("command")) or self.stated
        versions = as_mapping(record.get("versions")) or {"divtool": record.get("divtool")}
        self.versions |= {as_name(name): as_name(number) for name, number in versions.items() if number is not None}

    def note(self, key: str, value: Any) -> None:
        """Keep a value, if it is a new one."""
        known = self.seen.setdefault(key, {})
        if value is not None and len(known) < _DISTINCT:
            known.setdefault(value if isinstance(value, str) else orjson.dumps(value).decode(), None)

    def one(self, key: str) -> str | None:
        """The value of a key that has one only."""
        known = list(self.seen.get(key, ()))
        return known[0] if len(known) == 1 else None

    def every(self, key: str) -> list[str]:
        """All values of a key that were kept."""
        return list(self.seen.get(key, ()))

    def command(self, kinds: Mapping[str, int], file: str) -> str:
        """The command that would write such records; "" where they say too little.

        Args:
            kinds: How many records of each kind the file holds.
            file: Its name.
        """
        kind = next((stage for stage in _STAGES if kinds.get(stage)), "")
        words = _AGAIN[kind](self) if kind in _AGAIN else []
        return clean(shlex.join(["divtool", *words, "-o", file])) if words else ""


def _typed(command: Any) -> str:
    """A command of this program as one that is safe to paste: quoted anew, so that nothing in it acts on a shell."""
    try:
        words = shlex.split(command) if isinstance(command, str) else []
    except ValueError:
        return ""
    return clean(shlex.join(words)) if words[:1] == ["divtool"] else ""


def stage_of(kinds: Mapping[str, int]) -> int:
    """The place of a file's stage in a run; reports that only tell of another file come with what they tell of."""
    places = {kind: place for place, kind in enumerate(_STAGES)}
    places |= {"length-bias report": 2, "selection report": 4, "training run": 5, "audit summary": 9}
    return min((places[kind] for kind in kinds if kind in places), default=len(_STAGES))


def _nothing(origin: Origin, record: Record) -> None:
    """A kind whose records say nothing of their making."""


def _response(origin: Origin, record: Record) -> None:
    origin.note("model", record.get("model"))
    origin.note("seed", record.get("seed"))
    if isinstance(record.get("params"), dict):
        for key, value in record["params"].items():
            origin.note(f"params.{as_name(key)}", value)
    index = as_number(record.get("sample_index"))
    origin.samples = max(origin.samples, 0 if index is None else int(min(index, 1e9)) + 1)
    for name in as_mapping(record.get("scores")):
        origin.note("scores", as_name(name))


def _selected(origin: Origin, record: Record) -> None:
    origin.note("method", record.get("method"))


def _measure(origin: Origin, record: Record) -> None:
    origin.note("task", record.get("task"))
    origin.note("baseline", record.get("baseline"))
    if record.get("role") != "reference":
        origin.note("run", record.get("run") or record.get("model"))


def _audit(origin: Origin, record: Record) -> None:
    for key in ("task", "model", "mode"):
        origin.note(key, record.get(key))
    origin.note("compare", as_mapping(record.get("compare")).get("model"))


_ADD = {
    "response": _response, "scored response": _response, "pair": _selected, "possibility group": _selected,
    "measure": _measure, "unit value": _measure, "audit": _audit,
}  # fmt: skip


def _option(flag: str, value: str | None) -> list[str]:
    return [] if value is None else [flag, value]


def _model(name: str | None) -> list[str]:
    """The model and, behind a plus sign, its adapter."""
    model, _, adapter = (name or "").partition("+")
    return [*_option("--model", model or None), *_option("--adapter", adapter or None)]


def _sample(origin: Origin) -> list[str]:
    if not origin.seen.get("model"):
        return []
    settings = [
        word
        for key in _SAMPLING
        if (value := origin.one(f"params.{key}")) not in {None, "null"}
        for word in (f"--{key.replace('_', '-')}", str(value))
    ]
    strategy = [] if origin.one("params.strategy") == "direct" else _option("--strategy", origin.one("params.strategy"))
    count = ["-n", str(origin.samples)] if origin.samples else []
    seed = _option("--seed", origin.one("seed"))
    return ["sample", "PROMPTS", *_model(origin.one("model")), *count, *strategy, *settings, *seed]


def _score(origin: Origin) -> list[str]:
    names = origin.every("scores")
    plain = [name for name in names if not name.startswith("dd_")]
    deciles = ["--deciles", "MAP"] if len(plain) < len(names) else []
    return ["score", "RESPONSES", *_option("--metrics", ",".join(plain) or None), *deciles]


def _select(origin: Origin) -> list[str]:
    return ["select", "SCORED", *_option("--method", origin.one("method"))] if origin.every("method") else []


def _tasks(origin: Origin) -> str:
    known = origin.every("task")
    return ",".join(known) if len(known) < _DISTINCT else "TASKS"


def _eval(origin: Origin) -> list[str]:
    runs = [run for run in origin.every("run") if run not in origin.every("baseline")]
    files = ["RUN"] if len(runs) < 2 else [word for run in runs for word in ("--run", f"{run}=FILE")]
    baseline = ["--baseline", "BASELINE"] if origin.every("baseline") else []
    return ["eval", *files, "--task", _tasks(origin), *baseline]


def _random_audit(origin: Origin) -> list[str]:
    parts = [*_option("--mode", origin.one("mode")), *_option("--compare", origin.one("compare"))]
    return ["random-audit", *_model(origin.one("model")), "--task", _tasks(origin), *parts]


_AGAIN = {
    "response": _sample, "scored response": _score, "pair": _select, "possibility group": _select,
    "measure": _eval, "audit": _random_audit,
}  # fmt: skip


def commands(files: Sequence[tuple[str, Mapping[str, int], Origin]]) -> list[tuple[str, str]]:
    """The commands of all files in the order of a run, each behind a remark of where it comes from.

    Args:
        files: Name, records by kind, and origin of each.
    """
    told: dict[str, list[str]] = {}
    written = {name for _, _, origin in files for name in _outputs(origin.stated)}
    drawn = [_sample(origin) for _, kinds, origin in files if kinds.get("response")]
    for name, kinds, origin in sorted(files, key=lambda file: stage_of(file[1])):
        shown = " ".join(clean(name).split())  # no end of a line: a remark ends where the name does
        remark = f"like this, by the records of {shown}"
        if kinds.get("scored response") and (words := _sample(origin)) and words not in drawn:
            told.setdefault(clean(shlex.join(["divtool", *words, "-o", "RESPONSES"])), []).append(remark)
        if origin.stated:
            told.setdefault(origin.stated, []).append(f"as {shown} states it")
        elif name not in written and (line := origin.command(kinds, name)):
            told.setdefault(line, []).append(remark)
    return [(", ".join(remarks), portable_command(line)) for line, remarks in told.items()]


def _outputs(command: str) -> list[str]:
    """Names of the files that a command writes."""
    words = shlex.split(command)
    return [PurePath(name).name for option, name in pairwise(words) if option in _OUTPUTS]
