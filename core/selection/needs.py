"""Which scores a method reads from this input: settled at the first record, demanded of every other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

from ..errors import InputError, unknown_name
from ..jsonl import Row
from ..records import check_response, check_scores
from .recipe import PairRecipe, SelectOptions, first_present, is_judgement, null_warnings


@dataclass(slots=True)
class Needs:
    """The scores that a run reads.

    Attributes:
        diversity: All must rise from rejected to chosen.
        quality: Must not fall; or what best and worst are picked by.
        gate: Only the run's worst 5 % are left out.
        scored_by: What to run first, for messages.
        tokens: Length is counted in the sampler's tokens.
        where: The record that settled this.
        nulls: How often each was null.
        records: How many records were checked.
    """

    diversity: tuple[str, ...]
    quality: str | None
    gate: str | None
    scored_by: str
    tokens: bool = False
    where: str = ""
    nulls: Counter[str] = field(default_factory=Counter)
    records: int = 0

    @classmethod
    def settled(cls, recipe: PairRecipe, options: SelectOptions, row: Row) -> Needs:
        """What the first record makes of the recipe's choices.

        Raises:
            InputError: A score that the method cannot do without is missing.
        """
        present = list(row.data["scores"])
        diversity = _diversity(recipe, options, row, present)
        quality, gate = _quality(recipe, options, row, present)
        return cls(diversity, quality, gate, recipe.scored_by, options.length_unit == "tokens", row.where)

    @classmethod
    def kept(cls, state: dict[str, Any]) -> Needs:
        """What `state` told of those of another part."""
        return cls(**state | {"diversity": tuple(state["diversity"]), "nulls": Counter(dict(state["nulls"]))})

    def state(self) -> dict[str, Any]:
        """All of it, as plain data."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {"nulls": list(self.nulls.items())}

    def absorb(self, other: Needs) -> None:
        """Add what another part counted.

        Raises:
            InputError: Its first record settled other scores than the first one here did.
        """
        if other.settles != self.settles:
            raise InputError(
                other.where,
                f"the scores to read are {_names(other.all)} here, and {_names(self.all)} from {self.where} on",
                "score all of the input with the same --metrics, or name scores with --diversity and --quality-metric",
            )
        self.records += other.records
        self.nulls.update(other.nulls)

    @property
    def all(self) -> tuple[str, ...]:
        """Every score that is read."""
        return (*self.diversity, *(name for name in (self.quality, self.gate) if name))

    @property
    def settles(self) -> tuple[tuple[str, ...], str | None, str | None]:
        """What the first record has settled."""
        return self.diversity, self.quality, self.gate

    @property
    def judged(self) -> bool:
        """Whether the quality score is a judgement, so that the run's quantile means something."""
        return self.quality is not None and is_judgement(self.quality)

    def check(self, row: Row) -> None:
        """Demand the scores of a record, and count its nulls.

        Raises:
            InputError: One is missing.
        """
        scores = row.data["scores"]
        self.records += 1
        for name in self.all:
            if name not in scores:
                raise _missing(row, name, list(scores), self.scored_by)
            if scores[name] is None:
                self.nulls[name] += 1
        if self.tokens and row.data.get("n_tokens") is None:
            raise row.fault("no 'n_tokens', which --length-unit tokens counts", "use words or chars")

    def warnings(self) -> list[str]:
        """A line for every score that is null for more than half of the records."""
        return null_warnings(self.nulls, self.records)


def scored_check(recipe: PairRecipe) -> Callable[[Row], None]:
    """The check of a scored record; where scores are missing, it names those that the method needs."""
    return partial(_check_scored, remedy=_how_to_score(recipe.scored_by))


def _check_scored(row: Row, remedy: str) -> None:
    check_response(row)
    check_scores(row, remedy=remedy)


def _diversity(recipe: PairRecipe, options: SelectOptions, row: Row, present: list[str]) -> tuple[str, ...]:
    if not recipe.diversity:
        return ()
    wanted = [(name,) for name in options.diversity] if options.diversity else recipe.diversity
    found = []
    for choices in wanted:
        name = first_present(choices, present)
        if name is None:
            raise _missing(row, choices[-1], present, recipe.scored_by)
        found.append(name)
    return tuple(found)


def _quality(recipe: PairRecipe, options: SelectOptions, row: Row, present: list[str]) -> tuple[str | None, str | None]:
    if not recipe.quality:
        return None, None
    if options.quality_metric is not None:
        if options.quality_metric not in present:
            raise _missing(row, options.quality_metric, present, recipe.scored_by)
        return options.quality_metric, None
    quality = first_present(recipe.quality, present)
    if quality is not None:
        return quality, None
    if recipe.gate is None:
        raise _missing(row, " or ".join(recipe.quality), present, recipe.scored_by)
    return None, recipe.gate if recipe.gate in present else None


def _missing(row: Row, name: str, present: list[str], scored_by: str) -> InputError:
    listed = str(unknown_name("score", name, present)).partition(": ")[2] if present else "it has none"
    return row.fault(f"no score '{name}' in the record ({listed})", _how_to_score(scored_by))


def _how_to_score(scored_by: str) -> str:
    return f"run divtool score --metrics {scored_by} first"


def _names(scores: Sequence[str]) -> str:
    return ", ".join(scores) or "none"
