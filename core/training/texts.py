"""Texts to fine-tune on, out of whichever records hold them: pairs, groups of responses, or responses."""

from __future__ import annotations

import math
from typing import Any

from ..jsonl import Record, Row
from ..records import check_messages, check_prompt, check_weight, messages, require


def check_text(row: Row) -> None:
    """Check a record by its own keys: `chosen` (a pair), `responses` (a group) or `response`.

    Raises:
        InputError: None of them, or one that holds no text.
    """
    check_prompt(row)
    if "chosen" in row.data:
        check_messages(row, "chosen", row.data["chosen"])
        texts = [message["content"] for message in row.data["chosen"]]
    elif "responses" in row.data:
        texts = require(row, "responses", list)
    else:
        remedy = "sft takes pairs ('chosen'), groups ('responses') and responses ('response')"
        texts = [require(row, "response", str, remedy=remedy)]
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        key = next(key for key in ("chosen", "responses", "response") if key in row.data)
        raise row.fault(f"'{key}' is empty, or holds something else than text", "leave it out with --on-error skip")
    check_weight(row)
    uncertainty = require(row, "uncertainty", float, optional=True)
    if uncertainty is not None and not math.isfinite(uncertainty):
        raise row.fault(f"'uncertainty' is {uncertainty}, not a finite number")


def text_records(record: Record) -> list[Record]:
    """One record a text, with what training looks at."""
    prompt = messages(record["prompt"])
    if "chosen" in record:
        answers: list[list[dict[str, Any]]] = [record["chosen"]]
    else:
        texts = record["responses"] if "responses" in record else [record["response"]]
        answers = [[{"role": "assistant", "content": text}] for text in texts]
    kept: Record = {key: record[key] for key in ("prompt_id", "model", "uncertainty", "weight") if key in record}
    return [{"prompt": prompt, "chosen": answer, **kept} for answer in answers]
