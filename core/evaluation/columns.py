"""One number a prompt, or one for the whole run, for each metric of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..jsonl import Record
from ..metrics.catalog import METRICS
from ..metrics.decile_map import DecileMap
from ..metrics.registry import Level, Metric
from .groups import Feed, Groups
from .runs import Run

Units = dict[str, float | None]

# Under so many texts a truncated twin says nothing about a set.
_LEAST_TWIN = 2
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
    """

    metric: str
    units: Units
    direction: str
    definition: str
    role: str = "detail"
    level: Level = "response"
    null: str = ""
    null_share: float | None = None


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of those that are defined; None for none."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


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
    """

    groups: Groups
    define: Callable[[Metric], str]
    headline: str | None
    feeds: Mapping[str, Feed]

    def of(self, metric: Metric, run: Run) -> Column:
        """A metric of single responses, of sets or of whole runs."""
        return {"set": self._of_set, "run": self._of_run}.get(metric.level, self._mean_of)(metric, run)

    def twin(self, metric: Metric, cut: Run, how: str, *, leads: bool) -> Column:
        """The same on truncated texts; a prompt with fewer than 2 of them is null.

        Args:
            metric: One that has a twin.
            cut: The run with its texts cut.
            how: What was cut and left out, for the definition.
            leads: Whether the twin stands in the headline where its metric does.
        """
        enough = {p: records for p, records in cut.responses.items() if len(records) >= _LEAST_TWIN}
        whole = self.of(metric, Run(cut.name, cut.model, enough))
        return Column(
            metric=f"{whole.metric}_trunc",
            units={p: whole.units.get(p) for p in cut.responses},
            direction=whole.direction,
            definition=f"{whole.definition}; {how}",
            role=whole.role if leads else "detail",
            level=whole.level,
            null=f"under {_LEAST_TWIN} texts long enough, or {whole.null}",
            null_share=whole.null_share,
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

    def _of_set(self, metric: Metric, run: Run) -> Column:
        return Column(
            metric=metric.name,
            units={p: self.groups.value(metric, records) for p, records in run.responses.items()},
            direction=metric.direction,
            definition=f"{self.define(metric)}; all responses of a prompt, then mean over prompts",
            role=self._role(metric),
            level="set",
            null=metric.null,
        )

    def _mean_of(self, metric: Metric, run: Run) -> Column:
        values = {p: self._per_response(metric, records) for p, records in run.responses.items()}
        return _mean_column(metric, values, self.define(metric), role=self._role(metric))

    def _of_run(self, metric: Metric, run: Run) -> Column:
        records = [record for group in run.responses.values() for record in group]
        return Column(
            metric=metric.name,
            units={"": self.groups.total(metric, records, self.feeds.get(metric.takes))},
            direction=metric.direction,
            definition=f"{self.define(metric)}; all responses of the run together, one number without an interval",
            level="run",
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
    )
