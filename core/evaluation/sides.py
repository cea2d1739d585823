"""Runs made comparable: the same prompts, as many responses of each, and texts of equal length."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..errors import InputError
from ..jsonl import Record
from ..metrics.text import truncate_words, words
from .runs import Run
from .task import blocks
from .unread import chat_of

# Truncated twins keep so many words that this share of all texts is left out, and never fewer than five.
_TRUNCATION_QUANTILE, _LEAST_TRUNCATION = 0.10, 5


def common(runs: Sequence[Run]) -> list[Run]:
    """The runs on their common prompts, and on each the lowest common number of samples: set metrics move with it.

    Raises:
        InputError: They share no prompt.
    """
    shared = sorted(set.intersection(*(set(run.responses) for run in runs)))
    if not shared:
        examples = " against ".join(", ".join(sorted(run.responses)[:3]) or "none" for run in runs)
        raise InputError(runs[0].name, f"no common prompts with {runs[-1].name}: {examples}")
    return _equal_sizes([replace(run, responses={p: run.responses[p] for p in shared}) for run in runs])


def paired(runs: Iterable[Run], baseline: Run | None) -> list[list[Run]]:
    """Each run before its baseline, or alone without one, on what both have.

    Raises:
        InputError: A run and the baseline share no prompt.
    """
    return [common([run] if baseline is None or baseline is run else [run, baseline]) for run in runs]


def _equal_sizes(runs: Sequence[Run]) -> list[Run]:
    sizes = {p: min(len(run.responses[p]) for run in runs) for p in runs[0].responses}
    return [replace(run, responses={p: run.responses[p][:n] for p, n in sizes.items()}) for run in runs]


def blocked(sides: Sequence[Run]) -> list[Run]:
    """The sides with the samples of each prompt split into 10 blocks of equal size, which play the prompts' part.

    The samples stay in their order; a remainder is left out. A prompt with fewer than 20 samples stays whole, and so
    does one of which a side has chats, or answers, whose responses two blocks would share: these depend on each other.
    """
    found: list[dict[str, list[Record]]] = [{} for _ in sides]
    for prompt_id in sides[0].responses:
        every = [side.responses[prompt_id] for side in sides]
        number = blocks(len(every[0]))
        each = len(every[0]) // number
        whole = number == 1 or any(_cuts(records, each, number) for records in every)
        for own, records in zip(found, every, strict=True):
            if whole:
                own[prompt_id] = records
            else:
                own |= {f"{prompt_id}/{n}": records[n * each : (n + 1) * each] for n in range(number)}
    return [replace(side, responses=own) for side, own in zip(sides, found, strict=True)]


def unblocked(sides: Sequence[Run], split: Sequence[Run]) -> bool:
    """Whether `blocked` left a prompt whole for its chats."""
    return any(p in split[0].responses and blocks(len(own)) > 1 for p, own in sides[0].responses.items())


def _cuts(records: Sequence[Record], each: int, number: int) -> bool:
    """Whether blocks of so many responses each would share a chat, or an answer that held several."""
    ends = (n * each for n in range(1, number))
    return any(chat_of(records[end - 1]) == chat_of(records[end]) for end in ends)


def kept_sides(sides: Sequence[Run], usable: Callable[[Record], bool]) -> list[Run]:
    """The usable responses of the sides, again as many of each unit on both; a unit may be left without any."""
    return _equal_sizes(
        [replace(side, responses={p: list(filter(usable, rs)) for p, rs in side.responses.items()}) for side in sides]
    )


def every_record(runs: Iterable[Run]) -> list[Record]:
    """The records of all runs."""
    return [record for run in runs for records in run.responses.values() for record in records]


def word_limit(runs: Sequence[Run]) -> int:
    """How many words truncated twins keep: the 10th percentile over all runs, at least 5; one number for the call."""
    return limit_of(Counter(len(words(record["response"])) for record in every_record(runs)))


def limit_of(lengths: Mapping[int, int]) -> int:
    """The same of texts of which it is known how many have so many words."""
    if not lengths:
        return _LEAST_TRUNCATION
    sizes = sorted(lengths)
    ends = np.cumsum([lengths[size] for size in sizes])
    place = _TRUNCATION_QUANTILE * (int(ends[-1]) - 1)
    low, high = (sizes[int(ends.searchsorted(rank, side="right"))] for rank in (int(place), math.ceil(place)))
    # As NumPy's quantile, so that not even the rounding differs.
    share = place - int(place)
    between = low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)
    return max(_LEAST_TRUNCATION, int(between))


def cut_records(records: Iterable[Record], limit: int) -> dict[int, Record]:
    """Each record, by its identity, with its text cut after word `limit`; shorter ones are left out."""
    cuts = ((record, truncate_words(record["response"], limit)) for record in records)
    return {id(record): {**record, "response": text} for record, text in cuts if text is not None}


def cut_sides(sides: Sequence[Run], cuts: Mapping[int, Record]) -> list[Run]:
    """The sides with their texts cut, and again as many of them on each prompt; a prompt may be left without any."""
    cut = [
        replace(side, responses={p: [cuts[id(r)] for r in rs if id(r) in cuts] for p, rs in side.responses.items()})
        for side in sides
    ]
    return _equal_sizes(cut)


def size(run: Run) -> int:
    """How many responses there are."""
    return sum(map(len, run.responses.values()))


def amount(run: Run, empty: int, unit: str = "prompt") -> str:
    """Prompts or blocks and responses in words.

    Args:
        run: The run.
        empty: How many responses hold no word.
        unit: What a unit is called.
    """
    sizes = sorted({len(records) for records in run.responses.values()})
    each = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    return f"{len(run.responses)} {unit}s x {each} responses" + (f", {empty} of them without a word" if empty else "")
