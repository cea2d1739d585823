"""Each task once on the embedded model, with very few samples."""

from __future__ import annotations

from typing import Any

import pytest

from divtool.core.catalog import TASKS
from divtool.core.evaluation.choice import choose_measures
from divtool.core.evaluation.measure import Measurer
from divtool.core.evaluation.runs import Run, SamplePlan
from divtool.core.metrics.supplies import Sources, open_supplies
from divtool.core.models.options import LoadOptions
from divtool.core.sampling.backend import Backend
from divtool.core.sampling.open import open_backend
from divtool.core.sampling.run import Sampler
from divtool.core.sampling.strategies import Direct, StrategyOptions


@pytest.fixture(scope="module")
def backend() -> Backend:
    return open_backend("transformers", "smollm2-135m", LoadOptions(device="cpu"), lambda _: None)


@pytest.mark.model
@pytest.mark.parametrize("name", [name for name in TASKS if TASKS[name].load().prompt_set is not None])
def test_task_runs_on_the_embedded_model(name: str, backend: Backend) -> None:
    task = TASKS[name].load()
    samples = 6 if task.unit == "block" else 3
    plan = SamplePlan(preset="quick", prompts=2, samples=samples, settings=(("max_new_tokens", 24),))
    sampler = Sampler(backend, Direct(StrategyOptions()), plan.options(task))
    responses: dict[str, list[Any]] = {}
    for record in (record for batch in sampler.run(plan.rows(task)) for record in batch):
        responses.setdefault(record["prompt_id"], []).append(record)
    run = Run("run", backend.name, responses)
    metrics = choose_measures(None, task, Sources(), None).metrics
    measurer = Measurer(task=task, metrics=metrics, supplies=open_supplies(metrics, Sources(), lambda _: None))
    rows: dict[Any, Any] = {(r["run"], r["metric"]): r for r in measurer.measure([run], None, references=True)}
    assert 0 <= rows["run", "usable_rate"]["value"] <= 1
    assert rows["run", task.headline]["role"] == "headline"
    assert rows["run", "words"]["value"] > 2
    begun = [record["response"] for records in run.responses.values() for record in records]
    if task.prefill is not None:
        assert all(text.startswith(task.prefill) for text in begun)
