"""The scores of an audit, and what it shows in a sentence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from ..audit.score import aggregates
from .audit_rows import LETTERS, AuditRow, Standing
from .load import Inputs
from .story import Claim
from .text import count, number, plural, short, small


@dataclass(frozen=True, slots=True)
class Totals:
    """The audit of one model.

    Attributes:
        rows: Its records.
        summary: What `aggregates` makes of those with a TV and a verdict.
    """

    rows: Sequence[AuditRow]
    summary: Mapping[str, Any]

    @property
    def scores(self) -> list[str]:
        """Score, spread and format."""
        return [number(self.summary[key], 1) for key in ("score", "spread", "format")]

    @property
    def verdicts(self) -> Mapping[str, int]:
        """How many scored prompts pass, warn and fail."""
        found: Mapping[str, int] = self.summary["verdicts"]
        return found

    @property
    def compared(self) -> list[tuple[float, float]]:
        """TV before and after, of each record that has both."""
        pairs = ((row.before.tv, row.now.tv) for row in self.rows if row.before is not None)
        return [(before, now) for before, now in pairs if before is not None and now is not None]


def latest(rows: Iterable[AuditRow]) -> list[AuditRow]:
    """The records, the last one of each prompt and mode of a model."""
    return list({(row.now.model, row.task, row.wording, row.arm, row.format, row.mode): row for row in rows}.values())


def by_model(rows: Iterable[AuditRow]) -> dict[str, Totals]:
    """Totals by model; orders of one list are left to a section of their own."""
    found: dict[str, list[AuditRow]] = defaultdict(list)
    for row in latest(rows):
        if row.order is None:
            found[row.now.model].append(row)
    return {model: _totals(own) for model, own in found.items()}


def _totals(rows: Sequence[AuditRow]) -> Totals:
    judged = [row.plain() for row in rows if row.now.tv is not None and row.now.verdict in LETTERS]
    return Totals(rows, aggregates(judged))


def audit_claims(inputs: Inputs) -> list[Claim]:
    """One claim a model; none without a record."""
    if not inputs.audits:
        return []
    found = by_model(inputs.audits)
    claims = [_claim(model, total) for model, total in found.items()]
    return claims or [Claim("Audit", f"{plural(len(inputs.audits), 'choice')} from lists in several orders.", "open")]


def _claim(model: str, total: Totals) -> Claim:
    before = next((row.before for row in total.rows if row.before is not None), None)
    pairs = total.compared
    parts = []
    if pairs:
        was, now = (fmean(side) for side in zip(*pairs, strict=True))
        better = sum(after < first for first, after in pairs)
        parts.append(
            f"TV to the target {short(was)} \u2192 {short(now)} on average over {plural(len(pairs), 'prompt')} "
            f"({count(better)} better, {count(sum(after > first for first, after in pairs))} worse)"
        )
    score, spread, valid = total.scores
    parts.append(f"score {score} of 100 (spread {spread}, format {valid})")
    parts.append(_verdicts(total.verdicts))
    kicker = f"Audit of {model}" + (f" against {before.model}" if before is not None else "")
    notes = [text for text in (_worst(total.rows), _habit(total), _low_valid(total.rows)) if text]
    sentence = ", ".join(parts) + "."
    return Claim(kicker, sentence[0].upper() + sentence[1:], _tone(total), notes)


def _verdicts(verdicts: Mapping[str, int]) -> str:
    return "verdicts " + ", ".join(f"{count(verdicts[name])} {name}" for name in LETTERS)


def _tone(total: Totals) -> str:
    pairs = total.compared
    if pairs:
        change = sum(now - was for was, now in pairs)
        return "good" if change < 0 else "bad" if change > 0 else "open"
    if not total.verdicts["fail"] and total.verdicts["pass"]:
        return "good"
    return "open" if total.verdicts["pass"] + total.verdicts["warn"] else "bad"


def _worst(rows: Sequence[AuditRow]) -> str:
    known = [row for row in rows if row.scored and row.now.tv is not None]
    if len(known) < 2:
        return ""
    worst = max(known, key=lambda row: row.now.tv or 0.0)
    return f"Worst: {worst.task}, {worst.column}, TV {short(worst.now.tv)}."


def _habit(total: Totals) -> str:
    """Whether asking for chance helps."""
    habit = total.summary["habit"]
    if habit is None or habit["asking_gains"] is None:
        return ""
    score, gain = number(habit["score"], 1), number(habit["asking_gains"], 1, sign=True)
    return f"Asked without a word of chance (w0) the score is {score}; asking for chance changes it by {gain}."


def _low_valid(rows: Sequence[AuditRow]) -> str:
    low = [row for row in rows if row.scored and row.now.valid_mass is not None and row.now.valid_mass < 0.5]
    if not low:
        return ""
    return (
        f"On {plural(len(low), 'prompt')} most answers are none of the options: TV then says so, whatever the spread. "
        "Read the TV of valid answers beside it."
    )


def change(before: Standing, now: Standing, options: int) -> str:
    """The sentence above a picture of before and after."""
    parts = [f"TV {short(before.tv)} \u2192 {short(now.tv)}"]
    if before.effective is not None or now.effective is not None:
        effective = f"{number(before.effective, 1)} \u2192 {number(now.effective, 1)}"
        parts.append(f"effective options {effective} of {count(options)}")
    if before.valid_mass is not None and now.valid_mass is not None:
        parts.append(f"valid mass {small(before.valid_mass)} \u2192 {small(now.valid_mass)}")
    if before.verdict and now.verdict:
        parts.append(f"{before.verdict} \u2192 {now.verdict}")
    return ", ".join(parts)
