"""The built-in tasks and presets: files in `prompts/audit/`, and the built-in targets of training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import orjson

from ..catalog import Entry
from ..errors import unknown_name
from ..targets.builtin import builtin_targets
from ..targets.lists import items, prompt_file
from .given import target_prompts
from .listed import position_prompts, position_tasks, weighted_prompts, weighted_tasks
from .numeric import LAWS, law_names, law_prompts, law_summary, law_task
from .sequence_tasks import sequence_prompts, sequence_tasks
from .task import AuditOption, AuditPrompt, AuditTask, Format
from .wordings import WORDINGS, asked

# Presets of built-in targets; each is a family of tasks here.
_TARGETS = ("diffuse", "diffuse-quick", "diffuse-quick-held-out", "diffuse-wide")


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A built-in task and the prompts that ask for it.

    Attributes:
        id: Its name.
        family: Its family.
        summary: It in a line.
        make: Makes the options and their target; for a law that takes SciPy.
        prompts: The task in some wordings and a format; tasks that are asked in one way of their own take none.
    """

    id: str
    family: str
    summary: str
    make: Callable[[], AuditTask]
    prompts: Callable[[Sequence[str], Format], list[AuditPrompt]]

    @property
    def task(self) -> AuditTask:
        """The options and their target."""
        return self.make()


@cache
def built_in() -> Mapping[str, BuiltIn]:
    """Every built-in task by its id, in the order of the lists."""
    rows = [orjson.loads(line) for line in prompt_file("audit/tasks.jsonl").splitlines()]
    found = [
        *map(_worded, rows),
        *(_listed(task, position_prompts) for task in position_tasks()),
        *(_listed(task, weighted_prompts) for task in weighted_tasks()),
        *(_listed(task, sequence_prompts) for task in sequence_tasks()),
        *map(_law, law_names()),
        *(_given(prompt) for name in _TARGETS for prompt in target_prompts(builtin_targets(name), family=name)),
    ]
    return {one.id: one for one in found}


def _worded(row: Mapping[str, Any]) -> BuiltIn:
    """A task that is asked in the wordings."""
    task = _task(row)

    def prompts(wordings: Sequence[str], answer_format: Format) -> list[AuditPrompt]:
        texts = {wording: asked(wording, row["thing"], row["device"], answer_format) for wording in wordings}
        return [
            AuditPrompt(task=task, wording=wording, format=answer_format, chat=(("user", text),))
            for wording, text in texts.items()
        ]

    return _made(task, prompts)


def _made(task: AuditTask, prompts: Callable[[Sequence[str], Format], list[AuditPrompt]]) -> BuiltIn:
    return BuiltIn(task.id, task.family, _summary(task), lambda: task, prompts)


def _summary(task: AuditTask) -> str:
    options = task.options
    named = f"{len(options)} options, {options[0].text} to {options[-1].text}"
    if task.sequence is None:
        return f"{task.family}: {named}"
    return f"{task.family}: {'an order of' if task.sequence.shuffle else f'{task.sequence.length} out of'} {named}"


def _law(name: str) -> BuiltIn:
    """A numeric law."""
    return BuiltIn(
        name,
        LAWS,
        law_summary(name),
        lambda: law_task(name),
        lambda _, answer_format: law_prompts(law_task(name), answer_format),
    )


def _listed(task: AuditTask, make: Callable[[AuditTask, Format], list[AuditPrompt]]) -> BuiltIn:
    """A task that makes its own prompts."""
    return _made(task, lambda _, answer_format: make(task, answer_format))


def _given(prompt: AuditPrompt) -> BuiltIn:
    """A prompt of the built-in targets, as it is trained."""
    return _made(prompt.task, lambda *_: [prompt])


def entries() -> list[Entry]:
    """The tasks as rows of the list of tasks."""
    return [_entry(one) for one in built_in().values()]


def _entry(one: BuiltIn) -> Entry:
    source = "after arXiv 2404.10859; wording ours" if one.family == "diffuse" else "ours"
    return Entry(one.id, "audit.catalog:built_in", one.summary, source, ("random-audit",))


@cache
def presets() -> Mapping[str, Mapping[str, Sequence[str]]]:
    """The presets: which tasks or families, in which wordings."""
    table: Mapping[str, Mapping[str, Sequence[str]]] = orjson.loads(prompt_file("audit/presets.json"))
    return table


def named_tasks(name: str) -> list[BuiltIn]:
    """The tasks behind a name: a task's id, a family, the beginning of ids up to a slash, or a pattern with `*`.

    Raises:
        UsageError: Nothing is called so; the known names are listed.
    """
    found = [
        one
        for id_, one in built_in().items()
        if name in (id_, one.family) or id_.startswith(f"{name}/") or ("*" in name and fnmatchcase(id_, name))
    ]
    if not found:
        families = [one.family for one in built_in().values()]
        short = [id_ for id_ in built_in() if "/" not in id_]
        raise unknown_name("audit task", name, dict.fromkeys((*families, *short)))
    return found


def builtin_prompts(
    names: Iterable[str], wordings: Sequence[str] = WORDINGS, answer_format: Format = "bare"
) -> list[AuditPrompt]:
    """The prompts of built-in tasks, each once, in the order named.

    Args:
        names: Ids, families or patterns.
        wordings: Which wordings of each task.
        answer_format: How answers are to be written.

    Raises:
        UsageError: An unknown name.
    """
    made = (prompt for name in names for one in named_tasks(name) for prompt in one.prompts(wordings, answer_format))
    return distinct(made)


def preset_prompts(name: str, answer_format: Format = "bare") -> list[AuditPrompt]:
    """The prompts of a preset.

    Raises:
        UsageError: No such preset; the known ones are listed.
    """
    if name not in presets():
        raise unknown_name("preset", name, presets())
    preset = presets()[name]
    return builtin_prompts(preset["tasks"], preset["wordings"], answer_format)


def distinct(prompts: Iterable[AuditPrompt]) -> list[AuditPrompt]:
    """The prompts without those whose key has come before."""
    found: dict[tuple[str, ...], AuditPrompt] = {}
    for prompt in prompts:
        found.setdefault(prompt.key, prompt)
    return list(found.values())


def _task(row: Mapping[str, Any]) -> AuditTask:
    spelled = _options(row)
    share = 1 / len(spelled)
    options = tuple(AuditOption(text, share, tuple(aliases)) for text, *aliases in spelled)
    ordinal, open_ = row.get("ordinal", False), row.get("open", False)
    return AuditTask(id=row["id"], family=row["family"], options=options, ordinal=ordinal, open=open_)


def _options(row: Mapping[str, Any]) -> list[Sequence[str]]:
    """Text and aliases of each option of a row."""
    if "list" in row:
        return [(item.text, *item.aliases) for item in items(row["list"])]
    if "numbers" in row:
        return [_spelled(number) for number in _numbers(row["numbers"])]
    return [[option] if isinstance(option, str) else option for option in row["options"]]


def _numbers(given: Any) -> Iterable[int]:
    return given if isinstance(given, list) else range(given["from"], given["to"] + 1, given.get("step", 1))


def _spelled(number: int) -> Sequence[str]:
    """A number in digits and, up to 100, in words."""
    words = prompt_file("audit/number-words.txt").split("\n")[:-1]
    return (str(number), words[number])
