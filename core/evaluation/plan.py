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
from .choice import choose_measures, own_measures, variants
from .columns import has_twin
from .feeds import open_feeds
from .groups import Feed
from .measure import Measurer, Truncation
from .quality import Quality
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
        own: The task's own metrics that the user named; None where none is named.
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
    own: frozenset[str] | None = None

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
        tasks: Sequence[Task] = (),
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
            tasks: All tasks of the call, of which one at least must know each name.

        Raises:
            DivtoolError: A name that does not exist, needs that are not met, or a map that does not fit.
        """
        find_tokenizer(tokenizer)
        if sources.equivalence is not None:
            check_model_name("pair classifier", sources.equivalence)
        if sources.reward_model is not None:
            check_model_name("reward model", sources.reward_model)
        choice = choose_measures(names, task, sources, quality_model, tasks)
        rewards = [METRICS["reward"]] if sources.reward_model is not None else []
        setup = Setup(
            tokenizer=tokenizer,
            embedder=sources.embedder,
            style=sources.style_embedder,
            quality_model=quality_model or "",
            reward_model=sources.reward_model or "",
            alike=_alike(sources),
            settings=settings or {},
            published=task.published(sources, settings or {}) if task.published else frozenset(),
        )
        definitions = {name: definition(metric, setup) for name, metric in METRICS.items()}
        chart = DecileMap.read(deciles, definitions, tokenizer) if deciles is not None else None
        return cls(
            task=task,
            metrics=[*choice.metrics, *rewards] if not task.items else [],
            skipped=choice.skipped,
            sources=replace(sources, quality_model=quality_model) if quality_model else sources,
            setup=setup,
            deciles=chart,
            truncate=truncate,
            margins=margins or {},
            seed=seed,
            own=choice.own,
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
        if self.task.items:
            return {measure.name: measure.direction for measure in self.task.items}
        named = own_measures(self.task, self.metrics, self.own)
        own: list[Metric | TaskMetric] = [*self.metrics, *variants(self.task, self.metrics), *named]
        found = {metric.name: str(metric.direction) for metric in own}
        if "reward" in found:
            found["reward"] = "+"
        found |= {f"{metric.name}_all": str(metric.direction) for metric in self.metrics if metric.level == "set"}
        if self.truncate != "none":
            found |= {f"{metric.name}_trunc": str(metric.direction) for metric in self.metrics if has_twin(metric)}
        if self.deciles is not None:
            found |= dict.fromkeys(self.deciles.names, "+")
        return found | {"usable_rate": "+", "words": "0"}

    def needed(self) -> list[Metric]:
        """What is computed, the metrics behind the deciles included; for a task of items none of the catalog."""
        if self.task.items:
            return []
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
            own=self.own,
        )


def parse_margins(texts: Iterable[str], keys: Iterable[str] = ()) -> dict[str, float]:
    """Margins of quality behind `NAME=VALUE`.

    Args:
        texts: As the user wrote them.
        keys: Scores of the records that are measures of quality.

    Raises:
        UsageError: An unknown measure of quality, or no number above 0.
    """
    found, known = {}, [*MARGINS, *keys]
    for text in texts:
        name, _, right = (part.strip() for part in text.partition("="))
        if name not in known:
            raise unknown_name("measure of quality", name, known)
        try:
            value = float(right)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value > 0):
            raise UsageError(f"--margin {text}: give NAME=VALUE with a number above 0")
        found[name] = value
    return found


def open_all(
    plans: Sequence[MeasurePlan],
    announce: Announce,
    options: TaskOptions | None = None,
    quality: Quality | None = None,
) -> list[Measurer]:
    """Load what the plans of a call need, each model once; every distinct text is embedded once.

    Args:
        plans: One a task, all with the same sources.
        announce: Hears what takes long.
        options: What the user set for tasks.
        quality: What further measures of quality are made of, or None.

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
        supplies.embed = supplies.embed and supplies.embed.remembering()
        supplies.style_embed = supplies.style_embed and supplies.style_embed.remembering()
    if rewards := supplies.features.get("reward_logit"):
        supplies.features["reward_logit"] = rewards.remembering()
    feeds = open_feeds(needed, first.sources.quality_model, first.sources.loading, announce)
    settings = _opened_settings(first, needed)
    tools = Tools(
        first.sources,
        supplied=supplies.embed,
        vectors=options.vectors,
        vocabulary=options.vocabulary,
        announce=announce,
    )
    measurers = [plan.measurer(supplies, feeds, settings, tools) for plan in plans]
    return [replace(one, quality=quality) for one in measurers] if quality is not None else measurers


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


def _alike(sources: Sources) -> str:
    if sources.equivalence is None:
        return ""
    return f"pair classifier {sources.equivalence} says so (p > 0.102, 128 tokens a text, earlier text first)"
