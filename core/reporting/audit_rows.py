"""Audit records made uniform: every number is one or None, every text is there, options stand in the order drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..audit.orders import order_of
from ..audit.task import HABIT
from ..jsonl import Record
from .text import Excerpt, as_list, as_mapping, as_name, as_number, as_text, cut, excerpt

OPTION_CHARACTERS = 120
MOST_OPTIONS = 2_000  # of one record
MOST_LEAKS = 10
_NUMBERS = ("target", "p", "p_low", "p_high")
_FIGURES = ("tv", "tv_valid", "valid_mass", "effective_options")
LETTERS = {"pass": "P", "warn": "W", "fail": "F"}


@dataclass(frozen=True, slots=True)
class Option:
    """One answer.

    Attributes:
        text: The answer.
        target: The probability that it should have.
        p: The one that it has, or its lower bound, or its share of the responses.
        low: Lower end of the interval; None in exact mode.
        high: Upper end.
        before: The baseline's probability; None without one.
    """

    text: str
    target: float
    p: float
    low: float | None = None
    high: float | None = None
    before: float | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """The figures of one law: of the model, or of its baseline."""

    model: str
    tv: float | None
    tv_valid: float | None
    valid_mass: float | None
    effective: float | None
    verdict: str


@dataclass(frozen=True, kw_only=True)
class AuditRow:
    """One audit record.

    Attributes:
        record: As it is.
        task: Its task.
        family: What the task is averaged with first.
        wording: "w0" to "w4", or another name.
        arm: A variation of the prompt; "" for the prompt itself.
        format: How the answer is written.
        mode: "exact", "bounds" or "sampled".
        prompt: What was asked.
        ordinal: The options have a natural order.
        options: In the order of the record.
        now: The model's figures.
        before: The baseline's; None without one.
    """

    record: Record
    task: str
    family: str
    wording: str
    arm: str
    format: str
    mode: str
    prompt: Excerpt
    ordinal: bool
    options: Sequence[Option]
    now: Standing
    before: Standing | None

    @property
    def column(self) -> str:
        """What tells it from the other records of its task."""
        return " \u00b7 ".join(part for part in (self.wording, self.arm, self.format) if part) or "prompt"

    @property
    def order(self) -> tuple[int, ...] | None:
        """The option at each place, where the record is one order of a list among several."""
        found = order_of(self.arm)
        return found if found is not None and len(found) == len(self.options) else None

    @property
    def scored(self) -> bool:
        """Whether it counts in the score."""
        return self.wording != HABIT and not self.arm

    @property
    def valid(self) -> float:
        """Probability of any option, 0 to 1."""
        return min(1.0, sum(option.p for option in self.options))

    @cached_property
    def rest(self) -> tuple[float, float, float]:
        """Probability of anything else, with its lower and upper end, all alike where there is no interval."""
        rest = 1.0 - self.valid
        low, high = (as_number(self.record.get(f"valid_mass_{end}")) for end in ("low", "high"))
        if self.mode == "bounds":
            unexplored = as_number(self.record.get("unexplored")) or 0.0
            return max(0.0, rest - unexplored), max(0.0, rest - unexplored), rest
        if low is None or high is None:
            return rest, rest, rest
        return rest, _share(1 - high), _share(1 - low)

    @property
    def rest_before(self) -> float:
        """The baseline's probability of anything else; 0 without a baseline."""
        return 0.0 if self.before is None else 1 - min(1.0, sum(option.before or 0.0 for option in self.options))

    @cached_property
    def drawn(self) -> list[Option]:
        """The options as the picture shows them: those with an order in it, others by falling probability."""
        if self.ordinal:
            return list(self.options)
        return sorted(self.options, key=lambda option: -option.p)

    def plain(self) -> Record:
        """The record with nothing but what scores and position statistics read, each value of its type."""
        options = [{"text": option.text, "target": option.target, "p": option.p} for option in self.options]
        corrected = as_number(self.record.get("tv_corrected"))
        return {
            "task": self.task, "family": self.family, "wording": self.wording, "arm": self.arm,
            "format": self.format or "bare", "model": self.now.model, "mode": self.mode, "options": options,
            "tv": self.now.tv, "tv_valid": self.now.tv_valid, "valid_mass": self.now.valid_mass or 0.0,
            "tv_corrected": self.now.tv if corrected is None else corrected, "verdict": self.now.verdict,
        }  # fmt: skip

    def leaks(self) -> list[tuple[str, float]]:
        """What is said instead of an option, and how often."""
        for key in ("leak_top", "unlisted"):
            found = [as_mapping(leak) for leak in as_list(self.record.get(key))[:MOST_LEAKS]]
            pairs = [
                (cut(as_text(leak.get("prefix", leak.get("text"))), OPTION_CHARACTERS), _mass(leak)) for leak in found
            ]
            if pairs:
                return pairs
        return []


def _said(leak: Mapping[str, Any]) -> str:
    return cut(as_text(leak.get("prefix", leak.get("text"))), OPTION_CHARACTERS)


def _mass(leak: Mapping[str, Any]) -> float:
    known = (as_number(leak.get(key)) for key in ("p", "p_low"))
    return _share(next((p for p in known if p is not None), 0.0))


def audit_row(record: Record) -> AuditRow:
    """A record made uniform; what has the wrong type counts as absent."""
    compare = as_mapping(record.get("compare"))
    before = as_list(compare.get("p"))
    given = [as_mapping(option) for option in as_list(record.get("options"))[:MOST_OPTIONS]]
    options = [_option(option, before[i] if i < len(before) else None) for i, option in enumerate(given)]
    ordinal = record.get("ordinal")
    return AuditRow(
        record=record,
        task=as_name(record.get("task")) or "?",
        family=as_name(record.get("family")),
        wording=as_name(record.get("wording")),
        arm=as_name(record.get("arm")),
        format="" if record.get("format") in {None, "bare"} else as_name(record.get("format")),
        mode=as_name(record.get("mode")),
        prompt=excerpt(as_text(record.get("prompt"))),
        ordinal=bool(ordinal) if isinstance(ordinal, bool | dict) else False,
        options=options,
        now=_standing(record),
        before=_standing(compare) if compare else None,
    )


def _option(given: Mapping[str, Any], before: Any) -> Option:
    target, p, low, high, was = map(as_number, (*(given.get(key) for key in _NUMBERS), before))
    known = low is not None and high is not None
    return Option(
        cut(as_text(given.get("text")), OPTION_CHARACTERS),
        _share(target or 0.0),
        _share(p or 0.0),
        _share(low or 0.0) if known else None,
        _share(max(low or 0.0, high or 0.0)) if known else None,
        None if was is None else _share(was),
    )


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))


def _standing(given: Mapping[str, Any]) -> Standing:
    tv, tv_valid, valid, effective = (as_number(given.get(key)) for key in _FIGURES)
    if effective is None and (bits := as_number(given.get("entropy_bits"))) is not None and bits < 64:
        effective = 2**bits
    name, verdict = as_name(given.get("model")) or "the model", as_name(given.get("verdict"))
    return Standing(name, tv, tv_valid, valid, effective, verdict)
