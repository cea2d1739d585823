"""Preference pairs on their way to the trainer: spooled to disk, then turned into token ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

import orjson

from ..errors import DivtoolError
from ..jsonl import Record, Row, RowReader, dumps, short_hash
from ..models.chat import chat_ids


@dataclass(frozen=True, slots=True)
class PairFile:
    """Checked pairs, or texts without a rejected side, in a file of their own: standard input can be read only once.

    Attributes:
        path: JSON Lines.
        name: Where they came from.
        sha256: Hash of the lines as they came.
        count: How many.
        skipped: Bad lines left out.
        weighted: Pairs whose weight is not 1.
        weightless: Pairs without a weight.
        weighing: Pairs whose weight is above 0.
        models: How many each sampling model made; None where the record does not say.
    """

    path: Path
    name: str
    sha256: str
    count: int
    skipped: int
    weighted: int
    weightless: int
    weighing: int
    models: Counter[str | None]

    def __iter__(self) -> Iterator[Record]:
        """Each record."""
        with self.path.open("rb") as stream:
            for line in stream:
                yield orjson.loads(line)


def spooled(
    reader: RowReader, folder: Path, *, whole: bool = False, parts: Callable[[Record], list[Record]] | None = None
) -> PairFile:
    """Read every record, checked, into a file.

    Args:
        reader: The records.
        folder: Where the file goes.
        whole: Refuse a file where some pairs have a weight and others do not.
        parts: What a record is turned into; itself if None.

    Raises:
        InputError: A bad line, or none at all.
    """
    path = folder / "pairs.jsonl"
    count, weights, models = 0, Counter[str](), Counter[str | None]()
    odd = _Mixed() if whole else None
    with path.open("wb") as stream:
        for row in reader:
            if odd is not None:
                odd.see(row)
            for record in [row.data] if parts is None else parts(row.data):
                stream.write(dumps(record))
                weight = record.get("weight")
                weights["other"] += weight not in (None, 1)
                weights["none"] += weight is None
                weights["some"] += weight != 0
                model = record.get("model")
                models[model if isinstance(model, str) else None] += 1
                count += 1
    return PairFile(
        path, reader.name, reader.sha256, count, reader.skipped,
        weights["other"], weights["none"], weights["some"], models,
    )  # fmt: skip


class _Mixed:
    """Looks for a file where some pairs have a weight and others do not."""

    def __init__(self) -> None:
        self._with: Row | None = None
        self._without: Row | None = None

    def see(self, row: Row) -> None:
        if "weight" in row.data:
            self._with = self._with or row
        else:
            self._without = self._without or row
        if self._with and self._without:
            raise self._without.fault(
                "the key 'weight' is missing, and other pairs have one",
                "divtool select --method deviation gives every pair a weight",
            )


def pair_ids(tokenizer: Any, pair: Record) -> dict[str, list[int]]:
    """Token ids of a pair, the same as TRL's.

    The completion begins where prompt and whole chat part, which is not always at the prompt's end.

    Returns:
        `prompt_ids`, `chosen_ids` and, of a pair, `rejected_ids`; the completions hold their end token.
    """
    prompt = _opening(tokenizer, pair["prompt"])
    sides = [side for side in ("chosen", "rejected") if side in pair]
    wholes = [_whole(tokenizer, pair["prompt"], pair[side]) for side in sides]
    same = (len(set(column)) == 1 for column in zip(prompt, *wholes, strict=False))
    start = sum(takewhile(bool, same))
    return {
        "prompt_ids": prompt[:start],
        **{f"{side}_ids": whole[start:] for side, whole in zip(sides, wholes, strict=True)},
    }


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
    """Token counts of the pairs that are kept; texts without a rejected side have none there.

    Attributes:
        prompt: Tokens of each prompt.
        chosen: Tokens of each chosen completion.
        rejected: Tokens of each rejected one.
        weights: Weight of each pair.
        dropped: Pairs over the limit.
        empty: Pairs left out because a side, or the prompt, has no token.
        alike: Pairs left out because both sides are the same tokens: nothing prefers one to the other.
        longest_dropped: Tokens of the longest pair over the limit.
    """

    prompt: list[int] = field(default_factory=list)
    chosen: list[int] = field(default_factory=list)
    rejected: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    dropped: int = 0
    empty: int = 0
    alike: int = 0
    longest_dropped: int = 0

    def __len__(self) -> int:
        """Pairs kept."""
        return len(self.prompt)

    @property
    def total(self) -> int:
        """Tokens that one epoch runs through the model, the prompt once a side."""
        return sum(self.prompt) * (2 if self.rejected else 1) + sum(self.chosen) + sum(self.rejected)

    @property
    def packed_total(self) -> int:
        """The same with each pair as one sequence, its prompt once."""
        return sum(self.prompt) + len(self) + sum(self.chosen) + sum(self.rejected)

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence."""
        return max(self.sequences(max))

    @property
    def longest_packed(self) -> int:
        """Tokens of the longest pair as one sequence."""
        return 1 + max(self.sequences(sum))

    def sequences(self, joined: Callable[[Sequence[int]], int]) -> Iterator[int]:
        """Tokens of each pair: its prompt's, and what `joined` makes of those of its sides."""
        sides = zip(self.chosen, self.rejected, strict=True) if self.rejected else ((n,) for n in self.chosen)
        return (prompt + joined(side) for prompt, side in zip(self.prompt, sides, strict=True))

    @property
    def mean_difference(self) -> float:
        """Mean of chosen - rejected tokens."""
        return (sum(self.chosen) - sum(self.rejected)) / len(self)


