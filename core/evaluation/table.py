"""The columns of the runs of a call: what several comparisons share is computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from ..jsonl import Record
from ..metrics.catalog import METRICS
from ..metrics.definition import definition
from ..metrics.registry import Metric
from ..metrics.supplies import Sources
from ..metrics.text import tokenizer
from .choice import headline, own_measures, variants
from .columns import Column, Columns, Part, has_twin
from .groups import Groups, supplied_lookup, text_vectors
from .judged import read_by, reader_name
from .references import dealt, identical, unrelated
from .rows import Side, length_flag
from .runs import Run
from .sides import amount, cut_records, cut_sides, every_record, kept_sides, size, word_limit
from .task import Reading, TaskMetric
from .tools import Tools
from .usable import rates_all
from .values import mean
from .worth import worth

if TYPE_CHECKING:
    from .measure import Measurer

_REWARD = "reward_logit"


@dataclass(frozen=True, slots=True)
class Frame:
    """What the rows of a call depend on beside each prompt's own responses.

    Attributes:
        mixed: Whether some responses are not usable.
        rarefied: How many usable responses the side with the fewest has.
        limit: How many words truncated twins keep, or "none".
        many: Whether all sides have as many prompts as figures are published for.
        some: Of a run that is read in parts, whether any response is usable; else None.
        rated: Likewise, whether all records have ratings of a judge.
    """

    mixed: bool
    rarefied: int
    limit: int | Literal["none"]
    many: bool
    some: bool | None = None
    rated: bool | None = None


class Table:
    """The records of one call; features and values that several comparisons share are computed once.

    Args:
        plan: What to measure.
        pairs: Runs, each alone or before its baseline.
        points: Runs that stand beside them.
        frame: What is known of the whole, where these are a part of it.
    """

    def __init__(
        self,
        plan: Measurer,
        pairs: Sequence[Sequence[Run]],
        points: Sequence[Run],
        frame: Frame | None = None,
    ) -> None:
        self._plan = plan
        self._tools = plan.tools or Tools(Sources(embedder=plan.setup.embedder), supplied=plan.supplies.embed)
        records = list({id(record): record for sides in pairs for record in every_record(sides)}.values())
        placed = every_record(points)
        self._readings: dict[int, Reading] = {}
        self._read([*records, *placed])
        self._note = self._tools.note  # that of made responses is no one's concern
        frame = frame or self._framed(pairs, records)
        self._mixed, self._rarefied, self._limit = frame.mixed, frame.rarefied, frame.limit
        self._some = frame.some
        self._cuts = {} if self._limit == "none" else cut_records(records, self._limit)
        self._opinions = plan.quality.opinions(plan.task, [*records, *placed], rated=frame.rated)
        rewards = plan.supplies.features.get(_REWARD) if _rated(plan.metrics) else None
        rate, rule = worth(
            [*records, *placed],
            self._usable,
            plan.task.usable_rule,
            rewards,
            plan.setup.reward_model,
            self._opinions.ratings,
        )
        self._setup = replace(plan.setup, ratings=rule)
        rates = {id(record): rate(record) for record in [*records, *placed]}
        rates |= {id(cut): rates[whole] for whole, cut in self._cuts.items()}
        self._whole, self._cut, self._placed = self._groups(records, placed, rates)
        self._published = self._as_published(frame)
        self._facts: dict[int, Record] = {}
        self._human_note = ""

    def _groups(
        self, records: list[Record], placed: list[Record], rates: Mapping[int, float | None]
    ) -> tuple[Groups, Groups, Groups]:
        """The features of whole and of cut texts, and of those of points; every text is encoded once."""
        supplies, setup = self._plan.supplies, self._plan.setup
        texts = [*records, *self._cuts.values(), *placed]
        embed = text_vectors(supplies.embed, texts)
        style_embed = text_vectors(supplies.style_embed, texts)
        whole, cut, points = (
            Groups(
                tokenizer(setup.tokenizer),
                setup.settings,
                {name: supplied_lookup(supply, own) for name, supply in supplies.features.items()},
                embed,
                style_embed,
                lambda record: rates[id(record)],
            )
            for own in (records, list(self._cuts.values()), placed)
        )
        return whole, cut, points

    def _framed(self, pairs: Sequence[Sequence[Run]], records: Sequence[Record]) -> Frame:
        task, truncate = self._plan.task, self._plan.truncate
        sides = [side for pair in pairs for side in pair]
        return Frame(
            mixed=not all(self._usable(record) for record in records),
            rarefied=min(filter(None, map(self._n_usable, sides)), default=0),
            limit=word_limit([kept_sides([side], self._usable)[0] for side in sides])
            if truncate == "auto"
            else truncate,
            many=all(len(side.responses) >= task.published_prompts for side in sides),
        )

    def _as_published(self, frame: Frame) -> frozenset[str]:
        """The metrics that are computed as for published figures: over all responses, to as many prompts."""
        names = self._setup.published
        if not frame.many:
            return frozenset()
        whole = {metric.name for metric in self._plan.metrics if rates_all(metric)} if self._mixed else names
        return frozenset(name if name in whole else f"{name}_all" for name in names)

    @property
    def error(self) -> Exception | None:
        """Why a judge gave no answer, where it was asked for one."""
        return self._opinions.error

    def _read(self, records: Sequence[Record]) -> None:
        task, bench = self._plan.task, self._plan.quality.bench
        if task.asked is not None and bench is not None:
            readings = read_by(bench, task.asked, records)
        else:
            readings = task.read(records, self._tools)
        self._keep(records, readings)

    def _keep(self, records: Sequence[Record], readings: Sequence[Reading]) -> None:
        self._readings |= {id(record): reading for record, reading in zip(records, readings, strict=True)}

    def _usable(self, record: Record) -> bool:
        return self._readings[id(record)].usable

    def _n_usable(self, run: Run) -> int:
        return sum(map(self._usable, every_record([run])))

    def compared(self, sides: Sequence[Run]) -> list[tuple[Side, Side | None]]:
        """The columns of a run, alone or beside its baseline's: of whole texts, and of truncated ones."""
        kept = kept_sides(sides, self._usable)
        parts = [Part(side, usable) for side, usable in zip(sides, kept, strict=True)]
        quality = self._opinions.columns(sides)
        whole = [self._side(part, own) for part, own in zip(parts, quality, strict=True)]
        twins = [] if self._limit == "none" else self._twins(whole, kept)
        for side, twin in zip(whole, twins or whole, strict=True):
            self._facts[id(side)] = self._facts[id(twin)] = self._rates(side.run)
        return [(two[0], two[1] if len(two) == 2 else None) for two in (whole, twins) if two]

    def read(self, run: Run) -> list[Reading]:
        """What the task read in the responses of a run."""
        return [self._readings[id(record)] for record in every_record([run])]

    def _rates(self, run: Run) -> Record:
        """What stands in every row of a run."""
        readings = self.read(run)
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
        notes = (self._note if column.of_words else "", self._human_note if "matched_value" in column.more else "")
        if any(notes):
            found["note"] = "; ".join(filter(None, (record["note"], *notes)))
        return found

    def references(self, run: Run) -> list[Side]:
        """The headline of made runs."""
        plan, made = self._plan, [identical(run, self._usable)]
        if plan.task.unrelated is None:
            made.append(unrelated(run, self._usable, plan.seed))
        else:
            drawn = plan.task.unrelated(self._tools, size(run), plan.seed)
            self._keep(drawn, plan.task.read(drawn, self._tools))
            made.append(dealt(run, drawn))
        sides = [side for one in made if (side := self._reference(one)) is not None]
        for side in sides:
            self._facts[id(side)] = self._rates(side.run)
        return sides

    def _reference(self, run: Run) -> Side | None:
        columns = [replace(column, role="reference") for column in self._leading(self._whole, Part(run, run))]
        if not columns or not run.responses:
            return None
        lengths = [len(self._whole.response(record).words) for record in every_record([run])]
        return Side(run, columns, amount(run, 0, self._plan.task.unit), mean(lengths) or 0.0)

    def _leading(self, groups: Groups, part: Part) -> list[Column]:
        """The headline alone; nothing where no metric can be one."""
        make = self._columns(groups)
        own = [column for column in self._own(make, part) if column.role == "headline"]
        return [*own, *(make.of(metric, part) for metric in self._plan.metrics if metric.name == make.headline)]

    def human(self, human: Run, beside: Run) -> Side:
        """The headline, or all metrics of sets where the task shows them, quality and length of humans' responses.

        Args:
            human: Responses by humans.
            beside: As many of a run, to the same prompts.
        """
        kept = kept_sides((human, beside), self._usable)
        groups = (self._placed, self._whole)
        sides = [self._shown(*given) for given in zip((human, beside), kept, groups, strict=True)]
        sizes = sorted({len(records) for records in human.responses.values()})
        each = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
        self._human_note = (
            f"{each} responses of each of {len(human.responses)} {self._plan.task.unit}s that have 2 by humans or "
            f"more, matched_value on as many of {beside.name}"
        )
        columns = [
            replace(own, role="reference", comparable=False, more={"matched_value": mean(match.units.values())})
            for own, match in zip(*(side.columns for side in sides), strict=True)
        ]
        side = replace(sides[0], columns=columns)
        self._facts[id(side)] = self._rates(human)
        return side

    def _shown(self, run: Run, kept: Run, groups: Groups) -> Side:
        """What is shown of a run beside humans, and of the humans."""
        part, task = Part(run, kept), self._plan.task
        columns = self._leading(groups, part)
        if task.human == "all":
            make, leading = self._columns(groups), {column.metric for column in columns}
            rest = (m for m in self._plan.metrics if m.level == "set" and m.name not in leading)
            columns += [make.of(metric, part) for metric in rest]
        return self._beside(run, [*columns, *self._alone(run, groups)], groups)

    def point(self, run: Run) -> Side:
        """The headline, quality and length of a run that is not compared."""
        kept = kept_sides([run], self._usable)[0]
        columns = [*self._leading(self._placed, Part(run, kept)), *self._alone(run, self._placed)]
        side = self._beside(run, columns, self._placed)
        side = replace(side, columns=[replace(column, role="reference") for column in side.columns])
        self._facts[id(side)] = self._rates(run)
        return side

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
            published=self._published,
            some=self._some,
        )

    def _define(self, metric: Metric) -> str:
        if metric.name in METRICS:
            return definition(metric, self._setup)
        return definition(metric, replace(self._setup, settings=metric.args, alike=""))

    def _side(self, part: Part, quality: Sequence[Column]) -> Side:
        plan, make, run = self._plan, self._columns(self._whole), part.whole
        own = self._own(make, part)
        columns = [column for column in own if column.level != "run" or column.pool is not None]
        columns += [_quality(make.of(metric, part)) for metric in (*plan.metrics, *self._variants())]
        if self._mixed:
            sets = [metric for metric in plan.metrics if metric.level == "set" and not rates_all(metric)]
            columns += [make.of_all(metric, run) for metric in sets]
        if plan.deciles is not None:
            columns += make.deciles(plan.deciles, part.kept)
        columns += [column for column in own if column.level == "run" and column.pool is None]
        return self._beside(run, [*columns, *quality], self._whole)

    def _alone(self, run: Run, groups: Groups) -> list[Column]:
        """The measures of quality of a run that is not compared."""
        make = self._columns(groups)
        rewards = [make.of(metric, Part(run, run)) for metric in self._plan.metrics if metric.takes == _REWARD]
        return [*map(_quality, rewards), *self._opinions.columns([run])[0]]

    def _beside(self, run: Run, columns: list[Column], groups: Groups) -> Side:
        """A run with its columns, usable rate and length beside them."""
        lengths = {
            p: mean([len(groups.response(record).words) for record in records]) for p, records in run.responses.items()
        }
        empty = sum(not groups.response(record).words for record in every_record([run]))
        columns = [*columns, self._usable_rate(run), _words(lengths, self._setup.tokenizer)]
        return Side(run, columns, amount(run, empty, self._plan.task.unit), mean(lengths.values()) or 0.0, empty)

    def _variants(self) -> Sequence[Metric]:
        return variants(self._plan.task, self._plan.metrics)

    def _own(self, make: Columns, part: Part) -> list[Column]:
        wanted = own_measures(self._plan.task, self._plan.metrics, self._plan.own)
        return [make.own(metric, part, **self._behind(metric)) for metric in wanted]

    def _behind(self, metric: TaskMetric) -> dict[str, Any]:
        words = self._tools.words if "{words}" in metric.formula else None
        names = {
            "embedder": self._tools.embedder,
            "words": words.definition if words else "",
            "reader": self._reader,
        }
        return {
            "definition": metric.formula.format(**names),
            "comparable": bool(metric.of_words and words and words.comparable),
        }

    @property
    def _reader(self) -> str:
        """What reads the responses, where a judge can do so."""
        task, bench = self._plan.task, self._plan.quality.bench
        return reader_name(task.asked, bench) if task.asked is not None else ""

    def _twins(self, whole: Sequence[Side], kept: Sequence[Run]) -> list[Side]:
        """The sides' usable responses with every text cut to one number of words, shorter ones left out."""
        metrics = [metric for metric in self._plan.metrics if has_twin(metric)]
        leads = len(whole) == 2 and length_flag(whole[0].mean_words, whole[1].mean_words)
        make = self._columns(self._cut)
        sides = []
        for side, usable, cut in zip(whole, kept, cut_sides(kept, self._cuts), strict=True):
            left_out = size(usable) - size(cut)
            how = how_cut(self._limit, left_out)
            columns = [make.twin(metric, cut, how, leads=leads) for metric in metrics]
            sides.append(Side(cut, columns, amount(cut, 0, self._plan.task.unit), side.mean_words))
        return sides

    def _usable_rate(self, run: Run) -> Column:
        rule, how = self._plan.task.usable_rule, self._plan.task.parsing.replace("{reader}", self._reader)
        return Column(
            metric="usable_rate",
            units={p: mean(map(self._usable, records)) for p, records in run.responses.items()},
            direction="+",
            definition=f"usable_rate: share of responses that are usable ({rule}); "
            f"{f'read leniently: {how}; ' if how else ''}higher is better",
            role="detail" if self._opinions.leads or self._rewarded() else "quality",
        )

    def _rewarded(self) -> bool:
        return self._plan.task.criteria is not None and any(m.takes == _REWARD for m in self._plan.metrics)


def how_cut(limit: int | str, left_out: int) -> str:
    """How texts were cut, for a definition.

    Args:
        limit: Words that are kept.
        left_out: Responses that were too short.
    """
    return f"texts cut to {limit} words (tokenizer word), {left_out} responses left out for it"


def _words(lengths: dict[str, float | None], tokenizer_name: str) -> Column:
    definition = f"words: mean number of words of a response; tokenizer {tokenizer_name}; no direction"
    return Column(metric="words", units=lengths, direction="0", definition=definition, role="length")


def _rated(metrics: Sequence[Metric]) -> bool:
    """Whether one of the metrics asks what a response is worth."""
    return any(metric.takes == "rated_texts" for metric in metrics)


def _quality(column: Column) -> Column:
    """A reward is a measure of quality."""
    return replace(column, role="quality", direction="+") if column.metric == "reward" else column
