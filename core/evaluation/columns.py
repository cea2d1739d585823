"""One number a prompt, or one for the whole run, for each metric of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..jsonl import Record
from ..metrics.catalog import METRICS
from ..metrics.decile_map import DecileMap
from ..metrics.registry import Level, Metric
from .groups import Feed, Groups
from .pooled import Key, Pool, Pooling
from .runs import Run
from .task import Reading, TaskMetric, Unit
from .usable import LEAST, count, counts, rates_all
from .values import mean

Units = Mapping[str, float | None]

# The metrics of single responses that have a truncated twin; of those of sets all have one.
_TWINNED = frozenset({"ttr", "word_entropy", "compression_ratio", "dsi_lite"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One metric over a run.

    Attributes:
        metric: Its name.
        units: By prompt_id; of a metric of whole runs, one value without a prompt.
        direction: `+`, `-` or `0`.
        definition: How it is computed.
        role: As in the measure records.
        level: As in the metric catalog.
        null: When a value is null.
        null_share: Of a metric of single responses, the share for which it is null.
        of: Of how many responses that is the share.
        used: By the names of the units, how many responses the value rests on; None for all of them.
        counted: Of a run that was read in parts, how many responses the units that are defined rest on, as one number.
        comparable: Whether the number is comparable with published ones.
        of_words: Whether it rests on word vectors.
        more: Further keys of the row.
        note: What a reader must know.
        votes: Of ratings, how many of a judge's answers could not be read, and how many there are.
        pool: Of a measure of the values of all units together, these values.
        tally: Of a measure of the whole run that rests on counts, these counts.
    """

    metric: str
    units: Mapping[str, float | None]
    direction: str
    definition: str
    role: str = "detail"
    level: Level = "response"
    null: str = ""
    null_share: float | None = None
    of: int = 0
    used: Mapping[str, int] | None = None
    counted: int | None = None
    comparable: bool = False
    of_words: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    votes: tuple[int, int] | None = None
    pool: Pool | None = None
    tally: Counter[str] | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A run and what of it counts.

    Attributes:
        whole: All responses that are compared.
        kept: The usable ones among them; beside a baseline as many of each unit as there are on both sides.
    """

    whole: Run
    kept: Run


def has_twin(metric: Metric) -> bool:
    """Whether a metric is computed on truncated texts as well."""
    return metric.level == "set" or metric.name in _TWINNED


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Makes the columns of runs.

    Attributes:
        groups: The responses with their features.
        define: How a metric is computed in this call.
        headline: Name of the metric that the verdict is about.
        feeds: For features that are streamed from a model, where they come from.
        read: What the task read in a response.
        rarefied: To how many usable responses counts of whole runs are brought down.
        unit: What a unit is called: "prompt" or "block".
        published: Metrics whose numbers are comparable with published ones.
        some: Where the responses are a part of a run, whether any of the run's is usable; else None.
    """

    groups: Groups
    define: Callable[[Metric], str]
    headline: str | None
    feeds: Mapping[str, Feed]
    read: Callable[[Record], Reading]
    rarefied: int = 0
    unit: str = "prompt"
    published: frozenset[str] = frozenset()
    some: bool | None = None

    def of(self, metric: Metric, part: Part) -> Column:
        """A metric of single responses, of sets or of whole runs, over what is usable where it is about diversity."""
        if metric.level == "set":
            return self._of_set(metric, part)
        run = part.whole if rates_all(metric) else part.kept
        return self._of_run(metric, run) if metric.level == "run" else self._mean_of(metric, run)

    def of_all(self, metric: Metric, whole: Run) -> Column:
        """A metric of sets over all responses, also those that are not usable: a detail."""
        units = {p: self.groups.value(metric, records) for p, records in whole.responses.items()}
        definition = f"{self.define(metric)}; all responses of a {self.unit}, also those that are not usable"
        return self._set_column(metric, f"{metric.name}_all", units, definition, metric.null, "detail", _sizes(whole))

    def own(self, metric: TaskMetric, part: Part, *, definition: str, comparable: bool) -> Column:
        """A metric of what the task read.

        Args:
            metric: The metric.
            part: The run.
            definition: Its formula with the names of what was used.
            comparable: Whether it is comparable with published numbers.
        """
        if metric.pooled is not None:
            return self._pooled(metric, metric.pooled, part, definition)
        if metric.level == "run":
            unit = self._read_unit([record for records in part.whole.responses.values() for record in records])
            tally = metric.tally.counts(unit.values) if metric.tally else None
            value = metric.tally.number(tally) if metric.tally and tally is not None else metric.value(unit)
            return Column(
                metric=metric.name, direction=metric.direction, definition=f"{metric.name}: {definition}", level="run",
                units=self._unless_empty(part.whole, {"": value}), more=metric.shown(unit) if metric.shown else {},
                tally=tally,
            )  # fmt: skip
        source = part.kept if metric.equal else part.whole
        units: Units = {p: metric.value(self._read_unit(records)) for p, records in source.responses.items()}
        units = self._unless_empty(part.whole, units)
        both = ", as many on both sides" if metric.equal else ""
        definition = f"{metric.name}: {definition}; usable responses of a {self.unit}{both}, mean over {self.unit}s"
        role = "headline" if metric.name == self.headline else "detail"
        return Column(
            metric=metric.name, units=units, direction=metric.direction, definition=definition, role=role, level="set",
            null=metric.null, used=_sizes(source), comparable=comparable, of_words=metric.of_words,
        )  # fmt: skip

    def _pooled(self, metric: TaskMetric, pooling: Pooling, part: Part, definition: str) -> Column:
        values = {
            p: [key for record in records for key in self._keys(pooling, record)]
            for p, records in part.whole.responses.items()
        }
        pool = Pool(values, pooling)
        return Column(
            metric=metric.name, units={"": pool.value()}, direction=metric.direction, level="run", null=metric.null,
            definition=f"{metric.name}: {definition}; all {self.unit}s together, beside a baseline as many values "
            f"of each attribute and {self.unit} on both sides; interval over {self.unit}s", pool=pool,
            role="headline" if metric.name == self.headline else "detail",
        )  # fmt: skip

    def _keys(self, pooling: Pooling, record: Record) -> Iterable[Key]:
        reading = self.read(record)
        return pooling.keys(reading.value) if reading.usable else ()

    def _unless_empty(self, run: Run, units: Units) -> Units:
        """The same; undefined throughout for a run without any usable response: it has no diversity, not a low one."""
        some = self.some
        if some is None:
            some = any(self.read(record).usable for records in run.responses.values() for record in records)
        return units if some else dict.fromkeys(units)

    def _read_unit(self, records: Sequence[Record]) -> Unit:
        readings = map(self.read, records)
        return Unit([reading.value for reading in readings if reading.usable], len(records), self.rarefied)

    def twin(self, metric: Metric, cut: Run, how: str, *, leads: bool) -> Column:
        """The same on truncated texts of usable responses; a unit with fewer than 2 of them is null.

        Args:
            metric: One that has a twin.
            cut: The run with its texts cut.
            how: What was cut and left out, for the definition.
            leads: Whether the twin stands in the headline where its metric does.
        """
        enough = Run(cut.name, cut.model, {p: rs for p, rs in cut.responses.items() if len(rs) >= LEAST})
        whole = self._plain_set(metric, enough) if metric.level == "set" else self._mean_of(metric, enough)
        return Column(
            metric=f"{whole.metric}_trunc",
            units={p: whole.units.get(p) for p in cut.responses},
            direction=whole.direction,
            definition=f"{whole.definition}; {how}",
            role=whole.role if leads else "detail",
            level=whole.level,
            null=f"under {LEAST} texts long enough, or {whole.null}",
            null_share=whole.null_share,
            of=whole.of,
            used=whole.used,
        )

    def deciles(self, chart: DecileMap, run: Run) -> list[Column]:
        """The Diversity Deciles of the responses, a mean a prompt."""
        metrics = [METRICS[name] for name in chart.metrics]
        found: dict[str, list[dict[str, float | None]]] = {}
        for prompt_id, records in run.responses.items():
            values = zip(*(self._per_response(metric, records) for metric in metrics), strict=True)
            found[prompt_id] = [
                chart.scores(len(self.groups.response(record).words), dict(zip(chart.metrics, row, strict=True)))
                for record, row in zip(records, values, strict=True)
            ]
        definitions = self._decile_definitions(chart, metrics)
        return [
            _mean_column(
                METRICS["dd_mean"],
                {p: [scores[name] for scores in rows] for p, rows in found.items()},
                definitions[name],
                name=name,
            )
            for name in chart.names
        ]

    def _of_set(self, metric: Metric, part: Part) -> Column:
        if rates_all(metric):
            return self._plain_set(metric, part.whole)
        if not counts(metric):
            return self._plain_set(metric, part.kept, least=LEAST)
        units = self._unless_empty(
            part.whole,
            {
                p: count(self.groups, metric, records, lambda record: self.read(record).usable)
                for p, records in part.whole.responses.items()
            },
        )
        definition = f"{self.define(metric)}; usable responses count, over all of a {self.unit}, {self._then}"
        return self._set_column(
            metric, metric.name, units, definition, metric.null, self._role(metric), _sizes(part.whole)
        )

    def _plain_set(self, metric: Metric, run: Run, *, least: int = 0) -> Column:
        units = {
            p: self.groups.value(metric, records) if len(records) >= least else None
            for p, records in run.responses.items()
        }
        which = "usable responses" if least else "all responses"
        definition = f"{self.define(metric)}; {which} of a {self.unit}, {self._then}"
        null = _null(metric, least)
        return self._set_column(metric, metric.name, units, definition, null, self._role(metric), _sizes(run))

    def _set_column(
        self,
        metric: Metric,
        name: str,
        units: Units,
        definition: str,
        null: str,
        role: str,
        used: Mapping[str, int],
    ) -> Column:
        return Column(
            metric=name, units=units, direction=metric.direction, definition=definition, role=role, level="set",
            null=null, used=used, comparable=name in self.published,
        )  # fmt: skip

    @property
    def _then(self) -> str:
        return f"then mean over {self.unit}s"

    def _mean_of(self, metric: Metric, run: Run) -> Column:
        values = {p: self._per_response(metric, records) for p, records in run.responses.items()}
        return _mean_column(metric, values, self.define(metric), role=self._role(metric))

    def _of_run(self, metric: Metric, run: Run) -> Column:
        records = [record for group in run.responses.values() for record in group]
        which = "all" if rates_all(metric) else "the usable"
        return Column(
            metric=metric.name,
            units={"": self.groups.total(metric, records, self.feeds.get(metric.takes))},
            direction=metric.direction,
            definition=f"{self.define(metric)}; {which} responses of the run together, one number without an interval",
            level="run",
            used={"": len(records)},
        )

    def _per_response(self, metric: Metric, records: Sequence[Record]) -> list[float | None]:
        values: list[float | None] = self.groups.value(metric, records)
        return values

    def _decile_definitions(self, chart: DecileMap, metrics: Sequence[Metric]) -> dict[str, str]:
        scale = f"1 to 10, higher is more diverse; map of {chart.source}"
        among = "decile among reference texts of equal length of"
        found = {f"dd_{m.name}": f"dd_{m.name}: {among} {self.define(m)}; {scale}" for m in metrics}
        return found | {"dd_mean": f"dd_mean: mean of {', '.join(chart.mean_of)}; {scale}"}

    def _role(self, metric: Metric) -> str:
        return "headline" if metric.name == self.headline else "detail"


def _sizes(run: Run) -> dict[str, int]:
    return {p: len(records) for p, records in run.responses.items()}


def _null(metric: Metric, least: int) -> str:
    if not least:
        return metric.null
    own = "" if metric.null in ("no text", f"under {least} texts") else f", or {metric.null}"
    return f"under {least} usable texts{own}"


def _mean_column(
    metric: Metric,
    values: Mapping[str, Sequence[float | None]],
    definition: str,
    *,
    name: str | None = None,
    role: str = "detail",
) -> Column:
    every = [value for row in values.values() for value in row]
    return Column(
        metric=name or metric.name,
        units={p: mean(row) for p, row in values.items()},
        direction=metric.direction,
        definition=f"{definition}; mean over the responses of a prompt, then over prompts",
        role=role,
        level=metric.level,
        null=metric.null,
        null_share=every.count(None) / len(every) if every else None,
        of=len(every),
        used={p: sum(value is not None for value in row) for p, row in values.items()},
    )
