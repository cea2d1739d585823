"""The `select` stage for pairs: choose, audit, and only then write."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal

from ..catalog import METHODS, get
from ..errors import UsageError
from ..metrics.text import tokenizer
from ..records import check_group
from ..writer import RecordWriter
from .audit import Audit, AuditRules, audit_pair_records
from .engine import Engine, Selection
from .funnel import Funnel
from .intake import Intake
from .job import Selected, SelectJob
from .needs import scored_check
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


def run(job: SelectJob) -> Selected:
    """Run a length-controlled method, or one of its baselines.

    Raises:
        DivtoolError: The input lacks what the method needs.
    """
    recipe = pair_recipe(job.method, job.options)
    intake = job.first(partial(Intake, recipe, job.options), scored_check(recipe), check_group)
    outcome = select_pairs(job.method, intake, job.options, job.writer, job.audit)
    return Selected(
        stages=outcome.selection.funnel.stages,
        report=outcome.report(job.method, job.options),
        audit=outcome.audit,
        warnings=outcome.selection.warnings,
        failure=outcome.failure,
    )


def pair_recipe(name: str, options: SelectOptions) -> PairRecipe:
    """The recipe of a method that selects pairs.

    Raises:
        UsageError: No such method, or an option that its rules have no use for.
    """
    recipe = _recipe(name)
    if not recipe.compares and options.per_prompt > 1:
        raise UsageError(f"--per-prompt {options.per_prompt}: {name} makes one pair a prompt")
    if recipe.compares and not recipe.diversity:
        return replace(_recipe(options.base), length_rules=recipe.length_rules, strict=recipe.strict)
    return recipe


def _recipe(name: str) -> PairRecipe:
    recipe: PairRecipe | None = get("method", METHODS, name, "select").load().selection.rules
    assert recipe is not None, "only methods with rules run here"
    return recipe


def select_pairs(
    method: str,
    intake: Intake,
    options: SelectOptions,
    writer: RecordWriter,
    on_audit: Literal["fail", "warn"] = "fail",
) -> Outcome:
    """Choose pairs, audit them, and write them unless the audit fails.

    Args:
        method: Name of the method.
        intake: What the first pass found under the method's recipe; closed here.
        options: What the user set.
        writer: Where the pairs go.
        on_audit: "warn" writes them whatever the audit says.
    """
    recipe = pair_recipe(method, options)
    with closing(intake):
        selection = Engine(method, recipe, options, intake).run()
        rules = AuditRules(
            tolerance=options.length_tolerance if recipe.length_rules else None,
            unit=options.length_unit,
            strict=recipe.strict,
            truncated_share=selection.truncated_share,
            quality=selection.needs.quality or selection.needs.gate,
        )
        audit = audit_pair_records(selection.pairs(), rules, tokenizer(options.tokenizer))
        failure = audit_failure(selection.funnel, audit, on_audit)
        if failure is None:
            for pair in selection.pairs():
                writer.write(pair)
    return Outcome(selection, audit, failure)


def audit_failure(funnel: Funnel, audit: Audit, on_audit: Literal["fail", "warn"]) -> str | None:
    """The one line that ends a run after its audit, or None.

    Args:
        funnel: Where pairs went.
        audit: The audit of those left.
        on_audit: "warn" lets a failed audit pass.
    """
    if not audit.pairs:
        # Nothing to be lenient about.
        stage = funnel.worst()
        remedy = f"; try {stage.remedy}" if stage.remedy else ""
        return f"no pair left: '{stage.name}' kept {stage.kept} of {stage.entered} {stage.unit}{remedy}"
    if audit.verdict != "fail" or on_audit == "warn":
        return None
    return f"length audit failed: {audit.message}; see the table above, or write them all the same with --audit warn"
