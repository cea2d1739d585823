"""Small files of every kind that the report reads."""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright
from playwright.sync_api import Page as BrowserPage

from divtool.core.metrics.length_bias import LengthBias

Record = dict[str, Any]
Writer = Callable[[str, Iterable[Record]], Path]


def response(i: int, j: int, *, run: str | None = "base", text: str = "", scores: Record | None = None) -> Record:
    record: Record = {
        "prompt_id": f"p{i}", "prompt": f"Write about {i}.",
        "response": text or f"A text {i} {j} of {run} " + "word " * i,
        "sample_index": j, "turn": 1, "model": "tiny", "seed": 0, "params": {"temperature": 1.0, "top_k": None},
        "finish_reason": "stop", "n_tokens": 9, "logprob": -20.0,
    }  # fmt: skip
    return record | ({"run": run} if run else {}) | ({"scores": scores} if scores else {})


def pair(i: int, *, chosen: str = "", rejected: str = "") -> Record:
    return {
        "prompt": [{"role": "user", "content": f"Write about {i}."}],
        "chosen": [{"role": "assistant", "content": chosen or "new words here " * (i + 1)}],
        "rejected": [{"role": "assistant", "content": rejected or "old words there " * (i + 1)}],
        "prompt_id": f"p{i}", "method": "diverse-ns-lite", "weight": 1.0, "model": "tiny", "gap": 1.0 + i,
        "gaps": {"maas": -0.01 * i}, "chosen_scores": {"maas": 0.02}, "rejected_scores": {"maas": 0.03},
    }  # fmt: skip


def measure(metric: str = "semantic_distance", **changes: Any) -> Record:
    return {
        "task": "story", "metric": metric, "role": "headline", "direction": "+", "run": "tuned", "model": "tiny",
        "baseline": "base", "value": 0.61, "ci_low": 0.59, "ci_high": 0.63, "baseline_value": 0.58, "delta": 0.03,
        "delta_ci_low": 0.01, "delta_ci_high": 0.05, "p_value": 0.001, "p_adjusted": 0.002, "family_size": 2,
        "verdict": "more", "n_prompts": 40, "n_responses": 320, "n_units": 40, "mean_words": 102.0,
        "baseline_mean_words": 100.0, "length_flag": False, "note": "", "definition": "mean over prompts",
    } | changes  # fmt: skip


def quality(verdict: str = "not worse", **changes: Any) -> Record:
    return measure(
        "usable_rate", role="quality", verdict=verdict, delta=-0.01, delta_ci_low=-0.03, delta_ci_high=0.01, **changes
    )


def unit_values(run: str = "tuned", task: str = "story", n: int = 8, **changes: Any) -> list[Record]:
    """Values by prompt whose differences to the baseline are -0.01, 0, 0.01 and so on."""
    fixed = {
        "task": task, "run": run, "metric": "semantic_distance", "role": "headline", "direction": "+",
        "baseline": "base",
    }  # fmt: skip
    return [
        {**fixed, "unit_id": f"p{i}", "value": 0.5 + 0.01 * (i - 1), "baseline_value": 0.5} | changes for i in range(n)
    ]


def evaluation(task: str = "story", run: str = "tuned", **changes: Any) -> list[Record]:
    """The rows of a run and its baseline as `eval` writes them, with reference rows."""
    rates = {"parse_rate_strict": 0.5, "parse_rate": 0.75}
    own: Record = {"task": task, "run": run, **rates}
    alone = {"baseline": None, "delta": None, "delta_ci_low": None, "delta_ci_high": None, "verdict": None}
    head = measure(**own, **changes)
    words = measure("words", role="length", direction="0", value=102.0, ci_low=90.0, ci_high=110.0, verdict=None, **own)
    top = {"top_values": [["ann", 6], ["bob", 2]], "value": 0.75, "ci_low": None, "ci_high": None}
    values = measure("field_top_share_first_name", role="detail", **(own | alone | top))
    rows = [head, quality(value=0.9, ci_low=0.8, ci_high=0.95, **own), words, values]
    base = [row | alone | {"run": "base"} for row in rows]
    made = [
        measure(role="reference", task=task, value=value, **alone, run=f"[{name}]")
        for name, value in (("identical", 0.5), ("unrelated", 0.7))
    ]
    return rows + base + made


