"""The audit itself: prompts in, records out, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..jsonl import Record, Row
from .compared import prompt_name
from .comparison import comparison
from .earlier import Key, key_of, same_run
from .handed import HandedOver, group_model, group_reading
from .position import position_summary
from .record import asked_text
from .record import record as audit_record
from .robustness import robustness_summary
from .score import aggregates
from .weighted import weighted_summary

if TYPE_CHECKING:
    from .compared import Baseline
    from .plan import Plan
    from .reader import Reader
    from .task import AuditPrompt


def audit(
    prompts: Sequence[AuditPrompt],
    reader: Reader,
    plan: Plan,
    baseline: Baseline | None = None,
    planned: Sequence[AuditPrompt] = (),
) -> Iterator[Record]:
    """The records of some prompts.

    Args:
        prompts: What is asked.
        reader: The model.
        plan: How.
        baseline: What each record is compared with; in mode `auto`, prompts are read as it was.
        planned: All prompts of the run, where an interrupted one has left some of them: what is checked beforehand
            must not depend on what is left.

    Raises:
        DivtoolError: A prompt cannot be read, or not be compared.
    """
    reader.prepare(planned or prompts)
    for prompt in prompts:
        mode = baseline.mode(prompt.key) if baseline is not None and plan.mode == "auto" else None
        reading = reader.read(prompt, mode)
        record = audit_record(prompt, reading, reader.name, seed=plan.seed, params=plan.params())
        if baseline is not None:
            baseline.compare(record)
        yield record


def audit_responses(
    handed: HandedOver, groups: Iterable[list[Row]], plan: Plan, baseline: Baseline | None = None
) -> Iterator[Record]:
    """The records of responses, one for each group of a prompt.

    Args:
        handed: Which tasks are known.
        groups: Checked response records by prompt.
        plan: The seed.
        baseline: What each record is compared with.

    Raises:
        InputError: Groups that do not belong together.
    """
    for prompt, group in handed.prompts(groups):
        reading = group_reading(prompt, group, plan.seed)
        params = group[0].data.get("params")
        record = audit_record(
            prompt, reading, group_model(group), seed=plan.seed, params=params if isinstance(params, dict) else None
        )
        if baseline is not None:
            baseline.compare(record)
        yield record


def pending(
    prompts: Sequence[AuditPrompt],
    earlier: Iterable[Record],
    made: Mapping[str, Any],
    compared: Callable[[Key], str | None] = lambda _: None,
) -> tuple[list[AuditPrompt], list[Record]]:
    """What an interrupted run has left to do, and the records that it has made.

    Args:
        prompts: All prompts of the run.
        earlier: The records of its output.
        made: What records of this run hold: model, seed, params.
        compared: The model that the record of a prompt is compared with; None for no comparison.
    """
    asked = {prompt.key: prompt for prompt in prompts}
    done: dict[Key, Record] = {}
    for record in earlier:
        key = key_of(record)
        if key in asked and _answers(record, asked[key]) and same_run(record, made, compared(key)):
            done[key] = record
    return [prompt for prompt in prompts if prompt.key not in done], list(done.values())


def _answers(record: Record, prompt: AuditPrompt) -> bool:
    """Whether a record is of this very prompt: a specification may have changed, or the beginning of the answer."""
    options = [(option.get("text"), option.get("target")) for option in record["options"]]
    return (
        record.get("prompt") == asked_text(prompt)
        and record.get("prefill", "") == prompt.prefill
        and options == [(option.text, option.target) for option in prompt.task.options]
    )


def summary(records: Sequence[Record], planned: Iterable[AuditPrompt], baseline: Baseline | None, seed: int) -> Record:
    """What the records add up to, as one object.

    Returns:
        `model`, the keys of `aggregates`; with a baseline `compare`, the keys of `comparison` and `missing`; where
        options were listed in several orders, `position`; where chances were stated, `weighted`; where tasks were
        asked in several ways, `robustness`.
    """
    families = {prompt.task.id: prompt.task.family for prompt in planned if prompt.scored}
    model = records[0]["model"] if records else None
    found: Record = {"model": model, **aggregates(records, planned=families, seed=seed)}
    # A run that an earlier one had finished opens no baseline; its records hold what they were compared with.
    if baseline is not None or any("compare" in record for record in records):
        missing = [prompt_name(record) for record in records if "compare" not in record]
        found["compare"] = {**comparison(records, seed=seed), "missing": missing}
    parts = {"position": position_summary, "weighted": weighted_summary, "robustness": robustness_summary}
    for name, part in parts.items():
        if value := part(records):
            found[name] = value
    return found