def encoded(
    pairs: PairFile,
    tokenizer: Any,
    max_length: int,
    keep: Callable[[Record], None] = lambda row: None,
    smoothing: Sequence[float] | None = None,
) -> Lengths:
    """Turn every pair into token ids, leave out those too long, empty or with equal sides, and hand the rest to `keep`.

    Args:
        pairs: The pairs.
        tokenizer: The student's.
        max_length: Limit of prompt and one side together.
        keep: Takes a row of the training data.
        smoothing: Label smoothing of each text, in the file's order.

    Raises:
        DivtoolError: No pair is left.
    """
    lengths = Lengths()
    for place, pair in enumerate(pairs):
        ids = pair_ids(tokenizer, pair)
        if not all(ids.values()):
            lengths.empty += 1
            continue
        if ids["chosen_ids"] == ids.get("rejected_ids"):
            lengths.alike += 1
            continue
        size = len(ids["prompt_ids"]) + max(len(ids["chosen_ids"]), len(ids.get("rejected_ids", ())))
        if size > max_length:
            lengths.dropped += 1
            lengths.longest_dropped = max(lengths.longest_dropped, size)
            continue
        weight = float(pair.get("weight", 1.0))
        row = {**ids, "weight": weight, "prompt_id": _name(pair), "row": len(lengths)}
        keep(row if smoothing is None else row | {"smoothing": smoothing[place]})
        for side, counts in (("prompt", lengths.prompt), ("chosen", lengths.chosen), ("rejected", lengths.rejected)):
            if f"{side}_ids" in ids:
                counts.append(len(ids[f"{side}_ids"]))
        lengths.weights.append(weight)
    if not len(lengths):
        raise DivtoolError(_none_left(pairs, lengths, max_length))
    return lengths


def _name(pair: Record) -> str:
    return str(pair.get("prompt_id") or f"{short_hash(pair['prompt']):016x}")


def _none_left(pairs: PairFile, lengths: Lengths, max_length: int) -> str:
    if not lengths.dropped:
        return f"{pairs.name}: every pair has an empty prompt or text, or equal sides, in the student's tokens"
    return (
        f"{pairs.name}: every pair is longer than --max-length {max_length} tokens "
        f"(the longest has {lengths.longest_dropped}); raise it"
    )


def dataset(
    pairs: PairFile, tokenizer: Any, max_length: int, folder: Path, smoothing: Sequence[float] | None = None
) -> tuple[Any, Lengths]:
    """The pairs as a `datasets.Dataset` of token ids on disk, with their lengths; arguments as in `encoded`."""
    from datasets import Dataset
    from datasets.arrow_writer import ArrowWriter

    path = str(folder / "pairs.arrow")
    with ArrowWriter(path=path) as writer:
        lengths = encoded(pairs, tokenizer, max_length, writer.write, smoothing)
        writer.finalize()
    return Dataset.from_file(path), lengths
