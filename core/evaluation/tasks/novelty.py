"""Open questions with many good answers: how many really different ones a model gives (arXiv 2504.05228)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...metrics.catalog import METRICS
from ...metrics.novelty import CLASSIFIER, REWARD_MODEL
from ...metrics.registry import Metric
from ..task import Preset, Task, each
from .free_text import OPENING_SHARE, USABLE_RULE, parse

if TYPE_CHECKING:
    from ...metrics.supplies import Sources

_METRICS = (
    "distinct_k_nb",
    "utility_k",
    "utility_k_mean",
    "semantic_distance",
    "vendi",
    "distinct_1",
    "distinct_2",
    "self_bleu",
    "unique_share",
)


def _at_cut(percent: int) -> Metric:
    """`distinct_k_nb` with another cut of the distance, by the embedder whatever else decides."""
    metric = METRICS["distinct_k_nb"]
    return replace(metric, name=f"distinct_k_nb_cut{percent}", args={**metric.args, "cut": percent / 100})


def published(sources: Sources, settings: Mapping[str, Any]) -> frozenset[str]:
    """The metrics with the parts of the paper's figures: classifier and order of the classes, and the reward model.

    Args:
        sources: The models of the call.
        settings: Settings of metrics that differ from the usual ones.
    """
    if sources.equivalence != CLASSIFIER or settings.get("partition") != "greedy":
        return frozenset()
    return frozenset({"distinct_k_nb", *(["utility_k"] if sources.reward_model == REWARD_MODEL else [])})


def _task(name: str, prompt_set: str | None, presets: Mapping[str, Preset]) -> Task:
    return Task(
        name=name,
        criteria="novelty",
        prompt_set=prompt_set,
        prompts_from_file=prompt_set is None,
        presets=presets,
        headline="distinct_k_nb",
        metrics=_METRICS,
        variants=(_at_cut(10), _at_cut(30)),
        own=(OPENING_SHARE,),
        read=each(parse),
        usable_rule=USABLE_RULE,
    )


NOVELTY_LITE = _task(
    "novelty-lite", "novelty-lite", {"quick": Preset(24, 10, 96, 0.9), "standard": Preset(24, 10, 512)}
)
NOVELTY_BENCH = replace(
    _task(
        "novelty-bench",
        None,
        {"quick": Preset(24, 10, 96, 0.9), "standard": Preset(100, 10, 512), "paper": Preset(100, 10, 512)},
    ),
    published=published,
    published_prompts=100,
)
