"""Preference pairs on their way to the trainer: spooled to disk, then turned into token ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

import orjson

from ..errors import DivtoolError
from ..jsonl import Record, RowReader, dumps
from ..models.chat import chat_ids


@dataclass(frozen=True, slots=True)
class PairFile:
    """Checked pairs in a file of their own, so that standard input can be read more than once.

    Attributes:
        path: JSON Lines.
        name: Where they came from.
        sha256: Hash of the lines as they came.
        count: How many pairs.
        skipped: Bad lines left out.
        weighted: Pairs whose weight is not 1.
        models: How many pairs each sampling model made; None where the pair does not say.
    """

    path: Path
    name: str
    sha256: str
    count: int
    skipped: int
    weighted: int
    models: Counter[str | None]

    def __iter__(self) -> Iterator[Record]:
        """Each pair."""
        with self.path.open("rb") as stream:
            for line in stream:
                yield orjson.loads(line)


def spooled(reader: RowReader, folder: Path) -> PairFile:
    """Read every pair, checked, into a file.

    Raises:
        InputError: A bad line, or none at all.
    """
    path = folder / "pairs.jsonl"
    weighted, models = 0, Counter[str | None]()
    with path.open("wb") as stream:
        for row in reader:
            stream.write(dumps(row.data))
            weighted += row.data.get("weight", 1) != 1
            model = row.data.get("model")
            models[model if isinstance(model, str) else None] += 1
    return PairFile(path, reader.name, reader.sha256, reader.read, reader.skipped, weighted, models)


def pair_ids(tokenizer: Any, pair: Record) -> dict[str, list[int]]:
    """Token ids of a pair, the same as TRL's.

    The completion begins where prompt and whole chat part, which is not always at the prompt's end.

    Returns:
        `prompt_ids`, `chosen_ids`, `rejected_ids`; the completions hold their end token.
    """
    prompt = _opening(tokenizer, pair["prompt"])
    chosen, rejected = (_whole(tokenizer, pair["prompt"], pair[side]) for side in ("chosen", "rejected"))
    same = (len(set(column)) == 1 for column in zip(prompt, chosen, rejected, strict=False))
    start = sum(takewhile(bool, same))
    return {"prompt_ids": prompt[:start], "chosen_ids": chosen[start:], "rejected_ids": rejected[start:]}


def _opening(tokenizer: Any, prompt: list[dict[str, str]]) -> list[int]:
    return chat_ids(tokenizer, [(message["role"], message["content"]) for message in prompt])


def _whole(tokenizer: Any, prompt: list[dict[str, str]], completion: list[dict[str, str]]) -> list[int]:
    if tokenizer.chat_template is None:
        text = "\n\n".join(message["content"] for message in completion)
        return _opening(tokenizer, prompt) + list(
            tokenizer(text + tokenizer.eos_token, add_special_tokens=False)["input_ids"]
        )
    return list(tokenizer.apply_chat_template(prompt + completion, return_dict=True)["input_ids"])


@dataclass(slots=True)
class Lengths:
    """Token counts of the pairs that are kept.

    Attributes:
        prompt: Tokens of each prompt.
        chosen: Tokens of each chosen completion.
        rejected: Tokens of each rejected one.
        dropped: Pairs over the limit.
        longest_dropped: Tokens of the longest of them.
    """

    prompt: list[int] = field(default_factory=list)
    chosen: list[int] = field(default_factory=list)
    rejected: list[int] = field(default_factory=list)
    dropped: int = 0
    longest_dropped: int = 0

    def __len__(self) -> int:
        """Pairs kept."""
        return len(self.prompt)

    @property
    def total(self) -> int:
        """Tokens that one epoch runs through the model, each prompt twice."""
        return 2 * sum(self.prompt) + sum(self.chosen) + sum(self.rejected)

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence."""
        return max(p + max(c, r) for p, c, r in zip(self.prompt, self.chosen, self.rejected, strict=True))

    @property
    def mean_difference(self) -> float:
        """Mean of chosen - rejected tokens."""
        return (sum(self.chosen) - sum(self.rejected)) / len(self)


def encoded(
    pairs: PairFile, tokenizer: Any, max_length: int, keep: Callable[[Record], None] = lambda row: None
) -> Lengths:
    """Turn every pair into token ids, leave out those over the limit, and hand the rest to `keep`.

    Raises:
        DivtoolError: No pair is short enough.
    """
    lengths = Lengths()
    for pair in pairs:
        ids = pair_ids(tokenizer, pair)
        size = len(ids["prompt_ids"]) + max(len(ids["chosen_ids"]), len(ids["rejected_ids"]))
        if size > max_length:
            lengths.dropped += 1
            lengths.longest_dropped = max(lengths.longest_dropped, size)
            continue
        for side, counts in (("prompt", lengths.prompt), ("chosen", lengths.chosen), ("rejected", lengths.rejected)):
            counts.append(len(ids[f"{side}_ids"]))
        keep({**ids, "weight": float(pair.get("weight", 1.0))})
    if not len(lengths):
        raise DivtoolError(
            f"{pairs.name}: every pair is longer than --max-length {max_length} tokens "
            f"(the longest has {lengths.longest_dropped}); raise it"
        )
    return lengths


def dataset(pairs: PairFile, tokenizer: Any, max_length: int, folder: Path) -> tuple[Any, Lengths]:
    """The pairs as a `datasets.Dataset` of token ids on disk, with their lengths."""
    from datasets import Dataset
    from datasets.arrow_writer import ArrowWriter

    path = str(folder / "pairs.arrow")
    with ArrowWriter(path=path) as writer:
        lengths = encoded(pairs, tokenizer, max_length, writer.write)
        writer.finalize()
    return Dataset.from_file(path), lengths
