"""Scored responses as .jsonl, .jsonl.zst and .parquet: size, and how fast they are written and read.

    python benchmarks/parquet.py [--rows 100000] [--rounds 3]

The responses are those of the echo backend to 250 prompts, all different, with the scores of `divtool score`. Writing
takes records from memory; reading gives checked rows, as every stage reads them. The formats take turns; the median of
the rounds is shown, with the slowest and the fastest.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from divtool.core.jsonl import RowReader
from divtool.core.records import check_response
from divtool.core.writer import RecordWriter

NAMES = ("a.jsonl", "a.jsonl.zst", "a.parquet")


def scored(folder: Path, count: int) -> list[dict[str, Any]]:
    """So many scored responses."""
    responses, scores = str(folder / "r.jsonl"), str(folder / "s.jsonl")
    each = str(-(-count // 250))
    for line in (
        ["sample", "--builtin", "scenes", "--count", "250", "-n", each, "--backend", "echo", "-o", responses],
        ["score", responses, "-o", scores],
    ):
        subprocess.run([sys.executable, "-m", "divtool", *line], check=True, capture_output=True)
    return [row.data for row in islice(RowReader(scores), count)]


def write(path: Path, records: list[dict[str, Any]]) -> None:
    """Write them all."""
    with RecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


def read(path: Path, records: list[dict[str, Any]]) -> None:
    """Read them all, and hold them against what was written."""
    for row, record in zip(RowReader(str(path), check_response), records, strict=True):
        assert row.data == record


def seconds(task: Callable[[Path, list[dict[str, Any]]], None], path: Path, records: list[dict[str, Any]]) -> float:
    """How long it takes."""
    begun = time.perf_counter()
    task(path, records)
    return time.perf_counter() - begun


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        records = scored(folder, asked.rows)
        tasks = {"written": write, "read": read}
        taken: dict[tuple[str, str], list[float]] = {(name, did): [] for name in NAMES for did in tasks}
        for _ in range(asked.rounds):
            for name in NAMES:
                for did, task in tasks.items():
                    taken[name, did].append(seconds(task, folder / name, records))
        print(f"{len(records):,} scored responses, {asked.rounds} rounds\n")
        print("| file | size | written a second | read a second |\n|---|---|---|---|")
        for name in NAMES:
            rates = [
                f"{len(records) / median(found):,.0f} ({len(records) / max(found):,.0f} to "
                f"{len(records) / min(found):,.0f})"
                for found in (taken[name, did] for did in tasks)
            ]
            print(f"| `{name[1:]}` | {(folder / name).stat().st_size / 1e6:.1f} MB | {' | '.join(rates)} |", flush=True)


if __name__ == "__main__":
    main()
