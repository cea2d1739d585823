"""Target records as audit prompts: one file both trains and audits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from ..errors import InputError
from ..targets.target import Target
from .options import check_options, is_ordinal
from .task import AuditOption, AuditPrompt, AuditTask, Format

_BRACED = re.compile(r"\{([^{}]+)\}")


def target_prompts(
    targets: Iterable[Target], *, family: str = "", skipped: Callable[[InputError], None] | None = None
) -> list[AuditPrompt]:
    """The records as prompts, as they are: no format clause, no wordings.

    Records with one `task` are wordings of it, and so are several beginnings of the answer in one record; without that
    key the `prompt_id` is the task. Answers that all stand in braces are options without them, in the format "braces".

    Args:
        targets: Target records.
        family: The family of all tasks; by default the record's, or "custom".
        skipped: Hears why a record is left out; None: a bad record ends the reading.

    Raises:
        InputError: Options that cannot be audited, or two records of one task with different targets.
    """
    tasks: dict[str, tuple[AuditTask, str]] = {}
    counts: dict[str, int] = {}
    prompts = []
    for target in targets:
        try:
            task, answer_format = _task(target, family)
            first = _first(tasks, task, target.where)
        except InputError as error:
            if skipped is None:
                raise
            skipped(error)
            continue
        for prefill in target.prefills or (target.prefill,):
            counts[task.id] = counts.get(task.id, 0) + 1
            prompts.append(
                AuditPrompt(
                    task=first,
                    wording=given_wording(counts[task.id]),
                    format=answer_format,
                    chat=target.chat,
                    prefill=prefill,
                    terminal=target.terminal,
                )
            )
    return prompts


def _first(tasks: dict[str, tuple[AuditTask, str]], task: AuditTask, where: str) -> AuditTask:
    """The task as its first record has it."""
    first, earlier = tasks.setdefault(task.id, (task, where))
    if first.options != task.options:
        raise InputError(where, f"task '{task.id}' has other targets than at {earlier}", "give it another task name")
    return first


def given_wording(number: int) -> str:
    """What the user's own prompts of a task are called, counted from 1."""
    return "given" if number == 1 else f"given-{number}"


def _task(target: Target, family: str) -> tuple[AuditTask, Format]:
    name = target.task or target.prompt_id
    if target.law is not None and not target.answers:
        remedy = "give fewer decimals, or a narrower law"
        raise InputError(target.where or name, "the law has too many values to list them as options", remedy)
    options = [AuditOption(answer.text, answer.weight, answer.aliases) for answer in target.answers]
    answer_format: Format = "none"
    if all(_BRACED.fullmatch(option.text) for option in options):
        options, answer_format = [_unbraced(option) for option in options], "braces"
    where = target.where or name
    check_options(options, where, lambda number: f"target {number + 1}")
    task = AuditTask(
        id=name,
        family=family or target.family or "custom",
        options=tuple(options),
        ordinal=is_ordinal([option.text for option in options]),
        open=not target.exhaustive,
        law=target.law,
    )
    return task, answer_format


def _unbraced(option: AuditOption) -> AuditOption:
    text, *aliases = (_BRACED.sub(r"\1", text) for text in option.texts)
    return AuditOption(text, option.target, tuple(alias for alias in dict.fromkeys(aliases) if alias != text))
