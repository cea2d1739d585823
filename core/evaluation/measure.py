"""Measures of runs: each metric by prompt, then its mean, its interval, and what it changed from the baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ..jsonl import Record
from ..metrics.catalog import METRICS
from ..metrics.decile_map import DecileMap
from ..metrics.definition import Setup, definition
from ..metrics.registry import Metric
from ..metrics.supplies import Sources, Supplies
from ..metrics.text import tokenizer
from .choice import headline
from .columns import Column, Columns, Part, has_twin
from .groups import Feed, Groups, supplied_lookup, text_vectors
from .references import dealt, identical, unrelated
from .rows import Side, UnitValues, adjusted, length_flag, rows, unit_values
from .runs import Run
from .sides import amount, blocked, common, cut_records, cut_sides, every_record, kept_sides, size, word_limit
from .task import Reading, Task, TaskMetric
from .tools import Tools
from .usable import rates_all
from .values import mean

Truncation = int | Literal["auto", "none"]


@dataclass(frozen=True, slots=True)
class Measured:
    """Measure records, each with the numbers behind it.

    Attributes:
        records: As in the contract, in the order of runs and metrics.
        units: In the same order, the values by unit.
    """

    records: list[Record] = field(default_factory=list)
    units: list[UnitValues] = field(default_factory=list)


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
        tools: Vectors of phrases and words for the task's own metrics; None opens the embedder of the setup for them.
        margins: Largest losses of quality that count as none, where they differ from the usual ones.
    """

    task: Task
    metrics: Sequence[Metric]
    supplies: Supplies
    setup: Setup = field(default_factory=Setup)
    feeds: Mapping[str, Feed] = field(default_factory=dict)
    deciles: DecileMap | None = None
    truncate: Truncation = "auto"
    seed: int = 0
    tools: Tools | None = None
    margins: Mapping[str, float] = field(default_factory=dict)

    def measure(self, runs: Sequence[Run], baseline: Run | None, *, references: bool = False) -> list[Record]:
        """The records of `measured`."""
        return self.measured(runs, baseline, references=references).records

    def measured(self, runs: Sequence[Run], baseline: Run | None, *, references: bool = False) -> Measured:
        """Measure records as in the contract, in the order of runs and metrics, and what stands behind them.

        Metrics of sets and some of single responses stand there for whole texts and, named `_trunc`, for texts cut to
        one number of words. P-values are adjusted over the headline rows of the call.

        Args:
            runs: What to measure; the baseline's own rows come out as well when it is among them.
            baseline: What to compare with, or None.
            references: Add the headline of made runs: of one response over and over, and of unrelated responses. They
                are made from the baseline, else from the first run.

        Raises:
            InputError: A run and the baseline share no prompt.
        """
        pairs = [common([run] if baseline is None or baseline is run else [run, baseline]) for run in runs]
        if self.task.unit == "block":
            pairs = [[blocked(side) for side in sides] for sides in pairs]
        table = _Table(self, pairs)
        compared = [two for sides in pairs for two in table.compared(sides)]
        if references:
            compared += [(side, None) for side in table.references(pairs[0][-1])]
        records = rows(self.task.name, compared, seed=self.seed, margins=self.margins)
        columns = [(side, column) for side, _ in compared for column in side.columns]
        for record, (side, column) in zip(records, columns, strict=True):
            record |= table.facts(record, side, column)
        return Measured(adjusted(records), unit_values(compared))


