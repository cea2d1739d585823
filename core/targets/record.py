"""One target record as a `Target`: our own form, a numeric law, and the form of the reference implementation."""

from __future__ import annotations

from typing import Any, cast

from ..errors import DivtoolError
from ..jsonl import Row
from ..records import check_prompt, kind_of, messages, require
from .entries import answers_of, check_beginnings, shown
from .laws import MOST_VALUES, Law, make_law
from .target import Answer, Chat, Target, Terminal

_FORM = 'a target record is {"prompt": "...", "targets": [{"text": "..."}, ...]}'


def target_of(row: Row, *, prompt_id: str = "", family: str = "") -> Target:
    """The target that a record describes.

    Args:
        row: The record and its place. An object with `request` and no `prompt` is in the reference form.
        prompt_id: The name of a record that has none; else the hash of its prompt.
        family: The family of a record that has none.

    Raises:
        InputError: The record cannot be trained or audited; everything that needs no tokenizer is checked.
    """
    data = dict(row.data)
    if "request" in data and "prompt" not in data:
        data = _translated(row)
    own = Row(data, row.where)
    if prompt_id:
        data.setdefault("prompt_id", prompt_id)
    if "prompt" not in data:
        raise row.fault("the key 'prompt' is missing", _FORM)
    check_prompt(own)
    chat, prefills = _chat(own)
    terminal = _choice(own, "terminal", "eos", ("eos", "none"))
    answers, law, decimals = _distribution(own)
    if terminal == "none":
        _check_open_end(own, answers, law)
    return Target(
        prompt_id=data["prompt_id"],
        chat=chat,
        answers=answers,
        law=law,
        decimals=decimals,
        family=require(own, "family", str, optional=True) or family,
        task=require(own, "task", str, optional=True) or "",
        prefill=prefills[0] if prefills else "",
        prefills=prefills if len(prefills) > 1 else (),
        terminal=cast(Terminal, terminal),
        exhaustive=_flag(own, "exhaustive"),
        where=row.where,
    )


def _translated(row: Row) -> dict[str, Any]:
    """A record of the reference implementation under our keys."""
    names = {"request": "prompt", "response": "prefill"}
    data = {names.get(key, key): value for key, value in row.data.items() if key != "eos"}
    if not _flag(row, "eos"):
        data["terminal"] = "none"
    return data


def _flag(row: Row, key: str) -> bool:
    value = row.data.get(key, True)
    if not isinstance(value, bool):
        raise row.fault(f"'{key}' is {kind_of(value)}, not true or false")
    return value


def _choice(row: Row, key: str, default: str, known: tuple[str, ...]) -> str:
    value = row.data.get(key, default)
    if value not in known:
        found = shown(value) if isinstance(value, str) else kind_of(value)
        raise row.fault(f"'{key}' is {found}; known: {', '.join(known)}")
    return str(value)


def _chat(row: Row) -> tuple[Chat, tuple[str, ...]]:
    """The messages, and what the assistant's turn may begin with: a last turn of the assistant's is a beginning too."""
    turns = [(message["role"], message["content"]) for message in messages(row.data["prompt"])]
    given = row.data.get("prefill")
    beginnings = [given] if isinstance(given, str) else given or [""]
    if not isinstance(beginnings, list) or not beginnings or not all(isinstance(text, str) for text in beginnings):
        raise row.fault("'prefill' is no string and no list of strings")
    if turns[-1][0] != "assistant":
        return tuple(turns), tuple(beginnings) if any(beginnings) else ()
    if any(beginnings):
        raise row.fault("the prompt ends with an assistant turn, and there is a 'prefill'", "keep one of them")
    if len(turns) == 1:
        raise row.fault("the prompt is an assistant turn only", "put a user turn before it")
    return tuple(turns[:-1]), (turns[-1][1],)


def _distribution(row: Row) -> tuple[tuple[Answer, ...], Law | None, int]:
    """The answers, the law they follow if one is named, and its decimals."""
    given = [key for key in ("targets", "law") if key in row.data]
    if len(given) != 1:
        raise row.fault("both 'targets' and 'law'" if given else "neither 'targets' nor 'law'", _FORM)
    if given == ["targets"]:
        if "decimals" in row.data:
            raise row.fault("'decimals' belongs to a 'law', and the record has 'targets'", "leave it out")
        return answers_of(row, row.data["targets"], row.data.get("weights")), None, 0
    law = _law(row)
    if law.size > MOST_VALUES:
        return (), law, law.decimals
    masses = law.masses().tolist()
    return tuple(map(Answer, law.texts(), masses)), law, law.decimals


def _law(row: Row) -> Law:
    law = require(row, "law", dict, remedy=_FORM)
    decimals = require(row, "decimals", int, optional=True) or 0
    where = Row(law, f"{row.where}: in 'law'")
    name, args = require(where, "name", str), require(where, "args", dict, optional=True) or {}
    if other := [key for key in law if key not in ("name", "args")]:
        raise where.fault(f"unknown key '{other[0]}'; known: name, args")
    try:
        return make_law(name, args, decimals)
    except DivtoolError as error:
        raise row.fault(str(error)) from None


def _check_open_end(row: Row, answers: tuple[Answer, ...], law: Law | None) -> None:
    """Raise if an answer could go on as another one, where no end token follows."""
    check_beginnings(row, answers)
    if law is not None and not answers and not law.decimals:
        raise row.fault("the law has whole numbers, and the terminal is none", 'use "terminal": "eos"')
