"""Auditing responses that `sample` wrote: which prompt each group of them answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from itertools import product
from typing import Any

from ..errors import InputError
from ..jsonl import Row
from ..records import check_response, messages, require
from ..sampling.backend import Decoding
from ..sampling.settings import Wanted, drawn_with
from .drawing import behind_prefill
from .reading import Reading
from .task import FORMATS, AuditPrompt, Format
from .texts import read_texts

_DECODING = [field.name for field in fields(Decoding)]
_REMEDY = "draw them with divtool sample --builtin audit/…, or give the --spec that has the task"


class HandedOver:
    """Reads response records whose key `task` names a known task.

    Args:
        known: The prompts of every known task; where a record says no format, that of its task counts.
        settings: Only responses that were drawn with these count, such as a temperature.
    """

    def __init__(self, known: Iterable[AuditPrompt], settings: Mapping[str, float | str] | None = None) -> None:
        self._wanted = Wanted(settings or {})
        self._known: dict[str, AuditPrompt] = {}
        for prompt in known:
            self._known.setdefault(prompt.task.id, prompt)

    def check(self, row: Row) -> None:
        """Check a response record.

        Raises:
            InputError: It is none, its task is missing or not known, or its format does not exist.
        """
        check_response(row)
        task = require(row, "task", str, remedy=_REMEDY)
        if task not in self._known:
            raise row.fault(f"the task '{task}' is not known", _REMEDY)
        for key in ("wording", "arm"):
            require(row, key, str, optional=True)
        if row.data.get("format", FORMATS[0]) not in FORMATS:
            raise row.fault(f"the format '{row.data['format']}' is not known", f"known: {', '.join(FORMATS)}")

    def prompts(self, groups: Iterable[list[Row]]) -> Iterator[tuple[AuditPrompt, list[Row]]]:
        """The prompt of each group, with its records that count.

        Raises:
            InputError: Two groups of one task and wording, a group of several or of several settings of the decoding,
                or nothing that counts.
        """
        places: dict[tuple[str, ...], str] = {}
        file = ""
        for whole in groups:
            file = whole[0].where.rpartition(":")[0]
            group = [row for row in whole if self._wanted.takes(row.data)]
            if not group:
                continue
            self._check_setting(group)
            prompt = self._prompt(group[0].data)
            odd = next((row for row in group if _names(row.data) != _names(group[0].data)), None)
            if odd is not None:
                raise odd.fault(f"another task, wording or format than {group[0].where}, which has the same prompt_id")
            first = places.setdefault(prompt.key, group[0].where)
            if first != group[0].where:
                what = f"task '{prompt.task.id}', wording '{prompt.wording}' stands at {first} with another prompt_id"
                raise group[0].fault(what, "give each prompt of a task its own 'wording'")
            yield prompt, group
        if not places:
            raise InputError(file, f"no responses{self._wanted.lacking}")

    def _check_setting(self, group: list[Row]) -> None:
        """Raise `InputError` where the records of a prompt were drawn with several settings of the decoding."""
        first = drawn_with(group[0].data)
        for row, key in product(group, _DECODING):
            known, own = first.get(key), drawn_with(row.data).get(key)
            if known != own and None not in (known, own):
                one = ",".join(f"{name}={value}" for name, value in {**self._wanted.settings, key: known}.items())
                raise row.fault(
                    f"drawn with {key} {own}, and {group[0].where} of the same prompt with {known}",
                    f"audit one setting at a time: --responses FILE@{one}",
                )

    def _prompt(self, data: Mapping[str, Any]) -> AuditPrompt:
        usual = self._known[data["task"]]
        answer_format: Format = data.get("format", usual.format)
        params = data.get("params")
        prefill = params.get("prefill", "") if isinstance(params, dict) else ""
        return AuditPrompt(
            task=usual.task,
            wording=data.get("wording", usual.wording),
            format=answer_format,
            arm=data.get("arm", usual.arm if usual.task.sequence is not None else ""),
            chat=tuple((message["role"], message["content"]) for message in messages(data["prompt"])),
            prefill=prefill if isinstance(prefill, str) else "",
            terminal=usual.terminal,
        )


def _names(data: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(data.get(key) for key in ("task", "wording", "format", "arm"))


def group_reading(prompt: AuditPrompt, group: list[Row], seed: int) -> Reading:
    """What the responses of a group say."""
    texts = [behind_prefill(row.data["response"], prompt.prefill) for row in group]
    return read_texts(prompt, texts, [row.data.get("finish_reason") for row in group], seed)


def group_model(group: list[Row]) -> str:
    """The model that a group names."""
    name = group[0].data.get("model")
    return name if isinstance(name, str) and name else "unknown"
