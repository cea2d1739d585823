"""Start-up: `divtool --help` against `trl --help`, in turn, in one run. The median of the pairwise ratios counts."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 15


def seconds(program: str) -> float:
    """Wall time of one `--help`."""
    begun = time.perf_counter()
    subprocess.run([str(Path(sys.executable).with_name(program)), "--help"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


def main() -> None:
    """Print both medians and the ratio."""
    for program in ("divtool", "trl"):
        seconds(program)
    pairs = [(seconds("divtool"), seconds("trl")) for _ in range(RUNS)]
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratios = sorted(a / b for a, b in pairs)
    print(f"divtool --help {ours:.3f} s, trl --help {theirs:.3f} s")
    print(f"ratio: median {statistics.median(ratios):.2f}, {ratios[0]:.2f} to {ratios[-1]:.2f} over {RUNS} pairs")


if __name__ == "__main__":
    main()
