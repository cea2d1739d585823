"""The responses of one prompt as the reward methods see them: checked, cleaned, in an order of their own."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..jsonl import Record, Row
from ..metrics.text import Tokenizer
from ..records import check_pair, check_prompt, check_scores, require
from .clean import Cleaner, Response
from .funnel import Stage

Floats = NDArray[np.float64]

_HOW = 'a response record is {"prompt": "...", "response": "...", "scores": {...}}'


def is_pair(record: Record) -> bool:
    """Whether a record is a preference pair."""
    return "chosen" in record and "rejected" in record


def check_pool_response(row: Row) -> None:
    """Check a response of a pool: sampled, or written by people and then without `sample_index`.

    Raises:
        InputError: A missing or wrongly typed key.
    """
    check_prompt(row)
    require(row, "response", str, remedy=_HOW)
    for key, least in (("sample_index", 0), ("turn", 1), ("n_tokens", 0)):
        value = require(row, key, int, optional=True, nullable=key == "n_tokens")
        if value is not None and value < least:
            raise row.fault(f"'{key}' is {value}, not a number of {least} or more")
    row.data.setdefault("turn", 1)
    require(row, "logprob", float, optional=True, nullable=True)
    require(row, "finish_reason", str, optional=True, nullable=True)
    check_scores(row, optional=True)


def check_pair_of_prompt(row: Row) -> None:
    """Check a pair; a missing `prompt_id` is filled in as for prompts.

    Raises:
        InputError: A missing or wrongly typed key.
    """
    check_pair(row)
    check_prompt(row)
    for side in ("chosen", "rejected"):
        check_scores(row, key=f"{side}_scores", optional=True)


def check_pool(group: list[Row]) -> None:
    """Check that records of one `prompt_id` belong together, and that no response is there twice.

    Raises:
        InputError: They do not; both lines are named.
    """
    first: dict[tuple[int, int], Row] = {}
    for row in group:
        if row.data["prompt"] != group[0].data["prompt"]:
            raise row.fault(f"the same prompt_id as {group[0].where} but another prompt")
        index = row.data.get("sample_index")
        if index is None or is_pair(row.data):
            continue
        other = first.setdefault((index, row.data["turn"]), row)
        if other is not row:
            raise row.fault(
                f"sample_index {index}, turn {row.data['turn']} of this prompt_id stands at {other.where} already"
            )


class InputKind:
    """The check of a record: all are responses, or all are pairs where the method takes pairs."""

    def __init__(self, method: str, takes_pairs: bool) -> None:
        self.pairs: bool | None = None
        self._method, self._takes_pairs = method, takes_pairs

    def __call__(self, row: Row) -> None:
        """Check one record.

        Raises:
            InputError: It is of the other kind, or not what its kind needs.
        """
        pair = is_pair(row.data)
        if pair and not self._takes_pairs:
            raise row.fault(
                f"a preference pair, and --method {self._method} reads responses",
                "--method deviation weighs pairs, and reference-gap picks among them",
            )
        if self.pairs is None:
            self.pairs = pair
        if pair != self.pairs:
            raise row.fault("pairs and responses in one input", "select from one kind at a time")
        (check_pair_of_prompt if pair else check_pool_response)(row)


@dataclass(slots=True)
class Pool:
    """What is fit of a prompt's responses.

    Attributes:
        prompt_id: The prompt.
        responses: In the order of (sample_index, turn, text).
        rewards: Higher is better, NaN for null, [n].
        texts: Normalised, to tell equal ones, [n].
    """

    prompt_id: str
    responses: list[Response]
    rewards: Floats
    texts: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.texts = [same_text_form(response.text) for response in self.responses]

    def __len__(self) -> int:
        return len(self.responses)

    def column(self, name: str) -> Floats:
        """A score of each response, NaN for null, [n]."""
        return column([response.score(name) for response in self.responses])

    @property
    def single(self) -> bool:
        """Whether there is one text or none."""
        return len(set(self.texts)) < 2


def column(values: list[float | None]) -> Floats:
    """Numbers with NaN for null."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def same_text_form(text: str) -> str:
    """The text as it is compared with others."""
    return unicodedata.normalize("NFC", text).strip()


def make_pool(
    group: list[Row],
    reward: Callable[[Record], float | None],
    tokenize: Tokenizer,
    cleaner: Cleaner | None,
    stage: Stage,
) -> Pool:
    """The fit responses of a prompt; what is left out is counted.

    Args:
        group: Checked responses.
        reward: The reward of a record.
        tokenize: Text to words.
        cleaner: For sampled responses; None keeps whatever is not empty.
        stage: Counts.
    """
    kept = []
    for row in group:
        stage.enter()
        response = Response(row.data, tokenize)
        sampled = cleaner is not None and "sample_index" in row.data
        fault = cleaner.fault(response) if cleaner and sampled else None if response.text.strip() else "empty"
        if fault:
            stage.drop(fault)
        else:
            kept.append(response)
    rewards = [reward(response.record) for response in kept]
    # The reward comes last, for repeated texts of people: the order must not hang on that of the lines.
    keys = [
        (r.index, r.turn, r.text, -np.inf if value is None else value) for r, value in zip(kept, rewards, strict=True)
    ]
    order = sorted(range(len(kept)), key=keys.__getitem__)
    return Pool(group[0].data["prompt_id"], [kept[i] for i in order], column([rewards[i] for i in order]))