class _Table:
    """The records of one call; features and values that several comparisons share are computed once."""

    def __init__(self, plan: Measurer, pairs: Sequence[Sequence[Run]]) -> None:
        self._plan = plan
        self._tools = plan.tools or Tools(Sources(embedder=plan.setup.embedder), supplied=plan.supplies.embed)
        records = list({id(record): record for sides in pairs for record in every_record(sides)}.values())
        self._readings: dict[int, Reading] = {}
        self._read(records)
        self._note = self._tools.note  # that of made responses is no one's concern
        self._mixed = not all(self._usable(record) for record in records)
        self._rarefied = min(filter(None, (self._n_usable(side) for sides in pairs for side in sides)), default=0)
        limit = word_limit([kept_sides([side], self._usable)[0] for sides in pairs for side in sides])
        self._limit = limit if plan.truncate == "auto" else plan.truncate
        self._cuts = {} if self._limit == "none" else cut_records(records, self._limit)
        rate, rule = _ratings(records, self._usable, plan.task.usable_rule)
        self._setup = replace(plan.setup, ratings=rule)
        rates = {id(record): rate(record) for record in records}
        rates |= {id(cut): rates[whole] for whole, cut in self._cuts.items()}
        self._whole, self._cut = self._groups(records, rates)
        self._facts: dict[int, Record] = {}

    def _groups(self, records: list[Record], rates: Mapping[int, float]) -> tuple[Groups, Groups]:
        """The features of whole and of cut texts; every text is encoded once."""
        supplies, setup = self._plan.supplies, self._plan.setup
        texts = [*records, *self._cuts.values()]
        embed = text_vectors(supplies.embed, texts)
        style_embed = text_vectors(supplies.style_embed, texts)
        whole, cut = (
            Groups(
                tokenizer(setup.tokenizer),
                setup.settings,
                {name: supplied_lookup(supply, own) for name, supply in supplies.features.items()},
                embed,
                style_embed,
                lambda record: rates[id(record)],
            )
            for own in (records, list(self._cuts.values()))
        )
        return whole, cut

    def _read(self, records: Sequence[Record]) -> None:
        readings = self._plan.task.read(records, self._tools)
        self._readings |= {id(record): reading for record, reading in zip(records, readings, strict=True)}

    def _usable(self, record: Record) -> bool:
        return self._readings[id(record)].usable

    def _n_usable(self, run: Run) -> int:
        return sum(map(self._usable, every_record([run])))

    def compared(self, sides: Sequence[Run]) -> list[tuple[Side, Side | None]]:
        """The columns of a run, alone or beside its baseline's: of whole texts, and of truncated ones."""
        kept = kept_sides(sides, self._usable)
        parts = [Part(side, usable) for side, usable in zip(sides, kept, strict=True)]
        whole = [self._side(part) for part in parts]
        twins = [] if self._limit == "none" else self._twins(whole, kept)
        for side, twin in zip(whole, twins or whole, strict=True):
            self._facts[id(side)] = self._facts[id(twin)] = self._rates(side.run)
        return [(two[0], two[1] if len(two) == 2 else None) for two in (whole, twins) if two]

    def _rates(self, run: Run) -> Record:
        """What stands in every row of a run."""
        readings = [self._readings[id(record)] for record in every_record([run])]
        prompts = {record.get("prompt_id") for record in every_record([run])}
        return {
            "parse_rate_strict": mean(reading.strict for reading in readings),
            "parse_rate": mean(reading.value is not None for reading in readings),
            "_prompts": len(prompts),
        }

    def facts(self, record: Record, side: Side, column: Column) -> Record:
        """What a row holds beside its numbers."""
        found = {**self._facts[id(side)], "comparable": column.comparable, **column.more}
        prompts = found.pop("_prompts")
        if self._plan.task.unit == "block":
            found |= {"n_prompts": prompts, "unit": "run" if column.level == "run" else "block"}
        if column.of_words and self._note:
            found["note"] = "; ".join(filter(None, (record["note"], self._note)))
        return found

    def references(self, run: Run) -> list[Side]:
        """The headline of made runs."""
        plan, made = self._plan, [identical(run, self._usable)]
        if plan.task.unrelated is None:
            made.append(unrelated(run, self._usable, plan.seed))
        else:
            drawn = plan.task.unrelated(self._tools, size(run), plan.seed)
            self._read(drawn)
            made.append(dealt(run, drawn))
        sides = [side for one in made if (side := self._reference(one)) is not None]
        for side in sides:
            self._facts[id(side)] = self._rates(side.run)
        return sides

    def _reference(self, run: Run) -> Side | None:
        make = self._columns(self._whole)
        part = Part(run, run)
        own = [column for column in self._own(make, part) if column.role == "headline"]
        catalog = [make.of(metric, part) for metric in self._plan.metrics if metric.name == make.headline]
        columns = [replace(column, role="reference") for column in [*own, *catalog]]
        if not columns or not run.responses:
            return None
        lengths = [len(self._whole.response(record).words) for record in every_record([run])]
        return Side(run, columns, amount(run, 0, self._plan.task.unit), mean(lengths) or 0.0)

    def _columns(self, groups: Groups) -> Columns:
        plan = self._plan
        return Columns(
            groups=groups,
            define=self._define,
            headline=plan.task.headline if plan.task.leads_itself else headline(plan.task, plan.metrics),
            feeds=plan.feeds,
            read=lambda record: self._readings[id(record)],
            rarefied=self._rarefied,
            unit=plan.task.unit,
        )

    def _define(self, metric: Metric) -> str:
        if metric.name in METRICS:
            return definition(metric, self._setup)
        return definition(metric, replace(self._setup, settings=metric.args, alike=""))

    def _side(self, part: Part) -> Side:
        plan, make, run = self._plan, self._columns(self._whole), part.whole
        own = self._own(make, part)
        columns = [column for column in own if column.level != "run"]
        columns += [make.of(metric, part) for metric in (*plan.metrics, *self._variants())]
        if self._mixed:
            sets = [metric for metric in plan.metrics if metric.level == "set" and not rates_all(metric)]
            columns += [make.of_all(metric, run) for metric in sets]
        if plan.deciles is not None:
            columns += make.deciles(plan.deciles, part.kept)
        lengths = {
            p: mean([len(self._whole.response(record).words) for record in records])
            for p, records in run.responses.items()
        }
        columns += [column for column in own if column.level == "run"]
        columns += [self._usable_rate(run), _words(lengths, self._setup.tokenizer)]
        empty = sum(not self._whole.response(record).words for record in every_record([run]))
        return Side(run, columns, amount(run, empty, plan.task.unit), mean(lengths.values()) or 0.0)

    def _variants(self) -> Sequence[Metric]:
        """The task's variants of metrics that are computed."""
        targets = {metric.target for metric in self._plan.metrics}
        return [metric for metric in self._plan.task.variants if metric.target in targets]

    def _own(self, make: Columns, part: Part) -> list[Column]:
        """The task's own metrics; without the headline among them, only beside all of the task's others."""
        task, chosen = self._plan.task, {metric.name for metric in self._plan.metrics}
        wanted = task.leads_itself or set(task.metrics) <= chosen
        return [make.own(metric, part, **self._behind(metric)) for metric in (task.own if wanted else ())]

    def _behind(self, metric: TaskMetric) -> dict[str, Any]:
        words = self._tools.words if "{words}" in metric.formula else None
        names = {"embedder": self._tools.embedder, "words": words.definition if words else ""}
        return {
            "definition": metric.formula.format(**names),
            "comparable": bool(metric.of_words and words and words.comparable),
        }

    def _twins(self, whole: Sequence[Side], kept: Sequence[Run]) -> list[Side]:
        """The sides' usable responses with every text cut to one number of words, shorter ones left out."""
        metrics = [metric for metric in self._plan.metrics if has_twin(metric)]
        leads = len(whole) == 2 and length_flag(whole[0].mean_words, whole[1].mean_words)
        make = self._columns(self._cut)
        sides = []
        for side, usable, cut in zip(whole, kept, cut_sides(kept, self._cuts), strict=True):
            left_out = size(usable) - size(cut)
            how = f"texts cut to {self._limit} words (tokenizer word), {left_out} responses left out for it"
            columns = [make.twin(metric, cut, how, leads=leads) for metric in metrics]
            sides.append(Side(cut, columns, amount(cut, 0, self._plan.task.unit), side.mean_words))
        return sides

    def _usable_rate(self, run: Run) -> Column:
        rule, how = self._plan.task.usable_rule, self._plan.task.parsing
        return Column(
            metric="usable_rate",
            units={p: mean(map(self._usable, records)) for p, records in run.responses.items()},
            direction="+",
            definition=f"usable_rate: share of responses that are usable ({rule}); "
            f"{f'read leniently: {how}; ' if how else ''}higher is better",
            role="quality",
        )


def _words(lengths: dict[str, float | None], tokenizer_name: str) -> Column:
    definition = f"words: mean number of words of a response; tokenizer {tokenizer_name}; no direction"
    return Column(metric="words", units=lengths, direction="0", definition=definition, role="length")


def _ratings(
    records: Sequence[Record], usable: Callable[[Record], bool], rule: str
) -> tuple[Callable[[Record], float], str]:
    """What each response is worth, 1 to 10, and where that comes from."""
    judged: list[Any] = [(record.get("scores") or {}).get("judge") for record in records]
    if records and all(rating is not None and 1 <= rating <= 10 for rating in judged):
        return lambda record: float(record["scores"]["judge"]), "scores.judge of the records"
    return lambda record: 10.0 if usable(record) else 1.0, f"10 if usable ({rule}), else 1"
