"""The guard as a task, and when it runs by itself."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from ...jsonl import Record
from ...metrics.text import words
from ..hooks import Drawing, ItemMeasure
from ..sources import Lineup
from ..task import Task
from ..values import mean
from .checks import passes
from .draw import SAMPLED, draw, total
from .items import guard_items, of_part

_VERSION = 1
_SHORT = 5


def compares_models(lineup: Lineup) -> bool:
    """Whether a call compares models of different weights, and nothing but models."""
    base = lineup.baseline
    if base is None or any(source.model is None for source in lineup.every):
        return False
    return any((run.model, run.adapter) != (base.model, base.adapter) for run in lineup.runs)


def nats_per_token(records: Sequence[Record]) -> float | None:
    """-log p / tokens of a given text. Range >= 0, lower is better. Null without a log-probability or tokens."""
    return mean(_nats(record) for record in records)


def right(records: Sequence[Record]) -> float | None:
    """1 where the chosen option is the right one, else 0. Null where the response is none of the options."""
    return mean(_right(record) for record in records)


def followed(records: Sequence[Record]) -> float | None:
    """1 where the answer passes the check of its instruction, else 0. Null for no answer."""
    return mean(float(_followed(record)) for record in records)


def median_words(records: Sequence[Record]) -> float | None:
    """Median number of words of the answers to a prompt. Null for no answer."""
    return float(median(len(words(record["response"])) for record in records)) if records else None


def short_share(records: Sequence[Record]) -> float | None:
    """Share of answers under 5 tokens, the end token counted. Range [0, 1]. Null where no answer has its tokens."""
    return mean(float(n < _SHORT) for n in _tokens(records))


def capped_share(records: Sequence[Record]) -> float | None:
    """Share of answers that were cut at the limit. Range [0, 1]. Null where no answer says how it ended."""
    reasons = [record.get("finish_reason") for record in records]
    return mean(float(reason == "length") for reason in reasons if reason is not None)


def _nats(record: Record) -> float | None:
    logprob, n = record.get("logprob"), record.get("n_tokens")
    return -logprob / n if logprob is not None and n else None


def _right(record: Record) -> float | None:
    item = guard_items()[record["prompt_id"]]
    text = record["response"]
    return float(text == item["options"][item["right"]]) if text in item["options"] else None


def _followed(record: Record) -> bool:
    item = guard_items()[record["prompt_id"]]
    return passes(record["response"], item["check"], item["arguments"])


def _tokens(records: Sequence[Record]) -> list[int]:
    return [record["n_tokens"] for record in records if record.get("n_tokens") is not None]


def _nll(name: str, role: str, what: str, *parts: str) -> ItemMeasure:
    return ItemMeasure(
        name=name,
        direction="-",
        role="guard" if role == "guard" else "detail",
        definition=f"nats per token of {what}, given word for word: -log p / tokens of a text, mean over texts; "
        f"guard texts {_VERSION}; lower is better",
        covers=of_part(*parts),
        value=nats_per_token,
        null="the text is longer than the model's positions",
    )


_PLAIN = "20 plain passages, scored from the second word on without a chat template"
_CHAT = "20 answers in chats, scored on the assistant's turn"
_EVERYDAY = (
    f"16 everyday prompts x {SAMPLED['length'][0]}, temperature 1, at most "
    f"{SAMPLED['length'][1].max_new_tokens} tokens; guard texts {_VERSION}; no direction"
)

GUARD = Task(
    name="guard",
    caveat="not comparable to MMLU or IFEval",
    drawing=Drawing(
        prompts=lambda: list(guard_items().values()),
        total=total(),
        settings={part: {"samples": n, **decoding.params("direct")} for part, (n, decoding) in SAMPLED.items()},
        draw=draw,
    ),
    items=(
        _nll("nll", "guard", f"{_PLAIN}, and {_CHAT}", "plain", "chat"),
        ItemMeasure(
            name="mc",
            direction="+",
            role="guard",
            definition="share of 60 four-option questions whose right option has the highest mean token "
            f"log-probability after the question in the chat template, .25 by chance; guard texts {_VERSION}; "
            "higher is better",
            covers=of_part("mc"),
            value=right,
            null="the response is none of the options",
        ),
        ItemMeasure(
            name="format",
            direction="+",
            role="guard",
            definition="share of 30 instructions whose answer a program finds as asked (one word, three lines, a JSON "
            f"key), greedy, at most {SAMPLED['format'][1].max_new_tokens} tokens; guard texts {_VERSION}; "
            "higher is better",
            covers=of_part("format"),
            value=followed,
            null="no answer",
        ),
        ItemMeasure(
            name="words",
            direction="0",
            role="length",
            definition=f"median words of the answers to a prompt, mean over prompts; {_EVERYDAY}",
            covers=of_part("length"),
            value=median_words,
            null="no answer",
        ),
        ItemMeasure(
            name="short_share",
            direction="0",
            role="length",
            definition=f"share of answers under {_SHORT} tokens, the end token counted; {_EVERYDAY}",
            covers=of_part("length"),
            value=short_share,
            null="the file does not say how many tokens an answer has",
        ),
        ItemMeasure(
            name="capped_share",
            direction="0",
            role="length",
            definition=f"share of answers cut at the limit; {_EVERYDAY}",
            covers=of_part("length"),
            value=capped_share,
            null="the file does not say how an answer ended",
        ),
        _nll("nll_plain", "detail", _PLAIN, "plain"),
        _nll("nll_chat", "detail", _CHAT, "chat"),
    ),
)


def with_guard(tasks: Sequence[Task], lineup: Lineup) -> list[Task]:
    """The tasks of a call, with the guard behind them where models are compared and it is not there yet."""
    return [*tasks, GUARD] if compares_models(lineup) and GUARD not in tasks else list(tasks)
