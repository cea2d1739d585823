"""What a call of `eval` computes and with what: settled before anything is read, opened once the runs are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import require_extra
from ..metrics.catalog import METRICS
from ..metrics.decile_map import DecileMap
from ..metrics.definition import Setup, definition
from ..metrics.registry import Metric
from ..metrics.supplies import Announce, Sources, open_supplies
from ..metrics.text import tokenizer as find_tokenizer
from ..models.names import check_model_name
from .choice import choose_measures
from .feeds import open_feeds
from .measure import Measurer, Truncation
from .task import Task


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
        seed: For resampling.
    """

    task: Task
    metrics: Sequence[Metric]
    skipped: Mapping[str, str]
    sources: Sources
    setup: Setup
    deciles: DecileMap | None
    truncate: Truncation
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
            style=sources.style_embedder or "style-lite",
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
            seed=seed,
        )

    def open(self, announce: Announce) -> Measurer:
        """Load the models and tables that the metrics need.

        Args:
            announce: Hears what takes long.

        Raises:
            DivtoolError: One of them cannot be loaded.
        """
        needed = [*self.metrics, *(METRICS[name] for name in (self.deciles.metrics if self.deciles else ()))]
        return Measurer(
            task=self.task,
            metrics=self.metrics,
            supplies=open_supplies(needed, self.sources, announce),
            setup=replace(self.setup, settings=self._opened_settings()),
            feeds=open_feeds(self.metrics, self.sources.quality_model, self.sources.loading, announce),
            deciles=self.deciles,
            truncate=self.truncate,
            seed=self.seed,
        )

    def _opened_settings(self) -> Mapping[str, Any]:
        """The settings of the metrics, with the pair classifier where one is named and needed."""
        if self.sources.equivalence is None or not any("equivalent" in metric.args for metric in self.metrics):
            return self.setup.settings
        require_extra("torch", "models")
        from ..models.equivalence import PairClassifier

        classifier = PairClassifier(self.sources.equivalence, device=self.sources.loading.device)
        return {**self.setup.settings, "equivalent": classifier.same}


def _alike(sources: Sources) -> str:
    if sources.equivalence is None:
        return ""
    return f"pair classifier {sources.equivalence} says so (p > 0.102, 128 tokens a text, earlier text first)"
