"""What DivPO counts as diverse: a number for each response of a prompt, higher is more diverse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..draws import generator
from ..jsonl import Row
from ..metrics.likelihood import mean_logprob
from ..records import messages
from .divpo import ranked
from .divpo_options import DivpoOptions
from .encoders import OF_THE_POOL, RARITY, Encoders
from .numbers import json_object
from .pools import Floats, Pool, column
from .weighing import Weigher, Weights

if TYPE_CHECKING:
    from ..judging.judge import Judge

OWN = ("prob", "prob-sum", "freq", "knn", "deviation", "judge")
_RANDOM = "random"


class Criterion:
    """One criterion of diversity.

    Args:
        options: Which it is, and its settings.
        encoders: Vectors of texts.
        weigher: Combines signals, for `deviation`.
        judge: For `judge`.
        counts: Counts what was fallen back from.
    """

    def __init__(
        self,
        options: DivpoOptions,
        encoders: Encoders,
        weigher: Weigher,
        judge: Judge | None,
        counts: Counter[str],
    ) -> None:
        self.name = options.diversity
        self._options, self._encoders, self._weigher = options, encoders, weigher
        self._judge, self._counts = judge, counts

    @property
    def scores(self) -> tuple[str, ...]:
        """The names in `scores` that it reads, beside the deviation of the whole pool."""
        if self.name == "deviation" and self._options.recomputes:
            return tuple(name for name in self._weigher.names if name not in OF_THE_POOL)
        return () if self.name in OWN else (self.name.removeprefix("-"),)

    def check(self, row: Row) -> None:
        """Demand what a record must have beside scores.

        Raises:
            InputError: The sampler gave no log-probability.
        """
        if self.name in ("prob", "prob-sum") and (row.data.get("logprob") is None or not row.data.get("n_tokens")):
            empty = row.data.get("logprob") is not None and row.data.get("n_tokens") == 0
            if not empty:
                raise row.fault(
                    f"no 'logprob' and 'n_tokens', which --criterion {self.name} reads",
                    "sample from a local model, or use --criterion freq",
                )

    def of(self, pool: Pool, places: Iterable[int], weights: Weights | None) -> Floats:
        """The criterion over these places as a pool of their own; NaN elsewhere and for null, [n].

        Args:
            pool: The prompt's responses.
            places: Which of them.
            weights: The deviation of the whole pool as it was scored; None computes it anew over `places`.
        """
        own = list(places)
        values = np.full(len(pool), np.nan)
        ways: dict[str, Callable[[Pool, list[int], Weights | None], Floats]] = {
            "prob": lambda pool, own, _: -_each(pool, own, mean_logprob),
            "prob-sum": lambda pool, own, _: -_each(pool, own, lambda record: record.get("logprob")),
            "freq": self._rarity,
            "knn": self._nearest,
            "deviation": self._deviation,
        }
        way = ways.get(self.name, self._scored)
        values[own] = way(pool, own, weights)
        return values

    def judged(
        self, pool: Pool, best: list[int], worst: list[int], ties: Floats
    ) -> tuple[list[int], list[int], Floats]:
        """The most diverse of the best and the least diverse of the worst, as the judge sees them.

        Where its two answers do not agree, the frequency of the words decides for the prompt.

        Returns:
            Winners, losers, and values whose difference is 1, or those of `freq`.
        """
        values = np.full(len(pool), np.nan)
        most, least = self._asked(pool, best, 0), self._asked(pool, worst, 1)
        if most is not None and least is not None:
            values[least], values[most] = 0.0, 1.0
            return [most], [least], values
        self._counts["the judge did not agree with itself: freq"] += 1
        everyone = list(range(len(pool)))
        values[everyone] = self._rarity(pool, everyone, None)
        return ranked(best, values, ties, most=True), ranked(worst, values, ties, most=False), values

    def _asked(self, pool: Pool, places: list[int], which: int) -> int | None:
        """The most (0) or least (1) diverse of some responses."""
        if len({pool.texts[place] for place in places}) == 1:
            return places[0]
        assert self._judge is not None, "the options demand one"
        texts = [pool.responses[place].text for place in places]
        prompt = messages(pool.responses[0].record["prompt"])
        (answer,) = self._judge.most_least_diverse([(prompt, texts)])
        return None if answer is None else places[answer[which]]

    def _scored(self, pool: Pool, own: list[int], weights: Weights | None) -> Floats:
        sign = -1 if self.name.startswith("-") else 1
        result: Floats = sign * pool.column(self.name.removeprefix("-"))[own]
        return result

    def _rarity(self, pool: Pool, own: list[int], weights: Weights | None) -> Floats:
        if self._options.attribute is None:
            return self._encoders.signal(RARITY, [pool.responses[place].text for place in own])
        return self._value_shares(pool, own, self._options.attribute)

    def _value_shares(self, pool: Pool, own: list[int], key: str) -> Floats:
        """Minus the share of the responses whose JSON answer has the same value; NaN without one."""
        answers = [json_object(pool.responses[place].text) or {} for place in own]
        if key == _RANDOM:
            # Of the whole prompt: both sets must be held against one attribute.
            every = sorted({key for r in pool.responses for key in json_object(r.text) or {}})
            if not every:
                return np.full(len(own), np.nan)
            key = every[int(generator(self._options.seed, "attribute", pool.prompt_id).integers(len(every)))]
        values = [_plain(answer.get(key)) for answer in answers]
        shares = Counter(value for value in values if value is not None)
        total = shares.total()
        return column([None if value is None else -shares[value] / total for value in values])

    def _nearest(self, pool: Pool, own: list[int], weights: Weights | None) -> Floats:
        """The cosine distance to the nearest other response; NaN for a response alone."""
        vectors = self._encoders.vectors([pool.responses[place].text for place in own])
        cosines = vectors @ vectors.T
        np.fill_diagonal(cosines, -np.inf)
        if len(own) < 2:
            return np.full(len(own), np.nan)
        result: Floats = np.clip(1 - cosines.max(axis=1), 0, 2)
        return result

    def _deviation(self, pool: Pool, own: list[int], weights: Weights | None) -> Floats:
        if weights is not None:
            whole: Floats = weights.combined[own]
            return whole
        texts = [pool.responses[place].text for place in own]
        columns = {name: self._of_texts(pool, own, name, texts) for name in self._weigher.names}
        # Sets are no prompts: what is flat in them is not counted.
        return replace(self._weigher, counts=Counter()).weigh(columns.__getitem__, len(own)).combined

    def _of_texts(self, pool: Pool, own: list[int], name: str, texts: Sequence[str]) -> Floats:
        return self._encoders.signal(name, texts) if name in OF_THE_POOL else pool.column(name)[own]


def judge_of(options: DivpoOptions, warn: Callable[[str], None]) -> Judge | None:
    """The judge that the options name, or None.

    Raises:
        DivtoolError: Its address or key is not usable, or the extra is not installed.
    """
    if options.judging is None:
        return None
    from ..judging.open import open_judge

    return open_judge(options.judging, warn)


def _each(pool: Pool, own: list[int], value: Callable[[Any], float | None]) -> Floats:
    return column([value(pool.responses[place].record) for place in own])


def _plain(value: Any) -> str | None:
    """A value of a JSON answer, as it is compared with others."""
    plain = str(value).casefold().strip() if value is not None else ""
    return plain or None
