"""The pair/length audit: does the length, or a turn of phrase, tell the chosen text from the rejected one?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jsonl import Record
from ..metrics.text import Tokenizer, sentences, tokenizer

Floats = NDArray[np.float64]

# The largest |mean dlen| that passes, by unit.
LENGTH_LIMITS = {"words": 1.0, "tokens": 2.0, "chars": 5.0}
_TOKENS_OFF = 2.0
_LEAST_MARGIN = 0.05
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
        figures: Distributions, correlations and cues, as plain data.
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
    """

    tolerance: float | None = 5.0
    unit: str = "words"
    strict: bool = True
    truncated_share: float = 0.0


def audit_pair_records(
    pairs: Iterable[Record], rules: AuditRules | None = None, tokenize: Tokenizer | None = None
) -> Audit:
    """Audit preference pairs; a few numbers a pair are kept, no texts.

    Args:
        pairs: Checked pair records.
        rules: Limits.
        tokenize: Text to words; the default tokenizer if None.
    """
    rules = rules or AuditRules()
    table = _Table(tokenize or tokenizer("word"))
    for pair in pairs:
        table.add(pair)
    if not table.pairs:
        return Audit(0, (Check("pairs", 0, "at least 1", "fail", "no pair left"),), {})
    return Audit(table.pairs, tuple(_checks(table, rules)), _figures(table))


class _Table:
    """Columns over pairs: sizes of both sides, gaps, openings."""

    SIZES = ("words", "tokens", "chars", "sentences", "types")

    def __init__(self, tokenize: Tokenizer) -> None:
        self._tokenize = tokenize
        self._sides: dict[str, dict[str, list[float]]] = {
            side: {name: [] for name in self.SIZES} for side in ("chosen", "rejected")
        }
        self._delta_tokens: list[float | None] = []
        self.openings: dict[str, list[str]] = {"chosen": [], "rejected": []}
        self.ids: list[str] = []
        self.gaps: list[float | None] = []
        self.equal = 0
        self.pairs = 0

    def add(self, pair: Record) -> None:
        """Measure a pair."""
        texts = {side: "\n".join(m["content"] for m in pair[side]) for side in self._sides}
        for side, text in texts.items():
            words = self._tokenize(text)
            sizes = (len(words), 0, len(text), len(sentences(text)), len(set(words)))
            for name, size in zip(self.SIZES, sizes, strict=True):
                self._sides[side][name].append(size)
            self.openings[side].append(" ".join(words[:3]))
        self._delta_tokens.append(pair.get("delta_tokens"))
        self.gaps.append(pair.get("gap", 0.0))
        self.ids.append(str(pair.get("prompt_id", self.pairs)))
        self.equal += texts["chosen"] == texts["rejected"]
        self.pairs += 1

    def side(self, side: str, name: str) -> Floats:
        """One size of one side, [pairs]."""
        return np.array(self._sides[side][name], dtype=np.float64)

    def delta(self, name: str) -> Floats | None:
        """Chosen minus rejected, [pairs]; tokens are known only where the sampler counted them."""
        if name != "tokens":
            return self.side("chosen", name) - self.side("rejected", name)
        known = [value for value in self._delta_tokens if value is not None]
        return np.array(known, dtype=np.float64) if len(known) == self.pairs else None


def _checks(table: _Table, rules: AuditRules) -> Iterable[Check]:
    hard = "fail" if rules.strict else "warn"
    delta = table.delta(rules.unit)
    if delta is None:
        raise ValueError("audit in tokens without token counts")
    yield _mean_length(delta, rules.unit, hard)
    if rules.tolerance is not None:
        outside = int((np.abs(delta) > rules.tolerance).sum())
        fault = f"{outside} pairs are more than {rules.tolerance:g} {rules.unit} apart"
        yield _judged("pairs outside the tolerance", outside, "0", outside == 0, hard, fault)
    yield _judged("equal texts", table.equal, "0", not table.equal, "fail", f"{table.equal} pairs have equal texts")
    nulls = sum(gap is None for gap in table.gaps)
    yield _judged("gaps that are null", nulls, "0", not nulls, "fail", f"{nulls} pairs have no gap")
    yield _longer_share(delta, rules.unit, hard)
    tokens = table.delta("tokens")
    if tokens is not None and rules.unit != "tokens":
        mean = float(tokens.mean())
        fault = f"chosen are {abs(mean):.1f} tokens {_way(mean)} on average"
        yield _judged(
            "mean length difference, tokens", mean, f"±{_TOKENS_OFF:g}", abs(mean) <= _TOKENS_OFF, "warn", fault
        )
    yield _telling_opening(table)
    few = f"{table.pairs} pairs are few: the audit sees only large faults"
    yield _judged("pairs", table.pairs, f"at least {_FEW_PAIRS}", table.pairs >= _FEW_PAIRS, "warn", few)
    cut = rules.truncated_share
    fault = f"{cut:.0%} of the responses were cut at the token limit; sample with more --max-new-tokens"
    yield _judged("responses cut", cut, f"{_MOST_TRUNCATED:.0%}", cut <= _MOST_TRUNCATED, "warn", fault)


