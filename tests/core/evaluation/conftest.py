"""Made runs, and a stand-in for an encoder."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from divtool.core.evaluation.choice import choose_measures
from divtool.core.evaluation.measure import Measurer
from divtool.core.evaluation.runs import Run
from divtool.core.evaluation.tasks.pool import POOL
from divtool.core.metrics.supplies import Sources, Supplies, Supply

_WORDS = [f"w{n}" for n in range(400)]


class Encoder:
    """Texts as fixed random directions; counts how often it is asked, and for what."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, texts: list[str]) -> Any:
        self.calls.append(list(texts))
        return np.array([np.random.default_rng(list(text.encode()) or [0]).normal(size=16) for text in texts])


@pytest.fixture
def encoder() -> Encoder:
    return Encoder()


@pytest.fixture
def make_run() -> Any:
    """A run of random words: `make_run(name, vocabulary=100, prompts=12, samples=4, length=60, seed=0, **keys)`."""

    def make(
        name: str, vocabulary: int = 100, *, prompts: int = 12, samples: int = 4, length: Any = 60, seed: int = 0,
        **keys: Any,
    ) -> Run:  # fmt: skip
        draw = np.random.default_rng(seed)

        def record(prompt: int, index: int) -> dict[str, Any]:
            n = length(prompt, index) if callable(length) else length
            text = " ".join(draw.choice(_WORDS[:vocabulary], n))
            own = {key: value(prompt, index) if callable(value) else value for key, value in keys.items()}
            prompt_id = f"p{prompt:02d}"
            return {"prompt_id": prompt_id, "prompt": prompt_id, "sample_index": index, "response": text, **own}

        return Run(name, name, {f"p{p:02d}": [record(p, i) for i in range(samples)] for p in range(prompts)})

    return make


@pytest.fixture
def measure(encoder: Encoder) -> Any:
    """Rows by metric: `measure(run, baseline, "ttr", ..., task=POOL, style=None, **keys of the Measurer)`."""

    def rows(
        run: Run, baseline: Run | None, *names: str, task: Any = POOL, style: Any = None, **more: Any
    ) -> dict[str, dict[str, Any]]:
        chosen = choose_measures(names or None, task, Sources(), "made").metrics
        supplies = Supplies(embed=_supply(encoder), style_embed=_supply(style) if style else None)
        records = Measurer(task=task, metrics=chosen, supplies=supplies, **more).measure([run], baseline)
        return {record["metric"]: record for record in records}

    return rows


def _supply(compute: Any) -> Supply:
    return Supply(lambda record: record["response"], compute)
