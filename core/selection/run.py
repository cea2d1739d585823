"""The `select` stage for pairs: choose, audit, and only then write."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from ..catalog import METHODS, get
from ..errors import DivtoolError, UsageError
from ..jsonl import RecordWriter, Row
from ..metrics.text import tokenizer
from .audit import Audit, AuditRules, audit_pair_records
from .engine import Engine, Selection
from .recipe import PairRecipe, SelectOptions


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of `select` found.

    Attributes:
        selection: Funnel, warnings, multiplier.
        audit: The pair audit.
        failure: The one line that ends the run, or None.
    """

    selection: Selection
    audit: Audit
    failure: str | None

    def report(self, method: str, options: SelectOptions) -> dict[str, Any]:
        """The content of `--report FILE`, without what the command line adds."""
        needs = self.selection.needs
        return {
            "method": method,
            "options": asdict(options),
            "seed": options.seed,
            "scores": {"diversity": list(needs.diversity), "quality": needs.quality or needs.gate},
            "length_multiplier": self.selection.multiplier,
            "funnel": [stage.as_dict() for stage in self.selection.funnel.stages],
            "audit": self.audit.as_dict(),
        }


def pair_recipe(name: str, options: SelectOptions) -> PairRecipe:
    """The recipe of a method that selects pairs.

    Raises:
        UsageError: No such method, or a base without pair rules.
    """
    recipe = _recipe(name)
    assert recipe is not None, "the catalog lists the method for select"
    if recipe.compares and not recipe.diversity:
        base = _recipe(options.base)
        if base is None or not base.diversity:
            raise UsageError(f"--base {options.base}: no pair rules of its own; use diverse-ns or diverse-ns-lite")
        return replace(base, length_rules=recipe.length_rules, strict=recipe.strict)
    return recipe


def _recipe(name: str) -> PairRecipe | None:
    recipe: PairRecipe | None = get("method", METHODS, name, "select").load().pairs
    return recipe


def select_pairs(
    method: str,
    groups: Iterable[list[Row]],
    options: SelectOptions,
    writer: RecordWriter,
    on_audit: Literal["fail", "warn"] = "fail",
) -> Outcome:
    """Choose pairs, audit them, and write them unless the audit fails.

    Args:
        method: Name of the method.
        groups: Scored responses by prompt, as `needs.scored_check` and `records.check_group` leave them.
        options: What the user set.
        writer: Where the pairs go.
        on_audit: "warn" writes them whatever the audit says.
    """
    recipe = pair_recipe(method, options)
    with Engine(method, recipe, options) as engine:
        selection = engine.run(groups)
        rules = AuditRules(
            tolerance=options.length_tolerance if recipe.length_rules else None,
            unit=options.length_unit,
            strict=recipe.strict,
            truncated_share=selection.truncated_share,
            quality=selection.needs.quality or selection.needs.gate,
        )
        audit = audit_pair_records(selection.pairs(), rules, tokenizer(options.tokenizer))
        failure = _failure(selection, audit) if audit.verdict == "fail" else None
        # Without a pair there is nothing to be lenient about.
        if on_audit == "warn" and audit.pairs:
            failure = None
        if failure is None:
            for pair in selection.pairs():
                writer.write(pair)
    return Outcome(selection, audit, failure)


def _failure(selection: Selection, audit: Audit) -> str:
    if audit.pairs:
        return (
            f"length audit failed: {audit.message}; see the table above, or write them all the same with --audit warn"
        )
    stage = selection.funnel.worst()
    remedy = f"; try {stage.remedy}" if stage.remedy else ""
    return f"no pair left: '{stage.name}' kept {stage.kept} of {stage.entered} {stage.unit}{remedy}"


def raise_failure(outcome: Outcome) -> None:
    """End the run where the audit failed."""
    if outcome.failure is not None:
        raise DivtoolError(outcome.failure)