def _judged(check: str, value: float | int | str | None, limit: str, passed: bool, worst: str, message: str) -> Check:
    return Check(check, value, limit, "pass" if passed else worst, "" if passed else message)


def _way(delta: float) -> str:
    return "longer" if delta > 0 else "shorter"


def _mean_length(delta: Floats, unit: str, hard: str) -> Check:
    mean, limit = float(delta.mean()), LENGTH_LIMITS[unit]
    fault = f"chosen are {abs(mean):.1f} {unit} {_way(mean)} on average (limit {limit:.1f})"
    return _judged(f"mean length difference, {unit}", mean, f"±{limit:g}", abs(mean) <= limit, hard, fault)


def _longer_share(delta: Floats, unit: str, hard: str) -> Check:
    unequal = int((delta != 0).sum())
    if not unequal:
        return Check("share of longer chosen", None, "not defined", "pass")
    share = float((delta > 0).sum()) / unequal
    margin = max(_LEAST_MARGIN, 2.58 * 0.5 / sqrt(unequal))
    fault = f"{share:.0%} of the chosen are the longer text (limit 50 % ± {100 * margin:.0f})"
    return _judged("share of longer chosen", share, f"0.5 ± {margin:.2f}", abs(share - 0.5) <= margin, hard, fault)


def _telling_opening(table: _Table) -> Check:
    counts = {side: Counter(table.openings[side]) for side in table.openings}
    worst = ""
    for side, other in (("chosen", "rejected"), ("rejected", "chosen")):
        for opening, n in counts[side].most_common():
            if n <= 0.2 * table.pairs:
                break
            if counts[other][opening] < 0.05 * table.pairs:
                worst = (
                    worst or f"{n / table.pairs:.0%} of the {side} begin with '{opening}', hardly any of the {other}"
                )
    return _judged("telling opening", worst or "none", "20 % against 5 %", not worst, "warn", worst)


def _figures(table: _Table) -> dict[str, Any]:
    delta = {name: table.delta(name) for name in ("words", "tokens", "chars")}
    gaps = np.array([gap or 0.0 for gap in table.gaps])
    words = delta["words"]
    assert words is not None
    top = np.argsort(-gaps, kind="stable")[:10]
    return {
        "lengths": {name: _lengths(table, name, values) for name, values in delta.items() if values is not None},
        "delta_histogram": _histogram(words),
        "longer_chosen_share": float((words > 0).sum() / max(1, (words != 0).sum())) if words.any() else None,
        "correlation": _correlation(gaps, words),
        "cue_accuracy": _cues(table),
        "largest_gaps": [{"prompt_id": table.ids[i], "gap": float(gaps[i])} for i in top],
    }


def _lengths(table: _Table, name: str, delta: Floats) -> dict[str, Any]:
    spread = float(delta.std(ddof=1)) if len(delta) > 1 else 0.0
    t_value = float(delta.mean()) / (spread / sqrt(len(delta))) if spread else None
    sides = {} if name == "tokens" else {side: _summary(table.side(side, name)) for side in ("chosen", "rejected")}
    return {**sides, "delta": {**_summary(delta), "t": t_value}}


def _summary(values: Floats) -> dict[str, float]:
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return {"mean": float(values.mean()), "median": float(middle), "sd": spread, "p5": float(low), "p95": float(high)}


def _histogram(delta: Floats) -> dict[str, list[float]]:
    reach = max(float(np.abs(delta).max()), 0.5)
    counts, edges = np.histogram(delta, bins=11, range=(-reach, reach))
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _correlation(gaps: Floats, delta: Floats) -> dict[str, float | None]:
    from scipy.stats import rankdata

    return {"pearson": _pearson(gaps, delta), "spearman": _pearson(rankdata(gaps), rankdata(delta))}


def _pearson(x: Floats, y: Floats) -> float | None:
    if len(x) < 3 or not x.std() or not y.std():
        return None
    return float(np.corrcoef(x, y)[0, 1])


def _cues(table: _Table) -> dict[str, float]:
    """How often a guess by one cue alone finds the chosen text; ties count one half."""
    named = {"longer": "words", "more tokens": "tokens", "more sentences": "sentences", "more types": "types"}
    found = {cue: delta for cue, name in named.items() if (delta := table.delta(name)) is not None}
    accuracy = {cue: float(((delta > 0) + 0.5 * (delta == 0)).mean()) for cue, delta in found.items()}
    return {**accuracy, "first three words": _opening_accuracy(table.openings["chosen"], table.openings["rejected"])}


def _opening_accuracy(chosen: Sequence[str], rejected: Sequence[str]) -> float:
    """Accuracy of the guess by the one opening that tells most."""
    lead = Counter(chosen)
    lead.subtract(Counter(rejected))
    return 0.5 + max((abs(n) for n in lead.values()), default=0) / (2 * len(chosen))
