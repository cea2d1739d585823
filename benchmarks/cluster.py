"""`score`, `select` and `eval` on a Ray cluster of two nodes on this machine, against one process and two workers.

    python benchmarks/cluster.py --responses 100000 1000000 --folder demo/cluster

Each number of responses is made by the echo backend, ten a prompt; then, in turn: `score --workers 2`, the same on the
cluster (a node has one core, so that both have two), the same with a worker killed after a fifth of the shards and a
node after two fifths, `select` and `eval --task pool` on one machine and on the cluster. Outputs must be byte for byte
the same, but for the reference rows of `eval`, which a cluster leaves out. The peak memory is that of the command's own
process.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

WORDS = [
    "lake",
    "river",
    "mountain",
    "bridge",
    "garden",
    "window",
    "letter",
    "winter",
    "summer",
    "harbour",
    "teacher",
    "doctor",
    "painter",
    "sailor",
    "gardener",
    "tower",
    "forest",
    "island",
    "market",
    "station",
]
SELECT = ("select", "--method", "diverse-ns-lite", "--orientation", "any")
EVAL = ("eval", "responses.jsonl", "--task", "pool", "--metrics", "distinct_1,self_bleu,ttr")
PARTS = ["score", "lost", "select", "eval"]
# A node counts as lost after this many missed answers of 300 ms each; Ray's usual time is about 15 seconds.
HASTY = {"health_check_initial_delay_ms": 500, "health_check_period_ms": 300, "health_check_failure_threshold": 5}


def main() -> None:
    """Make, run, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--responses", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--folder", type=Path, default=Path("demo/cluster"))
    parser.add_argument("--shard-size", default="32MB")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    options = parser.parse_args()
    for count in options.responses:
        folder = options.folder / str(count)
        folder.mkdir(parents=True, exist_ok=True)
        made(folder, count)
        for line in measured(folder, count, options.shard_size, options.parts):
            print(json.dumps(line), flush=True)


