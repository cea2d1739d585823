"""Measures of runs: each metric by prompt, then its mean, its interval, and what it changed from the baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ..jsonl import Record
from ..metrics.decile_map import DecileMap
from ..metrics.definition import Setup, definition
from ..metrics.registry import Metric
from ..metrics.supplies import Supplies
from ..metrics.text import tokenizer
from .choice import headline
from .columns import Column, Columns, has_twin, mean
from .groups import Feed, Groups, supplied_lookup, text_vectors
from .rows import Side, adjusted, length_flag, row
from .runs import Run
from .sides import amount, common, cut_records, cut_sides, every_record, size, word_limit
from .task import Task

Truncation = int | Literal["auto", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurer:
    """Measures runs of one task.

    Attributes:
        task: What is usable, and which metric is the headline.
        metrics: What to compute.
        supplies: Encoders and other sources of features, opened.
        setup: Their names, for the definitions.
        feeds: Features that are streamed from a model, for metrics of whole runs.
        deciles: A map for rows of Diversity Deciles, or None; the supplies cover its metrics too.
        truncate: How many words the truncated twins keep: a number, "auto" or "none".
        seed: For resampling.
    """

    task: Task
    metrics: Sequence[Metric]
    supplies: Supplies
    setup: Setup = field(default_factory=Setup)
    feeds: Mapping[str, Feed] = field(default_factory=dict)
    deciles: DecileMap | None = None
    truncate: Truncation = "auto"
    seed: int = 0

    def measure(self, runs: Sequence[Run], baseline: Run | None) -> list[Record]:
        """Measure records as in the contract, in the order of runs and metrics.

        Metrics of sets and some of single responses stand there for whole texts and, named `_trunc`, for texts cut to
        one number of words. P-values are adjusted over the headline rows of the call.

        Args:
            runs: What to measure; the baseline's own rows come out as well when it is among them.
            baseline: What to compare with, or None.

        Raises:
            InputError: A run and the baseline share no prompt.
        """
        every = list({id(run): run for run in (*runs, *([baseline] if baseline is not None else []))}.values())
        limit = word_limit(every) if self.truncate == "auto" else self.truncate
        pairs = [common([run] if baseline is None or baseline is run else [run, baseline]) for run in runs]
        table = _Table(self, [side for sides in pairs for side in sides], limit)
        return adjusted([record for sides in pairs for record in table.records(sides)])


class _Table:
    """The records of one call; features and values that several comparisons share are computed once."""

    def __init__(self, plan: Measurer, sides: Sequence[Run], limit: int | Literal["none"]) -> None:
        self._plan, self._limit = plan, limit
        records = list({id(record): record for record in every_record(sides)}.values())
        self._cuts = {} if limit == "none" else cut_records(records, limit)
        self._usable = {id(record): plan.task.usable(record) for record in records}
        rate, rule = _ratings(records, self._usable, plan.task.usable_rule)
        self._setup = replace(plan.setup, ratings=rule)
        rates = {id(record): rate(record) for record in records}
        rates |= {id(cut): rates[whole] for whole, cut in self._cuts.items()}
        texts = [*records, *self._cuts.values()]
        embed = text_vectors(plan.supplies.embed, texts)
        style_embed = text_vectors(plan.supplies.style_embed, texts)
        self._whole, self._cut = (
            Groups(
                tokenizer(plan.setup.tokenizer),
                plan.setup.settings,
                {name: supplied_lookup(supply, own) for name, supply in plan.supplies.features.items()},
                embed,
                style_embed,
                lambda record: rates[id(record)],
            )
            for own in (records, list(self._cuts.values()))
        )

    def records(self, sides: Sequence[Run]) -> list[Record]:
        """The rows of a run, alone or beside its baseline."""
        whole = [self._side(run) for run in sides]
        found = self._rows(whole)
        return found if self._limit == "none" else found + self._rows(self._twins(whole))

    def _rows(self, sides: Sequence[Side]) -> list[Record]:
        side, other = sides[0], sides[1] if len(sides) == 2 else None
        return [
            row(self._plan.task.name, side, other, place, seed=self._plan.seed) for place in range(len(side.columns))
        ]

    def _columns(self, groups: Groups) -> Columns:
        plan = self._plan
        return Columns(
            groups=groups,
            define=lambda metric: definition(metric, self._setup),
            headline=headline(plan.task, plan.metrics),
            feeds=plan.feeds,
        )

    def _side(self, run: Run) -> Side:
        make = self._columns(self._whole)
        columns = [make.of(metric, run) for metric in self._plan.metrics]
        if self._plan.deciles is not None:
            columns += make.deciles(self._plan.deciles, run)
        lengths = {
            p: mean([len(self._whole.response(record).words) for record in records])
            for p, records in run.responses.items()
        }
        columns += [self._usable_rate(run), _words(lengths, self._setup.tokenizer)]
        empty = sum(not self._whole.response(record).words for record in every_record([run]))
        return Side(run, columns, amount(run, empty), mean(lengths.values()) or 0.0)

    def _twins(self, whole: Sequence[Side]) -> list[Side]:
        """The sides with every text cut to one number of words, shorter ones left out."""
        metrics = [metric for metric in self._plan.metrics if has_twin(metric)]
        leads = len(whole) == 2 and length_flag(whole[0].mean_words, whole[1].mean_words)
        make = self._columns(self._cut)
        sides = []
        for side, cut in zip(whole, cut_sides([side.run for side in whole], self._cuts), strict=True):
            left_out = size(side.run) - size(cut)
            how = f"texts cut to {self._limit} words (tokenizer word), {left_out} responses left out for it"
            columns = [make.twin(metric, cut, how, leads=leads) for metric in metrics]
            sides.append(Side(cut, columns, amount(cut, 0), side.mean_words))
        return sides

    def _usable_rate(self, run: Run) -> Column:
        return Column(
            metric="usable_rate",
            units={p: mean([self._usable[id(record)] for record in records]) for p, records in run.responses.items()},
            direction="+",
            definition=f"usable_rate: share of responses that are usable ({self._plan.task.usable_rule}); "
            "higher is better",
            role="quality",
        )


def _words(lengths: dict[str, float | None], tokenizer_name: str) -> Column:
    definition = f"words: mean number of words of a response; tokenizer {tokenizer_name}; no direction"
    return Column(metric="words", units=lengths, direction="0", definition=definition, role="length")


def _ratings(records: Sequence[Record], usable: Mapping[int, bool], rule: str) -> tuple[Callable[[Record], float], str]:
    """What each response is worth, 1 to 10, and where that comes from."""
    judged: list[Any] = [(record.get("scores") or {}).get("judge") for record in records]
    if records and all(rating is not None for rating in judged):
        return lambda record: float(record["scores"]["judge"]), "scores.judge of the records"
    return lambda record: 10.0 if usable[id(record)] else 1.0, f"10 if usable ({rule}), else 1"
