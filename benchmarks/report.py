"""A report over many responses: seconds to write it, its size, and seconds until a browser has loaded it.

python benchmarks/report.py --responses 100000 --rounds 3
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

WORDS = [
    "the",
    "a",
    "river",
    "house",
    "under",
    "mountain",
    "slowly",
    "light",
    "old",
    "found",
    "again",
    "where",
    "nobody",
    "stone",
    "grey",
    "walked",
    "into",
]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def write_responses(path: Path, n: int) -> None:
    """Responses of two runs, ten to a prompt, 119 words each, with scores."""
    with path.open("w", encoding="utf-8") as file:
        for i in range(n):
            text = " ".join(WORDS[(i * k * k + k) % len(WORDS)] for k in range(1, 120))
            record = {
                "prompt_id": f"p{i // 10}", "prompt": f"Write about {i // 10}.", "response": f"{i} {text}",
                "sample_index": i % 10, "turn": 1, "model": "made", "run": f"run {i % 2}",
                "scores": {"ttr": 0.5 + i % 7 / 20, "mtld": 40.0 + i % 31},
            }  # fmt: skip
            file.write(json.dumps(record) + "\n")


def opened(page: Path) -> float:
    """Seconds until the page has loaded and shows its first responses, in a browser that is running."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page()
        began = time.monotonic()
        tab.goto(page.as_uri())
        tab.locator("#reader-list .side").first.wait_for()
        seconds = time.monotonic() - began
        print(" ", tab.locator("#responses .lead").inner_text())
        browser.close()
    return seconds


def main() -> None:
    """Measure, round by round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--responses", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source, page = Path(folder) / "responses.jsonl", Path(folder) / "report.html"
        write_responses(source, options.responses)
        writing, opening = [], []
        for _ in range(options.rounds):
            began = time.monotonic()
            subprocess.run([sys.executable, "-m", "divtool", "report", source, "-o", page], check=True)
            writing.append(time.monotonic() - began)
            opening.append(opened(page))
        sizes = [path.stat().st_size / 1e6 for path in (source, page)]
        print(f"{options.responses:,} responses, {sizes[0]:.0f} MB; page {sizes[1]:.1f} MB")
        for name, values in (("write", writing), ("open", opening)):
            print(f"{name}: {statistics.median(values):.2f} s ({min(values):.2f} to {max(values):.2f})")


if __name__ == "__main__":
    main()
