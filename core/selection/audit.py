"""The pair/length audit: does the length, or a turn of phrase, tell the chosen text from the rejected one?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from ..errors import DivtoolError
from ..jsonl import Record
from ..metrics.text import Tokenizer, tokenizer
from .figures import PairTable, figures, telling_openings
from .pair_columns import Floats

# The largest |mean dlen| that passes, by unit.
LENGTH_LIMITS = {"words": 1.0, "tokens": 2.0, "chars": 5.0}
_LEAST_MARGIN = 0.05
_MARGIN_ERRORS = 2.58
_OFTEN, _SELDOM = 0.2, 0.05
_FEW_PAIRS = 100
_MOST_TRUNCATED = 0.3
_WORST = ("pass", "warn", "fail")


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the audit.

    Attributes:
        check: What was looked at.
        value: What was found.
        limit: What is accepted.
        verdict: "pass", "warn" or "fail".
        message: One line for people; empty where it passes.
    """

    check: str
    value: float | int | str | None
    limit: str
    verdict: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Audit:
    """What the audit found.

    Attributes:
        pairs: How many pairs.
        checks: Each check in order.
        figures: Distributions, correlations and cues, as plain data; empty without a pair.
    """

    pairs: int
    checks: tuple[Check, ...]
    figures: Mapping[str, Any]

    @property
    def verdict(self) -> str:
        """The worst verdict of the checks."""
        return max((check.verdict for check in self.checks), key=_WORST.index, default="pass")

    @property
    def message(self) -> str:
        """The failed checks in one line, else the warnings."""
        return "; ".join(check.message for check in self.checks if check.verdict == self.verdict and check.message)

    def as_dict(self) -> dict[str, Any]:
        """The audit as plain data, for the report."""
        return {
            "pairs": self.pairs,
            "verdict": self.verdict,
            "message": self.message,
            "checks": [{name: getattr(check, name) for name in Check.__slots__} for check in self.checks],
            **self.figures,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRules:
    """What the audit is held against.

    Attributes:
        tolerance: Largest |dlen| of a pair in `unit`, or None where the method has none.
        unit: What length is counted in.
        strict: Length faults fail; for baselines they warn.
        truncated_share: Share of the sampled responses that were cut, where it is known.
        quality: The score that judged quality, or None.
        cleaned: Truncated texts were left out before; where they were let in on purpose, they warn.
    """

    tolerance: float | None = 5.0
    unit: str = "words"
    strict: bool = True
    truncated_share: float = 0.0
    quality: str | None = None
    cleaned: bool = True

    @property
    def hard(self) -> str:
        """The verdict of a length fault."""
        return "fail" if self.strict else "warn"


def audit_pair_records(
    pairs: Iterable[Record], rules: AuditRules | None = None, tokenize: Tokenizer | None = None
) -> Audit:
    """Audit preference pairs; a few numbers a pair are kept, no texts.

    Args:
        pairs: Checked pair records.
        rules: Limits.
        tokenize: Text to words; the default tokenizer if None.

    Raises:
        DivtoolError: Length is counted in tokens, and a pair does not say how many it has.
    """
    rules = rules or AuditRules()
    table = PairTable(tokenize or tokenizer("word"), rules.quality)
    for pair in pairs:
        table.add(pair)
    if not table.pairs:
        return Audit(0, (Check("pairs", 0, "at least 1", "fail", "no pair left"),), {})
    checks = (*_length_checks(table, rules), *_fault_checks(table, rules), *_warnings(table, rules))
    return Audit(table.pairs, checks, figures(table))


def selected_unit(pairs: Iterable[Record]) -> str:
    """What the selection of some pairs counted length in: their `length_unit` where all have one and the same."""
    units = {str(pair.get("length_unit", "words")) for pair in pairs}
    unit = units.pop() if len(units) == 1 else "words"
    return unit if unit in LENGTH_LIMITS else "words"


def _length_checks(table: PairTable, rules: AuditRules) -> Iterator[Check]:
    """What fails a method that promises equal length."""
    delta, unit = table.delta(rules.unit), rules.unit
    if delta is None:
        raise DivtoolError("the audit counts tokens, and some pairs do not say how many they have")
    yield _mean_length(delta, unit, LENGTH_LIMITS[unit], rules.hard)
    if rules.tolerance is not None:
        outside = int((np.abs(delta) > rules.tolerance).sum())
        fault = f"{outside} pairs are more than {rules.tolerance:g} {unit} apart"
        yield _judged("pairs outside the tolerance", outside, "0", outside == 0, rules.hard, fault)
    yield _longer_share(delta, rules.hard)


def _fault_checks(table: PairTable, rules: AuditRules) -> Iterator[Check]:
    """What no method may do."""
    nulls = table.gaps.unknown
    cut = "fail" if rules.cleaned else "warn"
    for check, n, worst, fault in (
        ("equal texts", table.equal, "fail", "pairs have equal texts"),
        ("truncated texts", table.truncated, cut, "pairs hold a text that was cut at the token limit"),
        ("gaps that are null", nulls, "fail", "pairs have no gap"),
    ):
        yield _judged(check, n, "0", n == 0, worst, f"{n} {fault}")


def _warnings(table: PairTable, rules: AuditRules) -> Iterator[Check]:
    tokens = table.delta("tokens")
    if tokens is not None and rules.unit != "tokens":
        yield _mean_length(tokens, "tokens", LENGTH_LIMITS["tokens"], "warn")
    told = telling_openings(table, _OFTEN, _SELDOM)
    yield _judged("telling opening", told[0] if told else "none", "20 % against 5 %", not told, "warn", "; ".join(told))
    few = f"{table.pairs} pairs are few: the audit sees only large faults"
    yield _judged("pairs", table.pairs, f"at least {_FEW_PAIRS}", table.pairs >= _FEW_PAIRS, "warn", few)
    cut = rules.truncated_share
    fault = f"{cut:.0%} of the responses were cut at the token limit; sample with more --max-new-tokens"
    yield _judged("responses cut", cut, f"at most {_MOST_TRUNCATED:g}", cut <= _MOST_TRUNCATED, "warn", fault)


def _judged(check: str, value: float | int | str | None, limit: str, passed: bool, worst: str, message: str) -> Check:
    return Check(check, value, limit, "pass" if passed else worst, "" if passed else message)


def _mean_length(delta: Floats, unit: str, limit: float, worst: str) -> Check:
    mean = float(delta.mean())
    way = "longer" if mean > 0 else "shorter"
    fault = f"chosen are {abs(mean):.1f} {unit} {way} on average (limit {limit:.1f})"
    return _judged(f"mean length difference, {unit}", mean, f"±{limit:g}", abs(mean) <= limit, worst, fault)


def _longer_share(delta: Floats, worst: str) -> Check:
    name, unequal = "share of longer chosen", int((delta != 0).sum())
    if not unequal:
        return Check(name, None, "not defined", "pass")
    longer = int((delta > 0).sum())
    share = longer / unequal
    margin = max(_LEAST_MARGIN, _MARGIN_ERRORS * 0.5 / sqrt(unequal))
    fault = f"{share:.0%} of the chosen are the longer text (limit 50 % ± {100 * margin:.0f})"
    # In counts, where 550 of 1,000 is no more than five points off.
    passed = abs(longer - unequal / 2) <= margin * unequal
    return _judged(name, share, f"0.5 ± {margin:.2f}", passed, worst, fault)
