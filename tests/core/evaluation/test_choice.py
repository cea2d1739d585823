from __future__ import annotations

from typing import Any

import pytest

from divtool.core.errors import UsageError
from divtool.core.evaluation.choice import choose_measures, headline
from divtool.core.evaluation.plan import MeasurePlan
from divtool.core.evaluation.tasks.aut import AUT
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


def test_what_a_task_reads_is_named_like_other_metrics() -> None:
    chosen = choose_measures(["use_distance_within", "distinct_2"], AUT, Sources(), None, [AUT, POOL])
    assert ([metric.name for metric in chosen.metrics], chosen.own) == (["distinct_2"], {"use_distance_within"})
    other = choose_measures(["use_distance_within", "distinct_2"], POOL, Sources(), None, [AUT, POOL])
    assert [metric.name for metric in other.metrics] == ["distinct_2"]
    with pytest.raises(UsageError, match=r"unknown metric 'use_distance': .*known: all, "):
        choose_measures(["use_distance"], POOL, Sources(), None, [POOL])
    with pytest.raises(UsageError, match="did you mean 'use_distance'"):
        choose_measures(["use_distanc"], POOL, Sources(), None, [AUT, POOL])
    assert choose_measures(["distinct_2"], AUT, Sources(), None, [AUT]).own is None


def test_named_ones_stand_beside_the_headline(make_run: Any, measure: Any) -> None:
    run = make_run("one")
    rows = measure(run, None, "distinct_2", own=frozenset({"opening_share_run"}))
    assert "opening_share_run" in rows
    assert "opening_share_run" not in measure(run, None, "distinct_2")
    plan = MeasurePlan.settled(AUT, ["originality"], Sources(), tasks=[AUT])
    assert {"use_distance", "originality"} <= plan.directions().keys()
    assert "use_distance_within" not in plan.directions()


def test_a_bound_can_be_set_on_what_is_computed_alone() -> None:
    named = MeasurePlan.settled(POOL, ["distinct_2"], Sources(), tasks=[POOL])
    assert "opening_share_run" not in named.directions()
    assert "opening_share_run" in MeasurePlan.settled(POOL, None, Sources(), tasks=[POOL]).directions()
