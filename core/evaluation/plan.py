"""What a call of `eval` computes and with what: settled before anything is read, opened before anything is drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import UsageError, require_extra, unknown_name
from ..metrics.catalog import METRICS
from ..metrics.decile_map import DecileMap
from ..metrics.definition import Setup, definition
from ..metrics.registry import Metric
from ..metrics.supplies import Announce, Sources, Supplies, Supply, open_embedder, open_supplies
from ..metrics.text import tokenizer as find_tokenizer
from ..models.names import check_model_name
from .choice import choose_measures
from .columns import has_twin
from .feeds import open_feeds
from .groups import Feed
from .measure import Measurer, Truncation
from .rows import MARGINS
from .task import Task, TaskMetric
from .task_options import TaskOptions
from .tools import Tools


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurePlan:
    """The metrics of a call and their settings. Make one with `settled`.

    Attributes:
        task: What is usable, and which metric is the headline.
        metrics: What to compute.
        skipped: Members of `all` whose needs are not met, each with what is missing.
        sources: Where models and tables are.
        setup: Their names, for the definitions.
        deciles: A map for rows of Diversity Deciles, or None.
        truncate: How many words the truncated twins keep.
        margins: Largest losses of quality that count as none, where the user set them.
        seed: For resampling.
    """

    task: Task
    metrics: Sequence[Metric]
    skipped: Mapping[str, str]
    sources: Sources
    setup: Setup
    deciles: DecileMap | None
    truncate: Truncation
    margins: Mapping[str, float]
    seed: int

    @classmethod
    def settled(
        cls,
        task: Task,
        names: Sequence[str] | None,
        sources: Sources,
        *,
        quality_model: str | None = None,
        tokenizer: str = "word",
        settings: Mapping[str, Any] | None = None,
        deciles: Path | None = None,
        truncate: Truncation = "auto",
        margins: Mapping[str, float] | None = None,
        seed: int = 0,
    ) -> MeasurePlan:
        """Choose the metrics and read the map.

        Args:
            task: The task.
            names: Metrics, as the user wrote them, or None for the task's.
            sources: Where models and tables are.
            quality_model: Language model of likelihoods and next tokens, or None.
            tokenizer: As in `text.tokenizer`.
            settings: Settings of metrics that differ from the usual ones.
            deciles: File of a decile map; its metrics are computed as well.
            truncate: How many words the truncated twins keep: a number, "auto" or "none".
            margins: As `parse_margins` gives them.
            seed: For resampling.

        Raises:
            DivtoolError: A name that does not exist, needs that are not met, or a map that does not fit.
        """
        find_tokenizer(tokenizer)
        if sources.equivalence is not None:
            check_model_name("pair classifier", sources.equivalence)
        choice = choose_measures(names, task, sources, quality_model)
        setup = Setup(
            tokenizer=tokenizer,
            embedder=sources.embedder,
            style=sources.style_embedder,
            quality_model=quality_model or "",
            alike=_alike(sources),
            settings=settings or {},
        )
        definitions = {name: definition(metric, setup) for name, metric in METRICS.items()}
        chart = DecileMap.read(deciles, definitions, tokenizer) if deciles is not None else None
        return cls(
            task=task,
            metrics=choice.metrics,
            skipped=choice.skipped,
            sources=replace(sources, quality_model=quality_model) if quality_model else sources,
            setup=setup,
            deciles=chart,
            truncate=truncate,
            margins=margins or {},
            seed=seed,
        )

    def open(self, announce: Announce) -> Measurer:
        """Load the models and tables that the metrics need.

        Args:
            announce: Hears what takes long.

        Raises:
            DivtoolError: One of them cannot be loaded.
        """
        return open_all([self], announce)[0]

    def directions(self) -> dict[str, str]:
        """The direction of every measure that rows can be about, by name."""
        own: list[Metric | TaskMetric] = [*self.metrics, *self.task.variants, *self.task.own]
        found = {metric.name: str(metric.direction) for metric in own}
        found |= {f"{metric.name}_all": str(metric.direction) for metric in self.metrics if metric.level == "set"}
        if self.truncate != "none":
            found |= {f"{metric.name}_trunc": str(metric.direction) for metric in self.metrics if has_twin(metric)}
        if self.deciles is not None:
            found |= dict.fromkeys(self.deciles.names, "+")
        return found | {"usable_rate": "+", "words": "0"}

    def needed(self) -> list[Metric]:
        """What is computed, the metrics behind the deciles included."""
        return [*self.metrics, *(METRICS[name] for name in (self.deciles.metrics if self.deciles else ()))]

    def measurer(
        self, supplies: Supplies, feeds: Mapping[str, Feed], settings: Mapping[str, Any], tools: Tools
    ) -> Measurer:
        """The plan with what its metrics need."""
        return Measurer(
            task=self.task,
            metrics=self.metrics,
            supplies=supplies,
            setup=replace(self.setup, settings=settings),
            feeds=feeds,
            deciles=self.deciles,
            truncate=self.truncate,
            seed=self.seed,
            tools=tools,
            margins=self.margins,
        )


def parse_margins(texts: Iterable[str]) -> dict[str, float]:
    """Margins of quality behind `NAME=VALUE`.

    Raises:
        UsageError: An unknown measure of quality, or no number above 0.
    """
    found = {}
    for text in texts:
        name, _, right = (part.strip() for part in text.partition("="))
        if name not in MARGINS:
            raise unknown_name("measure of quality", name, MARGINS)
        try:
            value = float(right)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value > 0):
            raise UsageError(f"--margin {text}: give NAME=VALUE with a number above 0")
        found[name] = value
    return found


def open_all(plans: Sequence[MeasurePlan], announce: Announce, options: TaskOptions | None = None) -> list[Measurer]:
    """Load what the plans of a call need, each model once; every distinct text is embedded once.

    Args:
        plans: One a task, all with the same sources.
        announce: Hears what takes long.
        options: What the user set for tasks.

    Raises:
        DivtoolError: A model or table cannot be loaded.
    """
    options = options or TaskOptions()
    first = plans[0]
    needed = list({metric.name: metric for plan in plans for metric in plan.needed()}.values())
    supplies = open_supplies(needed, first.sources, announce)
    if supplies.embed is None and any(_embeds_phrases(plan.task, options) for plan in plans):
        embedder = open_embedder(first.sources.embedder, first.sources, announce)
        supplies.embed = Supply(lambda record: record["response"], embedder.encode)
    if len(plans) > 1:
        supplies.embed, supplies.style_embed = _remembered(supplies.embed), _remembered(supplies.style_embed)
    feeds = open_feeds(needed, first.sources.quality_model, first.sources.loading, announce)
    settings = _opened_settings(first, needed)
    tools = Tools(
        first.sources,
        supplied=supplies.embed,
        vectors=options.vectors,
        vocabulary=options.vocabulary,
        announce=announce,
    )
    return [plan.measurer(supplies, feeds, settings, tools) for plan in plans]


def _embeds_phrases(task: Task, options: TaskOptions) -> bool:
    """Whether metrics of a task's own take vectors from the embedder."""
    formulas = [metric.formula for metric in task.own]
    return any("{embedder}" in f or ("{words}" in f and options.vectors is None) for f in formulas)


def _opened_settings(plan: MeasurePlan, needed: Sequence[Metric]) -> Mapping[str, Any]:
    """The settings of the metrics, with the pair classifier where one is named and needed."""
    if plan.sources.equivalence is None or not any("equivalent" in metric.args for metric in needed):
        return plan.setup.settings
    require_extra("torch", "models")
    from ..models.equivalence import PairClassifier

    classifier = PairClassifier(plan.sources.equivalence, device=plan.sources.loading.device)
    return {**plan.setup.settings, "equivalent": classifier.same}


def _remembered(supply: Supply | None) -> Supply | None:
    """A supply that computes nothing twice: tasks may look at the same responses."""
    if supply is None:
        return None
    known: dict[Any, Any] = {}

    def compute(keys: list[Any]) -> list[Any]:
        if new := [key for key in keys if key not in known]:
            known.update(zip(new, supply.compute(new), strict=True))
        return [known[key] for key in keys]

    return Supply(supply.key, compute)


def _alike(sources: Sources) -> str:
    if sources.equivalence is None:
        return ""
    return f"pair classifier {sources.equivalence} says so (p > 0.102, 128 tokens a text, earlier text first)"
