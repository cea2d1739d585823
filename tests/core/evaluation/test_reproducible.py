"""The same input gives the same output, whatever order it comes in; and what the statistics cost."""

from __future__ import annotations

import random
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from divtool.core.evaluation import statistics as st
from divtool.core.evaluation.choice import choose_measures
from divtool.core.evaluation.measure import Measurer
from divtool.core.evaluation.runs import SamplePlan, read_run, sample_run
from divtool.core.evaluation.tasks.pool import POOL, following
from divtool.core.jsonl import dumps
from divtool.core.metrics.supplies import Sources, Supplies, Supply
from divtool.core.models.language import load
from divtool.core.models.options import LoadOptions
from divtool.core.sampling.local import LocalBackend


def _output(paths: list[Path], encode: Any) -> bytes:
    """The measure records of the first file against the second."""
    runs = [read_run(path.stem, str(path)) for path in paths]
    supplies = Supplies(embed=Supply(lambda record: record["response"], encode))
    metrics = choose_measures(None, POOL, Sources(), None).metrics
    rows = Measurer(task=POOL, metrics=metrics, supplies=supplies).measure(runs[:1], runs[1], references=True)
    return b"".join(map(dumps, rows))


def test_output_is_the_same_for_any_order_of_lines_and_any_batches(make_run: Any, encoder: Any, tmp_path: Path) -> None:
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    lines = [
        [
            dumps(r)
            for rs in make_run("x", prompts=20, seed=n, length=lambda p, i: 20 + 7 * i).responses.values()
            for r in rs
        ]
        for n in range(2)
    ]
    outputs = set()
    for shuffle, batch in ((0, 10_000), (1, 1), (2, 7), (3, 64)):
        for path, own in zip(paths, lines, strict=True):
            random.Random(shuffle).shuffle(own)
            path.write_bytes(b"".join(own))

        def encode(texts: list[str], batch: int = batch) -> Any:
            return np.concatenate([encoder(texts[start : start + batch]) for start in range(0, len(texts), batch)])

        outputs.add(_output(paths, encode))
    assert len(outputs) == 1


def test_a_model_drawn_twice_with_one_seed_is_itself(tiny_model: str, encoder: Any, tmp_path: Path) -> None:
    backend = LocalBackend(load(tiny_model, LoadOptions(device="cpu")))
    task = following("2503.17126", from_file=False)
    paths = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    for path, batch in zip(paths, (64, 5), strict=True):
        plan = SamplePlan(preset="quick", prompts=8, samples=3, batch_size=batch, settings=(("max_new_tokens", 40),))
        sample_run(backend, task, plan, path, resume=False, on_tokens=lambda n: None, on_done=lambda n: None)
    rows = [orjson.loads(line) for line in _output(paths, encoder).splitlines()]
    compared = {row["metric"]: row for row in rows if "delta" in row}
    for row in compared.values():
        if row["value"] is not None and row["unit"] != "run":
            assert (row["delta"], row["delta_ci_low"], row["delta_ci_high"], row["p_value"]) == (0, 0, 0, 1)
    assert compared["semantic_distance"]["verdict"] == "not shown"
    assert compared["usable_rate"]["value"] > 0
    assert compared["usable_rate"]["verdict"] == "equivalent"


def test_statistics_of_a_thousand_prompts_take_seconds_and_little_memory() -> None:
    rng = np.random.default_rng(0)
    pairs = [(rng.normal(size=1_000).tolist(), rng.normal(size=1_000).tolist()) for _ in range(12)]
    tracemalloc.start()
    start = time.process_time()
    st.compare_many(pairs, resamples=10_000)
    assert time.process_time() - start < 10
    assert tracemalloc.get_traced_memory()[1] < 300e6
    tracemalloc.stop()
