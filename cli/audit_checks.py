"""What `random-audit` is asked, checked before anything heavy loads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import UsageError, unknown_name
from . import console

if TYPE_CHECKING:
    from ..core.audit.choice import Choice
    from ..core.audit.plan import Plan


def plan(*, mode: str, samples: int | None, variants: str, tau: float | None, **settings: Any) -> Plan:
    """How prompts are to be read.

    Raises:
        UsageError: An unknown name, or a number that cannot be.
    """
    from ..core.audit.plan import Plan

    if variants not in ("on", "off"):
        raise unknown_name("value of --variants", variants, ("on", "off"))
    counts: dict[str, Any] = {} if samples is None else {"n": samples, "sequences": samples}
    if tau is not None:
        counts["tau"] = tau
    return Plan(mode=_mode(mode), variants=variants == "on", **counts, **settings)


def _mode(name: str) -> Literal["auto", "exact", "bounds", "sampled"]:
    from ..core.audit.plan import MODES

    for known in MODES:
        if name == known:
            return known
    raise unknown_name("mode", name, MODES)


def threshold(fail_under: float | None) -> None:
    """Raise `UsageError` for a score that does not exist."""
    if fail_under is not None and not 0 <= fail_under <= 100:
        raise UsageError(f"--fail-under {fail_under:g}: a score is a number from 0 to 100")


def texts_only(plan: Plan, responses: str | None, endpoint: str | None) -> str | None:
    """Which option says that there are texts only, and no logits; None without one.

    Raises:
        UsageError: Both, or a mode that needs logits.
    """
    if responses is not None and endpoint is not None:
        raise UsageError("--responses and --endpoint exclude each other")
    named = "--responses" if responses is not None else "--endpoint" if endpoint is not None else None
    if named and plan.mode in ("exact", "bounds"):
        raise UsageError(f"--mode {plan.mode} needs the model's logits, which {named} does not give; use sampled")
    return named


def no_model(named: str, adapter: str | None, compare: str | None, compare_adapter: str | None, prefill: str) -> None:
    """Raise `UsageError` for an option that needs a model in this process."""
    from ..core.audit.session import is_records_file

    if prefill:
        remedy = "a server begins its own answers" if named == "--endpoint" else "responses are counted as they are"
        raise UsageError(f"--prefill needs a model in this process: {remedy}")
    if adapter is not None:
        raise UsageError(f"--adapter goes on a model in this process, and {named} has none")
    if compare_adapter is not None or (compare is not None and not is_records_file(compare)):
        raise UsageError(f"with {named}, --compare takes a file of audit records (.jsonl)")


def of_a_model(named: str, given: Mapping[str, Any]) -> None:
    """Raise `UsageError` for an option that only a model in this process reads."""
    for name, value in given.items():
        if value not in (None, False):
            raise UsageError(f"{name} is for a model in this process, and {named} has none: leave it out")


def as_they_are(given: Mapping[str, Any]) -> None:
    """Raise `UsageError` for an option that would ask for other responses than those handed over."""
    for name, value in given.items():
        if value:
            raise UsageError(f"--responses are counted as they are: leave out {name}, or draw them so with sample")


def at_once(resume: bool, dry_run: bool) -> None:
    """Raise `UsageError` for an option of long runs."""
    if resume or dry_run:
        raise UsageError("--responses are counted at once: leave out --resume and --dry-run")


def choice(
    preset: str | None,
    task: str | None,
    spec: str | None,
    on_error: str,
    *,
    format: str,
    prefill: str,
    arms: str | None,
) -> Choice:
    """What is asked.

    Raises:
        UsageError: An unknown name.
        InputError: A specification that cannot be audited.
    """
    from ..core.audit.choice import Choice
    from ..core.audit.spec import read_spec
    from ..core.audit.wordings import check_format
    from ..core.catalog import split_names

    return Choice(
        presets=split_names(preset or ""),
        tasks=split_names(task or ""),
        spec=[] if spec is None else read_spec(spec, skip_bad=on_error == "skip", warn=console.warn),
        format=check_format(format),
        prefill=prefill,
        arms=split_names(arms or ""),
    )


def files(output: str, summary: Path | None, *inputs: str | None) -> None:
    """Look whether every file can be written and none is read and written, before anything takes long.

    Raises:
        UsageError: One file has two uses.
    """
    from ..core.output import check_distinct, check_writable

    named = [name for name in inputs if name is not None]
    if named.count("-") > 1:
        raise UsageError("standard input can be read only once; name files for all but one of those that are -")
    check_distinct(output, *named)
    if summary is not None:
        check_distinct(summary, output, *named)
        check_writable(summary)
