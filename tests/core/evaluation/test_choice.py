from __future__ import annotations

from typing import Any

import pytest

from divtool.core.errors import UsageError
from divtool.core.evaluation.choice import choose_measures, headline
from divtool.core.evaluation.tasks.pool import POOL
from divtool.core.evaluation.tasks.story import STORY
from divtool.core.metrics.catalog import METRICS
from divtool.core.metrics.supplies import Sources


def _names(*names: str, quality_model: str | None = None) -> list[str]:
    return [metric.name for metric in choose_measures(names, POOL, Sources(), quality_model).metrics]


@pytest.mark.parametrize("task", [STORY, POOL])
def test_without_names_it_is_the_tasks_own(task: Any) -> None:
    chosen = choose_measures(None, task, Sources(), None)
    assert tuple(metric.name for metric in chosen.metrics) == task.metrics
    assert all(metric.level == "set" and metric.direction in "+-" for metric in chosen.metrics)
    assert headline(task, chosen.metrics) == task.headline


def test_names_keep_their_order_and_stand_once() -> None:
    assert _names("vendi", "ttr", "remote_clique", "vendi", "words") == ["vendi", "ttr", "semantic_distance"]


def test_all_is_every_metric_of_sets_and_runs_whose_needs_are_met() -> None:
    chosen = choose_measures(["all"], POOL, Sources(), None)
    assert chosen.skipped == {"avgout_dullness": "name a --quality-model"}
    expected = {
        name
        for name, metric in METRICS.items()
        if metric.level in ("set", "run") and not name.startswith("corpus_distinct")
    }
    assert {metric.name for metric in chosen.metrics} == expected - {"avgout_dullness"}
    assert "avgout_dullness" in _names("all", quality_model="made")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("semantic_distanc", "did you mean 'semantic_distance'"),
        ("dd_ttr", "'dd_ttr' comes with --deciles FILE"),
        ("dd_mean", "'dd_mean' comes with --deciles FILE"),
        ("judge", "divtool score --metrics judge"),
        ("reward", "divtool score --metrics reward"),
        ("avgout_dullness", "name a --quality-model"),
        ("bits_per_char", "name a --quality-model"),
    ],
)
def test_what_cannot_be_had_is_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _names("distinct_1", name)


def test_no_name_at_all_is_refused() -> None:
    with pytest.raises(UsageError, match="no metric named"):
        _names()


def test_headline_is_the_tasks_or_the_first_with_a_direction() -> None:
    def of(*names: str) -> str | None:
        return headline(POOL, [METRICS[name] for name in names])

    assert of("distinct_1", "semantic_distance") == "semantic_distance"
    assert of("chars", "corpus_distinct_1", "ttr", "vendi") == "ttr"
    assert of("chars", "corpus_distinct_1") is None