def made(folder: Path, count: int) -> None:
    """Write `responses.jsonl`."""
    draw = random.Random(0)
    with (folder / "prompts.jsonl").open("w") as stream:
        for number in range(count // 10):
            one, other = draw.sample(WORDS, 2)
            prompt = f"Write a few sentences about the {one} and the {other}, number {number}."
            stream.write(json.dumps({"prompt_id": f"q{number:07d}", "prompt": prompt}) + "\n")
    if not (folder / "responses.jsonl").exists():
        run(folder, "sample", "prompts.jsonl", "-n", "10", "--backend", "echo", "-o", "responses.jsonl")


def measured(folder: Path, count: int, shard: str, parts: list[str]) -> Any:
    """A line a run."""
    score = ("score", "responses.jsonl")
    scored = {"lost", "select"} & set(parts) and not (folder / "local.jsonl").exists()
    if "score" in parts or scored:
        local = run(folder, *score, "--workers", "2", "-o", "local.jsonl")
        yield {"what": "score --workers 2", "responses": count, **local}
    if "score" in parts:
        with two_nodes() as (address, _):
            done = run(folder, *score, *ray(address, shard), "-o", "score/")
        yield {"what": "score --engine ray", "responses": count, **done, "same": same(folder, "score", "local.jsonl")}
        yield {
            "what": "ray over --workers 2",
            "responses": count,
            "ratio": round(done["seconds"] / local["seconds"], 2),
        }
    if "lost" in parts:
        with two_nodes() as (address, node):
            done = run(folder, *score, *ray(address, shard), "-o", "lost/", losing=Losing(folder / "lost", node))
        yield {
            "what": "score, a worker and a node lost",
            "responses": count,
            **done,
            "same": same(folder, "lost", "local.jsonl"),
        }
    if "select" in parts:
        yield from side_by_side(folder, count, shard, (*SELECT, "local.jsonl"), lambda path: path.read_bytes())
    if "eval" in parts:
        yield from side_by_side(folder, count, shard, EVAL, rows)


def side_by_side(
    folder: Path, count: int, shard: str, command: tuple[str, ...], content: Callable[[Path], object]
) -> Iterator[dict[str, Any]]:
    """A command on one machine and on the cluster, with outputs of the same content."""
    one, spread = (f"{place}-{command[0]}.jsonl" for place in ("local", "ray"))
    local = run(folder, *command, "-o", one)
    yield {"what": command[0], "responses": count, **local}
    with two_nodes() as (address, _):
        done = run(folder, *command, *ray(address, shard), "-o", spread)
    alike = content(folder / one) == content(folder / spread)
    yield {"what": f"{command[0]} --engine ray", "responses": count, **done, "same": alike}
    yield {"what": "ray over one process", "responses": count, "ratio": round(done["seconds"] / local["seconds"], 2)}


def rows(path: Path) -> list[bytes]:
    """The measure records, without the reference rows."""
    return [line for line in path.read_bytes().splitlines() if b'"role":"reference"' not in line]


def ray(address: str, shard: str) -> tuple[str, ...]:
    """The options of the cluster."""
    return "--engine", "ray", "--ray-address", address, "--shard-size", shard


class two_nodes:
    """A cluster of two nodes with one core each; gives its address and its second node with what removes it."""

    def __enter__(self) -> tuple[str, tuple[Any, Callable[[], None]]]:
        from ray.cluster_utils import Cluster

        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        head = {"num_cpus": 1, "include_dashboard": False, "_system_config": HASTY}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        node = self._cluster.add_node(num_cpus=1)
        return self._cluster.address, (node, lambda: self._cluster.remove_node(node, allow_graceful=False))

    def __exit__(self, *_: object) -> None:
        self._cluster.shutdown()


class Losing:
    """Kills a worker of a node after a fifth of the shards, and the node after two fifths."""

    def __init__(self, output: Path, node: tuple[Any, Callable[[], None]]) -> None:
        self._notes, (self._node, self._remove) = output / "_divtool", node
        self._shards = 0
        self._steps = [self._kill_worker, self._remove]

    def look(self) -> None:
        """Kill what is due."""
        if not self._steps or not (self._notes / "run.json").exists():
            return
        source = self._notes.parents[1] / "responses.jsonl"
        shards = -(-source.stat().st_size // json.loads((self._notes / "run.json").read_text())["shard_size"])
        done = len(list(self._notes.glob("0*-*.json")))
        if done >= shards * (3 - len(self._steps)) / 5:
            self._steps.pop(0)()

    def _kill_worker(self) -> None:
        raylet = psutil.Process(self._node.all_processes["raylet"][0].process.pid)
        workers = [child for child in raylet.children() if "MapWorker" in " ".join(child.cmdline())]
        workers[0].kill()


def run(folder: Path, *arguments: str, losing: Losing | None = None) -> dict[str, Any]:
    """Run the program; the answer is its seconds, and the peak memory of its own process in MiB."""
    output = folder / arguments[arguments.index("-o") + 1]
    if output.is_dir():
        shutil.rmtree(output)
    output.unlink(missing_ok=True)
    begun, peak = time.monotonic(), 0
    with subprocess.Popen([sys.executable, "-m", "divtool", *arguments], cwd=folder, stderr=subprocess.PIPE) as done:
        while done.poll() is None:
            time.sleep(0.02)
            peak = max(peak, _peak(done.pid))
            if losing is not None:
                losing.look()
        assert done.stderr is not None
        said = done.stderr.read().decode()
    assert done.returncode == 0, said
    return {"seconds": round(time.monotonic() - begun, 1), "driver_MiB": round(peak / 1024)}


def _peak(pid: int) -> int:
    """The most memory a process has had so far, KiB."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)


def same(folder: Path, parts: str, local: str) -> bool:
    """Whether parts in order are byte for byte the local output."""
    with (folder / local).open("rb") as whole:
        for part in sorted((folder / parts).glob("part-*")):
            if whole.read(part.stat().st_size) != part.read_bytes():
                return False
        return not whole.read(1)


if __name__ == "__main__":
    main()
