"""What an installation takes: disk beyond an empty environment, packages, seconds of pip with and without its cache.

    python benchmarks/install.py divtool 'divtool[report]' --rounds 3

Builds the wheel of this checkout, then installs it into new environments with the versions of constraints.txt.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[1]


def on_disk(folder: Path) -> float:
    """MiB that the files of a folder take."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*")) / 2**20


def packages(folder: Path) -> int:
    """How many packages an environment has, pip and setuptools left out."""
    found = [path.name for path in folder.glob("lib/python*/site-packages/*.dist-info")]
    return sum(not re.match("pip-|setuptools-", name) for name in found)


def installed(folder: Path, requirement: str, cache: Path | None) -> float:
    """Seconds that pip takes in a new environment; without a cache everything is fetched anew."""
    venv.create(folder, with_pip=True)
    store = ["--cache-dir", str(cache)] if cache else ["--no-cache-dir"]
    command = [folder / "bin" / "pip", "install", "--quiet", *store, "--constraint", ROOT / "constraints.txt"]
    begun = time.perf_counter()
    subprocess.run([*command, requirement], check=True)
    return time.perf_counter() - begun


def measured(name: str, wheel: Path, rounds: int, scratch: Path) -> str:
    """One row of the table."""
    requirement = f"{wheel}{name.removeprefix('divtool')}"
    cache = scratch / "cache"
    empty, first = scratch / "empty", scratch / "first"
    venv.create(empty, with_pip=True)
    installed(first, requirement, cache)
    size, count = on_disk(first) - on_disk(empty), packages(first)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for number in range(rounds):
        for warm, times in seconds.items():
            times.append(installed(scratch / f"{warm}-{number}", requirement, cache if warm else None))
    spans = [f"{statistics.median(own):.1f} ({min(own):.1f} to {max(own):.1f})" for own in seconds.values()]
    return f"| `{name}` | {size:,.0f} | {count} | {' | '.join(spans)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["divtool", "divtool[report]"])
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    print(f"{date.today()}, {os.cpu_count()} cores, {platform.platform()}, Python {platform.python_version()}")
    print(
        "| | MiB beyond an empty environment | packages | seconds, cached | seconds, fetched |\n|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        build = [sys.executable, "-m", "build", "--outdir", folder, str(ROOT)]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
        wheel = next(Path(folder).glob("*.whl"))
        for name in asked.names:
            with tempfile.TemporaryDirectory() as scratch:
                print(measured(name, wheel, asked.rounds, Path(scratch)), flush=True)


if __name__ == "__main__":
    main()
