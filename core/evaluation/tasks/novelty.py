"""Open questions with many good answers: how many really different ones a model gives (arXiv 2504.05228)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ...metrics.catalog import METRICS
from ...metrics.registry import Metric
from ..task import Preset, Task, each
from .free_text import OPENING_SHARE, USABLE_RULE, parse

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


def _task(name: str, prompt_set: str | None, presets: Mapping[str, Preset]) -> Task:
    return Task(
        name=name,
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
NOVELTY_BENCH = _task(
    "novelty-bench",
    None,
    {"quick": Preset(24, 10, 96, 0.9), "standard": Preset(100, 10, 512), "paper": Preset(100, 10, 512)},
)
