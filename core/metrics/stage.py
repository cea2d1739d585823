"""A run of `score`: what is planned, the scores, and what is collected beside them for a map, a report, a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..jsonl import Record, Row
from .catalog import METRICS
from .decile_map import DecileMap
from .definition import Setup, definition
from .registry import Metric
from .scoring import Scorer, choose_metrics
from .supplies import Announce, Sources, open_supplies
from .text import tokenizer as find_tokenizer

if TYPE_CHECKING:
    from ..judging.judge import Judge
    from .deciles import DecileBuilder
    from .distribution import Distributions
    from .length_bias import LengthBias

# A metric that is null for more than this share of the responses deserves a look.
_MANY_NULLS = 0.10


@dataclass(slots=True)
class Summary:
    """Counts over a run.

    Attributes:
        responses: Responses scored.
        empty: Those without a word.
        nulls: By metric, responses for which it is undefined.
    """

    responses: int = 0
    empty: int = 0
    nulls: Counter[str] = field(default_factory=Counter)

    def add(self, record: Record, names: Sequence[str]) -> None:
        """Count one scored record."""
        scores = record["scores"]
        self.responses += 1
        self.empty += scores.get("words") == 0
        self.nulls.update(name for name in names if scores[name] is None)

    def often_null(self) -> dict[str, float]:
        """The metrics that are undefined for many responses, with their share."""
        return {name: n / self.responses for name, n in self.nulls.items() if n > _MANY_NULLS * self.responses}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorePlan:
    """What to score and with what; checked before anything heavy loads.

    Attributes:
        metrics: What to compute, in order.
        skipped: Members of the preset `all` whose needs are not met, each with what is missing.
        definitions: How each metric of the catalog is computed in this run.
        sources: Where models and tables are.
        tokenizer: As in `text.tokenizer`.
        settings: Settings of metrics that differ from the usual ones.
        deciles: A map to read deciles off, or None.
        workers: Processes for the metrics that need no model.
    """

    metrics: Sequence[Metric]
    skipped: Mapping[str, str]
    definitions: Mapping[str, str]
    sources: Sources
    tokenizer: str
    settings: Mapping[str, Any]
    deciles: DecileMap | None
    workers: int


def plan(
    names: Sequence[str],
    sources: Sources,
    *,
    tokenizer: str = "word",
    settings: Mapping[str, Any] | None = None,
    deciles: Path | None = None,
    length: bool = False,
    workers: int = 1,
    setup: Setup | None = None,
) -> ScorePlan:
    """Choose the metrics and read the map.

    Args:
        names: Metrics and presets, as the user wrote them.
        sources: Where models and tables are.
        tokenizer: As in `text.tokenizer`.
        settings: Settings of metrics that differ from the usual ones.
        deciles: File of a decile map; its metrics are computed as well.
        length: Whether the number of words must be among the scores.
        workers: Processes for the metrics that need no model.
        setup: The names of all these, for the definitions.

    Raises:
        DivtoolError: A name that does not exist, or a map that does not fit.
    """
    find_tokenizer(tokenizer)
    setup = setup or Setup(tokenizer=tokenizer, settings=settings or {})
    definitions = {name: definition(metric, setup) for name, metric in METRICS.items()}
    found = DecileMap.read(deciles, definitions, tokenizer) if deciles is not None else None
    wanted = [*names, *(found.metrics if found else ()), *(("words",) if found or length else ())]
    choice = choose_metrics(wanted, sources)
    return ScorePlan(
        metrics=choice.metrics,
        skipped=choice.skipped,
        definitions=definitions,
        sources=sources,
        tokenizer=tokenizer,
        settings=settings or {},
        deciles=found,
        workers=workers,
    )


class ScoreStage:
    """Scores a stream of groups by a plan.

    Args:
        plan: What to score.
        builder: Collects a new decile map, or None.
        length_bias: Collects the length-bias report, or None.

    Attributes:
        names: The scores of the run.
        distributions: Collects what they look like, where it is set before the run.
    """

    def __init__(
        self, plan: ScorePlan, builder: DecileBuilder | None = None, length_bias: LengthBias | None = None
    ) -> None:
        self.summary = Summary()
        self.deciles = plan.deciles
        self.names = [*(m.name for m in plan.metrics), *(plan.deciles.names if plan.deciles else ())]
        self.builder, self.length_bias = builder, length_bias
        self.distributions: Distributions | None = None
        self.judge: Judge | None = None
        self._plan = plan

    def run(self, groups: Iterable[list[Row]], announce: Announce) -> Iterator[list[Record]]:
        """Scored records, group by group, in input order; models are opened first.

        Args:
            groups: Checked responses by prompt.
            announce: Hears which models are opened.
        """
        yield from self.scored(self.opened(announce), groups)

    def opened(self, announce: Announce) -> Scorer:
        """What computes the scores, its models opened.

        Args:
            announce: Hears which models are opened.
        """
        plan = self._plan
        supplies = open_supplies(plan.metrics, plan.sources, announce)
        self.judge = supplies.judge
        return Scorer(plan.metrics, supplies, plan.tokenizer, plan.settings, plan.workers)

    def scored(self, scorer: Scorer, groups: Iterable[list[Row]]) -> Iterator[list[Record]]:
        """As `run`, with models that are open already."""
        for records in scorer.run(groups):
            if self.deciles is not None:
                for record in records:
                    record["scores"] |= self.deciles.scores(record["scores"]["words"], record["scores"])
            self.observe(records)
            yield records

    def observe(self, records: Sequence[Record]) -> None:
        """Collect from the scored records of one prompt, also those that an earlier run has written."""
        for record in records:
            self.summary.add(record, self.names)
            if self.builder is not None:
                scores = record["scores"]
                model = str(record["model"]) if record.get("model") is not None else None
                self.builder.add(scores["words"], scores, record["prompt_id"], model)
        if self.length_bias is not None:
            self.length_bias.add(records)
        if self.distributions is not None:
            self.distributions.add(records)
