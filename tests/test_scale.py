"""The planner of benchmarks/scale.py: closed forms by hand."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "scale.py"


@pytest.fixture(scope="module")
def scale() -> Any:
    spec = importlib.util.spec_from_file_location("scale", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["scale"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rates() -> dict[str, float]:
    """Round numbers."""
    return {
        "bytes_a_response": 1000, "bytes_a_scored_response": 1000, "lexical_responses_a_core_second": 1000,
        "semantic_responses_a_core_second": 10, "select_responses_a_core_second": 1000,
        "candidates_a_driver_second": 1000, "driver_bytes_a_selected_prompt": 100, "driver_bytes_a_prompt": 8,
        "seconds_to_start": 10, "seconds_a_shard": 1,
    }  # fmt: skip


def _plan(scale: Any, rates: dict[str, float], stage: str, *arguments: str) -> Any:
    options = scale.parsed(["--responses", "1e6", "--network", "1e9", "--shard-size", "1e8", *arguments])
    (load,) = (load for load in scale.loads(rates, options) if load.name == stage)
    return scale.planned(load, rates, options)


def test_one_worker(scale: Any, rates: dict[str, float]) -> None:
    """10 shards of 100 seconds and one second each, and 10 seconds to start."""
    plan = _plan(scale, rates, "score, lexical", "--cores", "1")
    assert (plan.shards, plan.bound) == (10, "cores")
    assert plan.hours * 3600 == pytest.approx(10 * (100 + 1) + 10)
    assert plan.driver == 100_000 * 8


@pytest.mark.parametrize(("machines", "cores", "rounds"), [(1, 2, 5), (5, 2, 1), (3, 1, 4), (100, 8, 1)])
def test_shards_go_round_by_round(scale: Any, rates: dict[str, float], machines: int, cores: int, rounds: int) -> None:
    plan = _plan(scale, rates, "score, lexical", "--machines", str(machines), "--cores", str(cores))
    assert plan.hours * 3600 == pytest.approx(rounds * 101 + 10)


def test_losses(scale: Any, rates: dict[str, float]) -> None:
    """Two machines of one core, five rounds of 101 seconds: that part of a day, half a shard each."""
    plan = _plan(scale, rates, "score, lexical", "--machines", "2", "--cores", "1", "--failures", "100")
    lost = 100 * 2 * 505 / 86_400 * 101 / 2
    assert plan.lost * 3600 == pytest.approx(lost)
    assert plan.hours * 3600 == pytest.approx(505 + lost / 2 + 10)


def test_the_end_of_select_is_on_one_machine(scale: Any, rates: dict[str, float]) -> None:
    """100,000 prompts of 20 candidates at 1,000 a second."""
    plan = _plan(scale, rates, "select", "--cores", "1000")
    assert plan.bound == "one machine"
    assert plan.hours * 3600 == pytest.approx(2000 + 101 + 10)
    assert plan.driver == 100_000 * (8 + 100)


def test_a_slow_network_bounds(scale: Any, rates: dict[str, float]) -> None:
    """2 GB at a megabit a second."""
    plan = _plan(scale, rates, "score, lexical", "--network", "0.001")
    assert plan.bound == "network"
    assert plan.hours * 3600 == pytest.approx(2e9 * 8 / 1e6 + 10)


def test_sampling_needs_a_rate(scale: Any, rates: dict[str, float]) -> None:
    """100 million tokens at 1,000 a second on 4 GPUs, in 313 shards of prompts: 79 rounds."""
    plan = _plan(scale, rates, "sample", "--tokens-a-second", "1000", "--tokens", "100", "--gpus", "4")
    assert (plan.shards, plan.bound) == (313, "GPUs")
    assert plan.hours * 3600 == pytest.approx(79 * (1e8 / 1000 / 313 + 1) + 10)
    with pytest.raises(ValueError, match="not enough values"):
        _plan(scale, rates, "sample")


def test_as_a_command(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--price", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0].endswith("hours lost  driver, GB  cost")
    assert len(done.stdout.splitlines()) == 4
    rates = json.loads(SCRIPT.with_name("scale_rates.json").read_text())
    assert all({"value", "unit", "source"} == rate.keys() for rate in rates.values())
    del rates["seconds_a_shard"]
    (tmp_path / "r.json").write_text(json.dumps(rates))
    failed = subprocess.run([*command, "--rates", str(tmp_path / "r.json")], capture_output=True, text=True)
    assert failed.returncode == 1
    assert failed.stderr == f"{tmp_path / 'r.json'}: 'seconds_a_shard' has no value above 0; see scale_rates.json\n"
