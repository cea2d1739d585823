"""What benchmarks that compare forms of a step share: ratios inside rounds, and memory of a process of its own."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path


def ratio(base: Sequence[float], own: Sequence[float]) -> str:
    """Median of base over own within each round, with its range."""
    found = sorted(theirs / ours for theirs, ours in zip(base, own, strict=True))
    return f"{statistics.median(found):.2f} ({found[0]:.2f} to {found[-1]:.2f})"


def peak_mib(script: str, form: str, options: argparse.Namespace) -> float:
    """Peak memory of a process that takes two steps of one form: the script again, with `--alone`."""
    command = [sys.executable, script, "--alone", form]
    for name in ("model", "prompt", "prompts", "pairs", "response", "threads"):
        if hasattr(options, name):
            command += [f"--{name}", str(getattr(options, name))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1])["peak_mib"])


def alone(step: Callable[[], object]) -> None:
    """Take two steps, and print the peak of this process."""
    step()
    step()
    # Not `getrusage`: its peak is handed down to a new process by the one that starts it.
    high = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(json.dumps({"peak_mib": int(high.split()[1]) / 1024}))
