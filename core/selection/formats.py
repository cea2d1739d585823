"""Preference pairs as other trainers read them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import DivtoolError
from ..jsonl import Record
from ..packing import is_table
from ..records import Message
from ..writer import RecordWriter

FormatName = Literal["divtool", "trl", "llama-factory", "axolotl"]


@dataclass(frozen=True, slots=True)
class PairFormat:
    """How another trainer reads pairs.

    Attributes:
        trainer: Its name.
        record: A pair of ours to one of its own.
        fault: Why a pair cannot be one of its own; empty where it can.
        weights: What becomes of weights that are not all 1.
        hint: What else the trainer has to be told of a file, as lines to paste; the first says where they go.
    """

    trainer: str
    record: Callable[[Record], Record]
    fault: Callable[[Record], str]
    weights: str
    hint: Callable[[str], Sequence[str]]


class PairWriter(RecordWriter):
    """Writes pairs in the format of another trainer; those that it could not read are left out and counted.

    Args:
        target: As for `RecordWriter`.
        form: The format.
    """

    def __init__(self, target: str, form: PairFormat) -> None:
        super().__init__(target)
        self._target = target
        self._form = form
        self._weighted = False
        self._left_out = 0
        self._first = ""

    def write(self, record: Record) -> None:
        """Add one pair, or count it."""
        fault = self._form.fault(record)
        if fault:
            self._left_out += 1
            self._first = self._first or f"'{record.get('prompt_id')}': {fault}"
            return
        self._weighted = self._weighted or record.get("weight", 1) != 1
        super().write(self._form.record(record))

    def conclude(self) -> tuple[list[str], list[str]]:
        """What to say of the file: warnings, and notes.

        Raises:
            DivtoolError: The trainer could read none of the pairs.
        """
        trainer = self._form.trainer
        lost = f"{self._left_out} pairs left out, which {trainer} could not read; the first is {self._first}"
        if self._left_out and not self.written:
            raise DivtoolError(lost)
        warnings = [lost] if self._left_out else []
        warnings += [f"{trainer} {self._form.weights}"] if self._weighted else []
        return warnings, list(self._form.hint(self._target))


def pair_writer(target: str, name: FormatName) -> RecordWriter:
    """A writer of pairs in a format; `divtool` is the pair record as it is.

    Raises:
        DivtoolError: As for `RecordWriter`.
    """
    return RecordWriter(target) if name == "divtool" else PairWriter(target, FORMATS[name])


def _answer(pair: Record, side: str) -> str:
    return str(pair[side][0]["content"])


def _one_answer(pair: Record) -> str:
    for side in ("chosen", "rejected"):
        if [message["role"] for message in pair[side]] != ["assistant"]:
            return f"'{side}' is not one message of the assistant"
    return ""


# TRL's trainers for preferences, `conversational` with an explicit prompt.
# `divtool train` reads such a file too: `weight` and `prompt_id` are its own.
_TRL_KEYS = ("prompt", "chosen", "rejected", "prompt_id", "weight")


def _trl_record(pair: Record) -> Record:
    return {key: pair[key] for key in _TRL_KEYS if key in pair}


# LLaMA-Factory's ShareGPT format of preference data sets, with its usual tags.
_TAGS = {"system": "system", "user": "human", "assistant": "gpt"}
_LEFT_OUT = "has no weight a pair: the weights are left out; divtool train --method ddpo or dorpo reads them"


def _tagged(message: Message) -> Record:
    return {"from": _TAGS[message["role"]], "value": message["content"]}


def _llama_factory_record(pair: Record) -> Record:
    return {
        "conversations": [_tagged(message) for message in pair["prompt"]],
        "chosen": _tagged(pair["chosen"][0]),
        "rejected": _tagged(pair["rejected"][0]),
    }


def _llama_factory_fault(pair: Record) -> str:
    """It would leave such a pair out by itself, and only say so in its log."""
    roles = [message["role"] for message in pair["prompt"]]
    turns = roles[1:] if roles[0] == "system" else roles
    if len(turns) % 2 == 0 or any(role != ("user", "assistant")[place % 2] for place, role in enumerate(turns)):
        return f"its roles are {', '.join(roles)}, not user and assistant in turn after one system message"
    return _one_answer(pair)


def _llama_factory_hint(target: str) -> Sequence[str]:
    entry = {
        _name(target): {
            "file_name": _file(target),
            "formatting": "sharegpt",
            "ranking": True,
            "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"},
        }
    }
    where = f"for dataset_info.json beside {_file(target)} (dataset_dir), with stage: dpo and dataset: {_name(target)}"
    return (where, *json.dumps(entry, indent=2, ensure_ascii=False).splitlines())


# axolotl's `chat_template.default` for `rl: dpo`.


def _axolotl_record(pair: Record) -> Record:
    # It looks for the answer in the rendered chat, where templates have stripped it, and misses any other.
    sides = {side: {"role": "assistant", "content": _answer(pair, side).strip()} for side in ("chosen", "rejected")}
    return {"messages": pair["prompt"], **sides}


def _axolotl_fault(pair: Record) -> str:
    odd = [message["role"] for message in pair["prompt"] if message["role"] not in (*_TAGS, "tool")]
    return f"its role {odd[0]} is none of system, user, assistant and tool" if odd else _one_answer(pair)


def _axolotl_hint(target: str) -> Sequence[str]:
    return (
        "for the configuration",
        "rl: dpo",
        "datasets:",
        f"  - path: {json.dumps(_path(target), ensure_ascii=False)}",
        f"    ds_type: {'parquet' if is_table(target) else 'json'}",
        "    split: train",
        "    type: chat_template.default",
    )


def _path(target: str) -> str:
    return "pairs.jsonl" if target == "-" else target


def _file(target: str) -> str:
    return Path(_path(target)).name


def _name(target: str) -> str:
    return _file(target).partition(".")[0]


FORMATS = {
    "trl": PairFormat(
        "TRL",
        _trl_record,
        lambda pair: "",
        "has no weight a pair: its trainers pass over 'weight', which divtool train --method ddpo or dorpo reads",
        lambda target: (),
    ),
    "llama-factory": PairFormat(
        "LLaMA-Factory", _llama_factory_record, _llama_factory_fault, _LEFT_OUT, _llama_factory_hint
    ),
    "axolotl": PairFormat("axolotl", _axolotl_record, _axolotl_fault, _LEFT_OUT, _axolotl_hint),
}
