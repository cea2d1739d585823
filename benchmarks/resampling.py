"""Statistics of a large table: 20 metrics of 1,000 prompts against a baseline, intervals and sign-flip tests.

Three ways in one run: all metrics with one set of resamples, as `eval` does it; metric by metric; and SciPy's
`bootstrap` and `permutation_test`. Random numbers stand for the metrics; the time does not depend on them.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable

import numpy as np
from scipy import stats

from divtool.core.evaluation.statistics import RESAMPLES, compare, compare_many

PROMPTS, METRICS = 1_000, 20
MOST_SECONDS, MOST_MIB = 5, 300
BATCH = 500  # resamples that SciPy holds at once


def best(job: Callable[[], object], rounds: int) -> float:
    """Seconds of the fastest round."""
    seconds = []
    for _ in range(rounds):
        begun = time.perf_counter()
        job()
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def peak() -> float:
    """The most memory that this process has held, in MiB, Python and its packages included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def scipy_way(run: np.ndarray, baseline: np.ndarray) -> None:
    """The same intervals and tests of (metrics, prompts) tables, all metrics in one call each."""
    many = {"n_resamples": RESAMPLES, "axis": -1, "batch": BATCH}
    for table in (run, run - baseline):
        stats.bootstrap((table,), np.mean, method="percentile", **many)
    stats.permutation_test(
        (run, baseline), lambda a, b, axis: np.mean(a - b, axis=axis), permutation_type="samples", **many
    )


def main() -> None:
    """Print the table."""
    rng = np.random.default_rng(0)
    baseline = rng.beta(2, 6, size=(METRICS, PROMPTS))
    run = baseline + rng.normal(0.01, 0.1, size=baseline.shape)
    pairs = list(zip(run.tolist(), baseline.tolist(), strict=True))
    rows = []
    for name, job, rounds in (
        ("one set of resamples", lambda: compare_many(pairs), 3),
        ("metric by metric", lambda: [compare(*pair) for pair in pairs], 1),
        ("scipy.stats", lambda: scipy_way(run, baseline), 1),
    ):
        rows.append((name, best(job, rounds), peak()))  # the peak of all so far: the one that needs most comes last
    print(
        f"{METRICS} metrics x {PROMPTS:,} prompts x {RESAMPLES:,} resamples, {os.cpu_count()} cores, "
        f"OMP_NUM_THREADS {os.environ.get('OMP_NUM_THREADS', 'not set')}; NumPy {np.__version__}\n"
    )
    print("| way | seconds | limit | peak memory | limit |\n| --- | --- | --- | --- | --- |")
    for i, (name, seconds, memory) in enumerate(rows):
        limits = ("", "") if i else (f"{MOST_SECONDS} s", f"{MOST_MIB} MiB")
        print(f"| {name} | {seconds:.2f} s | {limits[0]} | {memory:.0f} MiB | {limits[1]} |", flush=True)


if __name__ == "__main__":
    main()