def selection() -> Record:
    return {
        "method": "diverse-ns-lite", "options": {"length_tolerance": 5}, "seed": 0, "input_sha256": "ab" * 32,
        "divtool": "0.0.9",
        "funnel": [
            {"stage": "clean", "unit": "responses", "entered": 100, "kept": 80, "dropped": {"truncated": 20}},
            {"stage": "length", "unit": "candidates", "entered": 80, "kept": 30, "dropped": {}},
            {"stage": "length", "unit": "pairs", "entered": 30, "kept": 12, "dropped": {}},
        ],
        "audit": {
            "pairs": 12, "verdict": "warn",
            "checks": [{"check": "mean_delta_words", "value": 0.1, "limit": "1.0", "verdict": "pass", "message": ""}],
            "delta_histogram": {"edges": [-1.5, -0.5, 0.5, 1.5], "counts": [3, 6, 3]},
            "cue_accuracy": {"longer": 0.5}, "correlation": {"pearson": 0.02},
        },
    }  # fmt: skip


def bias_report(**changes: Any) -> Record:
    """A length-bias report as `score --report` writes it."""
    bias = LengthBias()
    for i in range(60):
        scores = {"words": 40 + i, "ttr": 1 - i / 100 + i % 7 / 20, "reward": (i * 37 % 60) / 10.0, "same": 1.0}
        bias.add([{"prompt_id": f"p{i % 15}", "response": "", "scores": scores}])
    return {**bias.report(resamples=50), "divtool": "0.0.9"} | changes


def training() -> list[Record]:
    steps = [
        {"step": s, "loss": 0.69 * math.exp(-s / 9), "rewards/margins": 0.1 * s, "rewards/accuracies": 0.8}
        for s in range(1, 9)
    ]
    return [*steps, {"step": 8, "train_runtime": 3.0, "train_loss": 0.4}]


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    def writer(name: str, records: Iterable[Record]) -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
        return path

    return writer


@pytest.fixture
def stage_files(write: Writer, tmp_path: Path) -> list[Path]:
    """A whole run: two response files, pairs, a select report, measures, a training log."""
    rng = random.Random(0)
    files = []
    for run in ("base", "tuned"):
        rows = [
            response(i, j, run=run, scores={"maas": rng.random(), "words": 50 + 3 * i + j, "mtld": None})
            for i in range(12)
            for j in range(3)
        ]
        files.append(write(f"{run}.jsonl", rows))
    files.append(write("pairs.jsonl", [pair(i) for i in range(12)]))
    files.append(tmp_path / "select.json")
    files[-1].write_text(json.dumps(selection(), indent=2), encoding="utf-8")
    files.append(write("measures.jsonl", [measure(), quality(), measure("distinct_2", role="detail", verdict="")]))
    files.append(write("train_log.jsonl", training()))
    return files


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_QUIET = "--no-sandbox --disable-gpu --disable-quic --disable-background-networking --disable-component-update"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser that is not on the page yet."""
    if CHROMIUM is None:
        pytest.skip("no Chromium; make browser installs Debian's")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_QUIET.split())
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page in the browser, and what it did that a report must not do."""

    page: BrowserPage
    faults: list[str]


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Visit]]:
    """Opens a file, by default as on a wide light screen, and writes down all messages, dialogs and requests."""
    contexts: list[BrowserContext] = []

    def opener(path: Path, width: int = 1440, scheme: Literal["light", "dark"] = "light") -> Visit:
        contexts.append(chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme))
        page = contexts[-1].new_page()
        faults: list[str] = []
        page.on("console", lambda message: faults.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: request.url == path.as_uri() or faults.append(f"request: {request.url}"))
        page.goto(path.as_uri())
        return Visit(page, faults)

    yield opener
    for context in contexts:
        context.close()
