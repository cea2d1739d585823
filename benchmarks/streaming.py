"""`score --metrics lexical` over many lines: lines a second, peak memory, and what a second process gains.

    python benchmarks/streaming.py demo/responses.jsonl --lines 100000 1000000

Texts are made of the sentences of real responses, drawn with a seed, cut at 80 words; eight to a prompt. Memory is that
of all processes of a run together (proportional set size), sampled five times a second.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from divtool.core.metrics.text import sentences, truncate_words

WORDS, A_PROMPT = 80, 8


def made_texts(source: Path, seed: int = 0) -> list[str]:
    """Two thousand different texts of 80 words."""
    lines = source.read_text(encoding="utf-8").splitlines()
    pool = [sentence for line in lines for sentence in sentences(json.loads(line)["response"])]
    draw = random.Random(seed)
    texts: list[str] = []
    while len(texts) < 2_000:
        text = truncate_words(" ".join(draw.choices(pool, k=40)), WORDS)
        if text is not None:
            texts.append(text)
    return texts


def write(path: Path, texts: list[str], lines: int) -> None:
    """A file of responses."""
    draw = random.Random(1)
    with path.open("w", encoding="utf-8") as out:
        for number in range(lines):
            record = {
                "prompt": f"Prompt {number // A_PROMPT}",
                "prompt_id": f"p{number // A_PROMPT}",
                "response": draw.choice(texts),
                "sample_index": number % A_PROMPT,
                "turn": 1,
                "model": "benchmark",
                "seed": 0,
                "finish_reason": "stop",
                "n_tokens": 100,
                "logprob": -200.0,
            }
            out.write(json.dumps(record) + "\n")


def memory(process: subprocess.Popen[bytes], peak: list[float]) -> None:
    """Watch the process and its children until it ends."""
    root = psutil.Process(process.pid)
    while process.poll() is None:
        total = 0
        try:
            for each in (root, *root.children(recursive=True)):
                total += each.memory_full_info().pss
        except psutil.Error:
            pass
        peak[0] = max(peak[0], total / 2**20)
        time.sleep(0.2)


def run(path: Path, workers: int) -> tuple[float, float]:
    """Seconds and MiB of one run."""
    command = [sys.executable, "-m", "divtool", "score", str(path), "--metrics", "lexical", "--workers", str(workers)]
    peak = [0.0]
    begun = time.perf_counter()
    process = subprocess.Popen([*command, "-o", os.devnull], stderr=subprocess.DEVNULL)
    watcher = threading.Thread(target=memory, args=(process, peak))
    watcher.start()
    if process.wait():
        raise SystemExit(f"failed: {' '.join(command)}")
    seconds = time.perf_counter() - begun
    watcher.join()
    return seconds, peak[0]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("responses", type=Path)
    parser.add_argument("--lines", type=int, nargs="+", default=[20_000, 100_000])
    options = parser.parse_args()
    texts = made_texts(options.responses)
    print("| lines | workers | lines/s | peak memory, MiB | times one worker |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for lines in options.lines:
            path = Path(folder) / f"{lines}.jsonl"
            write(path, texts, lines)
            single = 0.0
            for workers in (1, 2):
                seconds, peak = run(path, workers)
                single = single or seconds
                rate, gain = lines / seconds, single / seconds
                print(f"| {lines:,} | {workers} | {rate:,.0f} | {peak:,.0f} | {gain:.2f} |", flush=True)
            path.unlink()


if __name__ == "__main__":
    main()
