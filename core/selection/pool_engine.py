"""The pairs of one prompt after the other, for the methods that pair responses by reward."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..draws import generator
from ..jsonl import Record, Row
from ..metrics.text import tokenizer
from .clean import Cleaner
from .criteria import Criterion, judge_of
from .divpo_options import DivpoOptions
from .encoders import OF_THE_POOL, Encoders
from .funnel import Funnel
from .given_pairs import GivenPairs
from .makers import ByReward, Extremes, Made, Maker, NearEqual
from .numbers import Numbers
from .options import DeviationOptions, MarginalOptions, PoolOptions, WeighedOptions
from .pairs import pair_record
from .pools import Pool, is_pair, make_pool
from .weighing import Weigher, Weights

if TYPE_CHECKING:
    from ..judging.judge import Judge

_REMEDIES = {
    "clean": "--no-clean, or sample with more --max-new-tokens",
    "prompts": "more samples a prompt (sample -n), or a reward that tells responses apart",
    "candidates": "--length-tolerance, or more samples a prompt (sample -n)",
}
_NO_WEIGHT = "no weight: a signal is null"


class PoolRun:
    """Pairs, one prompt after the other; whatever is opened for them is opened with the first, and once.

    Args:
        method: Name for the pairs' `method`.
        options: Those of `deviation`, `divpo` or `marginal`.
        note: Hears what is opened.

    Attributes:
        funnel: Counts what each rule drops.
        counts: Counts prompts that are worth a note.
        numbers: What is read off the records.
        made: How many pairs were made of responses.
        rising: Those among them whose chosen one is the more diverse.
        judged: What the judges of other parts did.
    """

    def __init__(self, method: str, options: PoolOptions, note: Callable[[str], None]) -> None:
        self.method, self.options, self._note = method, options, note
        self.counts: Counter[str] = Counter()
        self.funnel = Funnel(_REMEDIES)
        self.tokenize = tokenizer(self.options.tokenizer)
        self.encoders = Encoders(self.options.sources, self.tokenize, note)
        self.weigher = Weigher(
            signals=self.options.parsed_signals,
            combine=self.options.combine,
            raw=self.options.raw_weights,
            least=self.options.least_weight,
            counts=self.counts,
        )
        self.numbers = Numbers(self.options.quality_metric)
        self._cleaner = Cleaner(0, word_list=False) if self.options.clean else None
        self.made = self.rising = 0
        self._judge: Judge | None = None
        self.judged: Counter[str] = Counter()
        self._given: GivenPairs | None = None
        self._made_by: Maker | None = None
        self._criterion: Criterion | None = None

    @property
    def weighs(self) -> bool:
        """Whether pairs get weights of their own."""
        options = self.options
        return isinstance(options, DeviationOptions) or (
            isinstance(options, WeighedOptions) and options.weights is not None
        )

    @property
    def _anew(self) -> bool:
        """Whether signals are computed over the texts of a prompt's pairs."""
        return isinstance(self.options, DeviationOptions) and self.options.pool == "pairs"

    def pairs(self, group: list[Row]) -> Iterator[Record]:
        """The pair records of a prompt.

        Args:
            group: Its checked records; pairs are weighed, responses are paired.
        """
        if is_pair(group[0].data):
            self._given = self._given or GivenPairs(self)
            return self._given.weighed(group)
        self._made_by = self._made_by or self._maker()
        return self._made(group, self._made_by)

    def _maker(self) -> Maker:
        """Settle what the method reads and opens."""
        options = self.options
        signals = self.weigher.names if self._reads_signals else ()
        if isinstance(options, DivpoOptions):
            self._judge = judge_of(options, self._note)
            self._criterion = Criterion(options, self.encoders, self.weigher, self._judge, self.counts)
            signals = (*signals, *self._criterion.scores)
            if options.diversity == "knn" or (options.diversity == "deviation" and options.recomputes):
                self.encoders.open(OF_THE_POOL)
        if isinstance(options, MarginalOptions):
            self.encoders.open(OF_THE_POOL[:1])
        if self._anew:
            self.encoders.open(self.weigher.names)
            signals = tuple(name for name in signals if name not in OF_THE_POOL)
        self.numbers.scores = tuple(dict.fromkeys(signals))
        if isinstance(options, DeviationOptions) and set(self.numbers.scores) <= set(OF_THE_POOL):
            self.numbers.otherwise = ", or compute them here with --pool pairs"
        return self._of_method()

    @property
    def _reads_signals(self) -> bool:
        options = self.options
        by_deviation = isinstance(options, DivpoOptions) and options.diversity == "deviation" and not options.recomputes
        return self.weighs or by_deviation

    def _of_method(self) -> Maker:
        options = self.options
        if isinstance(options, DivpoOptions):
            assert self._criterion is not None, "made just before"
            return Extremes(options, self._criterion)
        if isinstance(options, MarginalOptions):
            return NearEqual(options, self.encoders)
        assert isinstance(options, DeviationOptions), "the catalog names no other class"
        return ByReward(options, lambda: self.numbers.reward)

    def _made(self, group: list[Row], maker: Maker) -> Iterator[Record]:
        """The pairs of a prompt's responses."""
        for row in group:
            self._check(row)
        pool = make_pool(
            group, self.numbers.reward_of, self.tokenize, self._cleaner, self.funnel.stage("clean", "responses")
        )
        prompts = self.funnel.stage("prompts", "prompts")
        prompts.enter()
        made, weights = self._paired(pool, maker)
        if isinstance(made, str):
            prompts.drop(made)
            return
        yield from self._records(pool, made, weights)

    def _check(self, row: Row) -> None:
        self.numbers.check(row)
        if self._criterion is not None:
            self._criterion.check(row)
        counted = self.options.length_tolerance is not None and self.options.length_unit == "tokens"
        if counted and row.data.get("n_tokens") is None:
            raise row.fault("no 'n_tokens', which --length-unit tokens counts", "use words or chars")

    def _paired(self, pool: Pool, maker: Maker) -> tuple[list[Made] | str, Weights | None]:
        """The pairs of a pool with its weights, or why there are none."""
        if pool.single:
            return "single", None
        weights = self.weigher.weigh(pool.column, len(pool)) if self._reads_signals and not self._anew else None
        known = ~np.isnan(pool.rewards)
        if weights is not None and self.weighs:
            known &= ~np.isnan(weights.weight)
        places = np.flatnonzero(known).tolist()
        if len(places) < 2:
            return "reward or signal null", None
        return maker(pool, places, weights, self.funnel.stage("candidates", "candidates")), weights

    def _records(self, pool: Pool, made: list[Made], weights: Weights | None) -> Iterator[Record]:
        places = [(pair.chosen, pair.rejected) for pair in made]
        keys: list[dict[str, Any]] = [{} for _ in made]
        if self.weighs:
            of_texts: dict[int, int] | range = range(len(pool))
            if weights is None or self._anew:
                weights, of_texts = self._over_pairs(pool, places)
            keys = self.keys(weights, [(of_texts[i], of_texts[j]) for i, j in places])
        stage = self.funnel.stage("weights", "pairs") if self.weighs else None
        for pair, own in zip(made, keys, strict=True):
            if stage is not None:
                stage.enter()
                if np.isnan(own["weight"]):
                    stage.drop(_NO_WEIGHT)
                    continue
            self.made += 1
            self.rising += pair.gap > 0
            yield self._record(pool, pair) | own

    def keys(self, weights: Weights, places: list[tuple[int, int]]) -> list[dict[str, Any]]:
        """The keys on weight of the pairs in these places of a pool."""
        if isinstance(self.options, DeviationOptions) and self.options.contrast:
            return weights.of_contrasts(places, self.options.raw_weights)
        return [weights.of_pair(i, j) for i, j in places]

    def _over_pairs(self, pool: Pool, places: list[tuple[int, int]]) -> tuple[Weights, dict[int, int]]:
        """Weights over the distinct texts of the pairs, and where each response stands among them."""
        texts: dict[str, int] = {}
        first: list[int] = []
        where = {}
        for place in sorted({place for pair in places for place in pair}):
            text = pool.texts[place]
            if text not in texts:
                texts[text] = len(texts)
                first.append(place)
            where[place] = texts[text]

        def values(name: str) -> np.ndarray[Any, Any]:
            if name in OF_THE_POOL:
                return self.encoders.signal(name, [pool.responses[place].text for place in first])
            return pool.column(name)[first]

        return self.weigher.weigh(values, len(first)), where

    def _record(self, pool: Pool, pair: Made) -> Record:
        chosen, rejected = pool.responses[pair.chosen], pool.responses[pair.rejected]
        swap = False
        if self.options.shuffle_labels:
            draw = generator(self.options.seed, "shuffle", pool.prompt_id, pair.chosen, pair.rejected)
            swap = bool(draw.random() < 0.5)
        name = self._picked_by
        record = pair_record(
            self.method,
            chosen,
            rejected,
            pair.gap,
            {name: pair.gap},
            unit=self.options.length_unit,
            swap=swap,
        )
        self._tell_reward(record, *((rejected, chosen) if swap else (chosen, rejected)))
        return record

    def _tell_reward(self, record: Record, chosen: Any, rejected: Any) -> None:
        """A reward from outside the scores joins them, so that the pair still knows it."""
        name = self.numbers.reward
        for key, response in (("chosen_scores", chosen), ("rejected_scores", rejected)):
            if name is not None and name not in record[key]:
                value = response.record.get(name, self.numbers.reward_of(response.record))
                record[key] = {**record[key], name: value}

    @property
    def _picked_by(self) -> str:
        if self._criterion is not None:
            return self._criterion.name
        return "marginal" if isinstance(self.options, MarginalOptions) else str(self.numbers.reward)

    def origins(self) -> dict[str, str]:
        """Where each signal of the weights comes from."""
        if not self.weighs:
            return {}
        scored = self.numbers.scores
        return {name: "as scored" if name in scored else self.encoders.origin(name) for name in self.weigher.names}

    def judge_lines(self) -> list[str]:
        """What the judge cost, where there was one."""
        judging = self.options.judging if isinstance(self.options, DivpoOptions) else None
        if judging is None:
            return []
        from ..judging.judge import cost_line

        return [cost_line(judging.model, **self.verdicts())]

    def verdicts(self) -> dict[str, int]:
        """What the judge did, here and in the parts that were absorbed."""
        return {name: self.judged[name] + getattr(self._judge, name, 0) for name in ("asked", "calls", "unparsed")}
