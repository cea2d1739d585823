"""Training in two processes beside one, on this machine's CPU: `python benchmarks/launch.py --folder launch`.

Pairs: two echo responses to each of `--pairs` built-in scenes, with weights from 0.1 to 1.9. The same DDPO run, four
pairs a step, is made in one process, in two under --config ddp and in two under --config fsdp2, with one thread each,
`--rounds` times in turn. Printed: the largest difference of a column of the log from that of one process, that of the
adapter, and seconds (median, least to largest) of a step (median of a run) and of the whole command.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

LAUNCH = ["--batch-size", "2", "--launch", "accelerate", "--processes", "2", "--config"]
RUNS = {"one process": ["--batch-size", "4"], "two, ddp": [*LAUNCH, "ddp"], "two, fsdp2": [*LAUNCH, "fsdp2"]}


def divtool(*words: str) -> str:
    """Run the program; the answer is its standard output."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "divtool", *words]
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def make_pairs(path: Path, count: int) -> None:
    """Write pairs of echo responses."""
    lines = divtool("sample", "--builtin", "scenes", "--count", str(count), "-n", "2", "--backend", "echo").splitlines()
    samples = [json.loads(line) for line in lines]
    with path.open("w", encoding="utf-8") as stream:
        for place in range(count):
            first, second = samples[2 * place : 2 * place + 2]
            sides = {
                side: [{"role": "assistant", "content": sample["response"]}]
                for side, sample in (("chosen", first), ("rejected", second))
            }
            prompt = [{"role": "user", "content": first["prompt"]}]
            pair = {"prompt": prompt, "prompt_id": first["prompt_id"], **sides}
            stream.write(json.dumps({**pair, "weight": 0.1 + 1.8 * place / max(1, count - 1)}) + "\n")


def log(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's log."""
    return [json.loads(line) for line in (folder / "train_log.jsonl").read_text().splitlines()]


def apart(one: Path, other: Path) -> dict[str, float]:
    """Largest difference of each column between two runs, and of the adapter."""
    from safetensors.torch import load_file

    found: dict[str, float] = {}
    for line, second in zip(log(one), log(other), strict=True):
        for key, value in line.items():
            if isinstance(value, float) and key != "tokens_per_second":
                found[key] = max(found.get(key, 0.0), abs(value - second[key]))
    first, last = (load_file(folder / "adapter_model.safetensors") for folder in (one, other))
    return found | {"adapter": max(float((first[key] - last[key]).abs().max()) for key in first)}


def step_seconds(folder: Path) -> float:
    """The median time of a step after the first."""
    lines = log(folder)
    tokens = [line["num_tokens"] - before["num_tokens"] for before, line in pairwise(lines)]
    rates = [line["tokens_per_second"] for line in lines[1:]]
    return statistics.median(n / rate for n, rate in zip(tokens, rates, strict=True))


def shown(values: list[float]) -> str:
    """Median, least and largest."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("launch"))
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--pairs", type=int, default=18, help="18: the last step of a pass has two pairs")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    pairs = given.folder / "pairs.jsonl"
    make_pairs(pairs, given.pairs)
    words = ["train", str(pairs), "--method", "ddpo", "--model", given.model, "--grad-accum", "1"]
    words += ["--max-steps", str(given.steps), "--learning-rate", "2e-4"]
    wholes: dict[str, list[float]] = {name: [] for name in RUNS}
    steps: dict[str, list[float]] = {name: [] for name in RUNS}
    worst: dict[str, dict[str, float]] = {name: {} for name in RUNS}
    folders = {name: given.folder / name.replace(", ", "-").replace(" ", "-") for name in RUNS}
    for _ in range(given.rounds):
        for name, own in RUNS.items():
            shutil.rmtree(folders[name], ignore_errors=True)
            begun = time.monotonic()
            divtool(*words, *own, "-o", str(folders[name]))
            wholes[name].append(time.monotonic() - begun)
            steps[name].append(step_seconds(folders[name]))
            for key, value in apart(folders["one process"], folders[name]).items():
                worst[name][key] = max(worst[name].get(key, 0.0), value)
    losses = [line["loss"] for line in log(folders["one process"])]
    print(f"loss of one process: {', '.join(f'{loss:.4f}' for loss in losses)}")
    for name in RUNS:
        print(f"{name}: seconds a step {shown(steps[name])}, whole command {shown(wholes[name])}")
        print("  apart: " + ", ".join(f"{key} {value:.1e}" for key, value in worst[name].items() if value))


if __name__ == "__main__":
    main()
