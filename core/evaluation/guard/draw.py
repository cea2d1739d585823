"""The guard's responses: given texts with their probabilities, chosen options, and what the model writes itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ...errors import DivtoolError
from ...jsonl import Record, Row
from ...records import response_key
from ...resume import SAME_COMMAND
from ...sampling.backend import Backend, Decoding
from ...sampling.open import open_strategy
from ...sampling.run import SampleOptions, Sampler
from ...sampling.strategies import StrategyOptions
from ..hooks import DrawPlan
from .items import PARTS, guard_items

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...models.language import LanguageModel

# Of what the model writes: responses an item, and how they are drawn.
SAMPLED = {
    "format": (1, Decoding(temperature=0.0, max_new_tokens=48)),
    "length": (3, Decoding(max_new_tokens=64)),
}
# Sequences run together where texts are given.
_BATCH = 8


def draw(backend: Backend, plan: DrawPlan) -> Iterator[list[Record]]:
    """The records that are lacking, part by part.

    Args:
        backend: The model, which must be in this process.
        plan: Seed and batch size, and what is there already.

    Raises:
        InputError: What is there comes from other items.
        DivtoolError: The model is elsewhere, and gives no probabilities of given texts.
    """
    finished = list(plan.finished)
    _check(finished)
    for part in PARTS:
        items = [item for item in guard_items().values() if item["part"] == part]
        done = [row for row in finished if row.data["part"] == part]
        if part in SAMPLED:
            yield from _sampled(backend, plan, part, items, done)
        elif len(done) < len(items):
            # All of them once more: a number depends, in its last digits, on what it is computed with.
            common = {"model": backend.name, "seed": plan.seed, "params": {"strategy": "given"}}
            yield [{**record, **common} for record in _given(_in_process(backend), part, items)[len(done) :]]


def total() -> int:
    """How many records there are."""
    return len(_keys())


def _keys() -> list[tuple[str, int, int]]:
    """The keys of all records, in their order."""
    return [
        (prompt_id, index, 1)
        for prompt_id, item in guard_items().items()
        for index in range(SAMPLED[item["part"]][0] if item["part"] in SAMPLED else 1)
    ]


def _check(finished: Sequence[Row]) -> None:
    """Raise `InputError` unless these are the first records of a guard file."""
    keys = _keys()
    for place, row in enumerate(finished):
        if place >= len(keys) or response_key(row.data) != keys[place] or "part" not in row.data:
            raise row.fault("is no response of the guard in this place", SAME_COMMAND)


def _sampled(
    backend: Backend, plan: DrawPlan, part: str, items: Sequence[Record], done: Sequence[Row]
) -> Iterator[list[Record]]:
    samples, decoding = SAMPLED[part]
    options = SampleOptions(samples=samples, seed=plan.seed, batch_size=plan.batch_size, decoding=decoding)
    sampler = Sampler(backend, open_strategy("direct", StrategyOptions()), options, plan.on_tokens)
    return sampler.run((Row(item, f"guard:{item['prompt_id']}") for item in items), done)


def _in_process(backend: Backend) -> LanguageModel:
    from ...sampling.local import LocalBackend

    if not isinstance(backend, LocalBackend):
        raise DivtoolError("the guard needs the probabilities of given texts, which only a model in this process has")
    return backend.language_model


def _given(lm: LanguageModel, part: str, items: Sequence[Record]) -> list[Record]:
    return _chosen(lm, items) if part == "mc" else read_texts(lm, part, items)


def read_texts(lm: LanguageModel, part: str, items: Sequence[Record]) -> list[Record]:
    """The given texts as responses, with their log-probabilities.

    Args:
        lm: The model.
        part: "plain" or "chat".
        items: The guard's items of that part.
    """
    from ...models.likelihood import continuation_logprobs, encode, encode_plain

    if part == "plain":
        encoded = [encode_plain(lm, item["prompt"], f" {item['text']}") for item in items]
    else:
        encoded = [encode(lm, ((("user", item["prompt"]),), item["text"])) for item in items]
    found = continuation_logprobs(lm, encoded, _BATCH)
    return [_record(item, item["text"], logprobs) for item, logprobs in zip(items, found, strict=True)]


def _chosen(lm: LanguageModel, items: Sequence[Record]) -> list[Record]:
    """The options with the highest mean log-probability, the first of equals."""
    from ...models.answers import answer_logprobs

    asked = [((("user", item["prompt"]),), tuple(item["options"])) for item in items]
    records = []
    for item, options in zip(items, answer_logprobs(lm, asked, _BATCH), strict=True):
        means = [float(logprobs.mean()) if len(logprobs) else None for logprobs in options]
        known = [mean for mean in means if mean is not None]
        best = means.index(max(known)) if known else None
        text, logprobs = (item["options"][best], options[best]) if best is not None else ("", options[0])
        correct = None if best is None else best == item["right"]
        records.append({**_record(item, text, logprobs), "option_logprobs": means, "correct": correct})
    return records


def _record(item: Record, text: str, logprobs: NDArray[np.float64]) -> Record:
    known = {key: value for key, value in item.items() if key != "text"}
    return {
        **known,
        "response": text,
        "sample_index": 0,
        "turn": 1,
        "finish_reason": "stop",
        "n_tokens": len(logprobs),
        "logprob": float(logprobs.sum()) if len(logprobs) else None,
    }
