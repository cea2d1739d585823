"""What the pair methods share and what sets them apart: options that a user gives, and a method's recipe."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from ..catalog import METHODS, get
from ..errors import UsageError, unknown_name
from ..metrics.catalog import METRICS
from ..metrics.text import tokenizer

Pairing = Literal["cross", "own"]
Orientation = Literal["second", "either", "any"]
Unit = Literal["words", "tokens", "chars"]
Proposal = Literal["turns", "best-worst", "random"]

# Where a metric has no direction of diversity, but quality does.
_QUALITY_SIGNS = {"perplexity": -1, "bits_per_char": -1}
# Measures of diversity that divtool reads and does not compute.
_FOREIGN_SIGNS = {"dsi": 1}
_DECILE = "dd_"


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectOptions:
    """What a user can set for `select`.

    Attributes:
        pairs: Most pairs to keep.
        length_tolerance: Largest difference in length, in `length_unit`.
        length_unit: What length is counted in.
        length_relative: Largest difference as a share of the longer text, or None.
        pairing: All first with all second turns of a prompt, or each chat's own.
        orientation: The second turn is chosen; or the more diverse of the two turns; or turns play no part.
        diversity: Metrics that must all rise, or None for the method's.
        quality_metric: Score that must not fall, or None for the method's.
        quality_eps: By how much it may fall.
        quality_floor: Quantile of the run that a chosen text must reach.
        min_words: Shorter responses are left out.
        per_prompt: Most pairs a prompt; each response is used once.
        balance: Let a length multiplier bring the mean difference in length to zero.
        shuffle_labels: Swap sides with probability 1/2: the control that must train to nothing.
        tokenizer: Text to words.
        seed: For what is drawn.
        base: The method whose rules `no-length` takes.

    Raises:
        UsageError: A value that makes no sense; raised before anything is read.
    """

    pairs: int = 3000
    length_tolerance: float = 5.0
    length_unit: Unit = "words"
    length_relative: float | None = None
    pairing: Pairing = "cross"
    orientation: Orientation = "second"
    diversity: tuple[str, ...] | None = None
    quality_metric: str | None = None
    quality_eps: float = 0.0
    quality_floor: float = 0.25
    min_words: int = 50
    per_prompt: int = 1
    balance: bool = True
    shuffle_labels: bool = False
    tokenizer: str = "word"
    seed: int = 0
    base: str = "diverse-ns-lite"

    def __post_init__(self) -> None:
        limits = (
            (self.pairs >= 1, "--pairs must be at least 1"),
            (self.length_tolerance >= 0, "--length-tolerance must be 0 or more"),
            (self.length_relative is None or self.length_relative >= 0, "--length-relative must be 0 or more"),
            (self.quality_eps >= 0, "--quality-eps must be 0 or more"),
            (0 <= self.quality_floor < 1, "--quality-floor must be in [0, 1)"),
            (self.min_words >= 0, "--min-words must be 0 or more"),
            (self.per_prompt >= 1, "--per-prompt must be at least 1"),
            (
                self.pairing in ("cross", "own"),
                f"--pairing {self.pairing} belongs to deviation; this method takes cross or own",
            ),
        )
        for fine, fault in limits:
            if not fine:
                raise UsageError(fault)
        for name in self.diversity or ():
            diversity_sign(name)
        tokenizer(self.tokenizer)
        rules: PairRecipe | None = get("method", METHODS, self.base, "select").load().selection.rules
        if rules is None or not rules.diversity:
            raise UsageError(f"--base {self.base}: no pair rules of its own; use diverse-ns or diverse-ns-lite")


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRecipe:
    """How a method makes pairs out of clean responses.

    Attributes:
        proposal: Which pairs of a prompt are candidates.
        diversity: Metrics that must all rise; of a tuple inside, the first one that is scored.
        quality: Scores of which the first present must not fall.
        gate: A score where only the run's worst 5 % are left out, used where none of `quality` is present.
        length_rules: Apply the tolerance, the balance and the trim.
        strict: A failed length audit ends the run; baselines only warn.
        scored_by: What to run first, for messages.
    """

    proposal: Proposal = "turns"
    diversity: tuple[tuple[str, ...], ...] = ()
    quality: tuple[str, ...] = ()
    gate: str | None = None
    length_rules: bool = True
    strict: bool = True
    scored_by: str = "lexical"

    @property
    def compares(self) -> bool:
        """Whether rules 2 to 5 and 8 hold; the baselines of quality and chance make one pair and keep it."""
        return self.proposal == "turns"


@cache
def diversity_sign(name: str) -> int:
    """+1 or -1: what to multiply with so that higher is more diverse.

    Raises:
        UsageError: No such metric, or one without a direction.
    """
    if name in _FOREIGN_SIGNS:
        return _FOREIGN_SIGNS[name]
    known = {metric.name: metric.sign for metric in METRICS.values() if metric.sign and metric.level != "set"}
    plain = name.removeprefix(_DECILE)
    if plain not in known and name != f"{_DECILE}mean":
        raise unknown_name("diversity metric", name, known)
    # A decile counts up whatever its metric does.
    return 1 if name.startswith(_DECILE) else known[plain]


@cache
def quality_sign(name: str) -> int:
    """+1 or -1: what to multiply with so that higher is better; scores that divtool does not know count up."""
    if name in _QUALITY_SIGNS:
        return _QUALITY_SIGNS[name]
    return (METRICS[name].sign or 1) if name in METRICS else 1


def is_judgement(name: str) -> bool:
    """Whether a score judges quality: no measure of diversity that only stands in for it, as Maas does."""
    return name not in METRICS or not METRICS[name].sign


def null_rule(name: str) -> str:
    """When a score is null, in words; empty where divtool does not compute it."""
    if name.startswith(_DECILE):
        return "a length outside the map"
    return METRICS[name].null if name in METRICS else ""


def first_present(names: Sequence[str], present: Container[str]) -> str | None:
    """The first of the names that is present, or None."""
    return next((name for name in names if name in present), None)


def null_warnings(nulls: Mapping[str, int], records: int) -> list[str]:
    """A line for every score that is null for more than half of the responses.

    Args:
        nulls: By score, for how many it is null.
        records: How many there are.
    """
    often = [(name, n / records) for name, n in nulls.items() if n > 0.5 * records]
    rules = {name: f" (null: {null_rule(name)})" if null_rule(name) else "" for name, _ in often}
    return [f"{name} is null for {share:.0%} of the responses{rules[name]}" for name, share in often]
