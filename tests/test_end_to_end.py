"""The main job on the embedded models, small: one shell pipeline, then everything that must read its files."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .core.reporting.conftest import chromium, visit  # noqa: F401
from .core.reporting.test_browser import DRAWN, Opener

pytestmark = pytest.mark.model

PIPE = (
    "divtool prompts scenes --count 6 -o prompts.jsonl && "
    "cat prompts.jsonl "
    "| divtool sample --strategy sequential -n 2 --temperature 0.8 --max-new-tokens 48 "
    "| tee responses.jsonl "
    "| divtool score --metrics lexical,dsi_lite,semantic_deviation,mean_logprob --quality perplexity "
    "| tee scored.jsonl "
    "| divtool select --method diverse-ns-lite --orientation any --min-words 5 --length-tolerance 12 --per-prompt 2 "
    "    --audit warn --report select.json "
    "| tee pairs.jsonl "
    "| divtool train --method diverse-ns --audit warn --max-steps 2 --batch-size 2 --grad-accum 1 -o adapter && "
    "divtool eval --task aut --model smollm2-135m --adapter adapter --baseline smollm2-135m --count 6 -n 2 --no-guard "
    "-o measures.jsonl && "
    "divtool report scored.jsonl select.json pairs.jsonl adapter/train_log.jsonl adapter/divtool_train.json "
    "measures.jsonl measures.jsonl.work/eval.json measures.jsonl.work/aut.run.jsonl "
    "measures.jsonl.work/aut.baseline.jsonl -o report.html"
)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the pipeline left."""
    folder = tmp_path_factory.mktemp("job")
    script = f'set -eo pipefail; divtool() {{ "{sys.executable}" -m divtool "$@"; }}; {PIPE}'
    done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=550)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return folder


def _records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_every_stage_left_its_records(job: Path) -> None:
    assert len(_records(job / "responses.jsonl")) == 24
    for record in _records(job / "scored.jsonl"):
        assert {"dsi_lite", "semantic_deviation", "mean_logprob", "perplexity", "ttr"} <= record["scores"].keys()
    assert len(_records(job / "pairs.jsonl")) >= 3


def test_perplexity_of_a_first_turn_is_that_of_its_sampling(job: Path) -> None:
    """The sampler counted the end token, the scorer does not: the two agree to that one token."""
    for record in _records(job / "scored.jsonl"):
        if record["turn"] == 1 and record["finish_reason"] == "length":
            assert -record["scores"]["mean_logprob"] == pytest.approx(
                math.log(record["scores"]["perplexity"]), abs=0.15
            )


def test_training_begins_at_ln_2(job: Path) -> None:
    log = _records(job / "adapter" / "train_log.jsonl")
    # A small model's loss holds a fifth of the chosen text's likelihood loss.
    assert log[0]["loss"] - 0.2 * log[0]["nll_loss"] == pytest.approx(0.6931472, abs=1e-3)
    assert len(log) == 2


def test_pairs_go_unchanged_into_a_stock_trainer(job: Path, tmp_path: Path) -> None:
    from datasets import load_dataset
    from peft import LoraConfig
    from trl import DPOConfig, DPOTrainer

    from divtool.core.models.language import load_tokenizer, resolve

    pairs = load_dataset("json", data_files=str(job / "pairs.jsonl"), split="train", cache_dir=str(tmp_path / "cache"))
    source = resolve("smollm2-135m")
    arguments = DPOConfig(
        output_dir=str(tmp_path / "out"),
        max_steps=1,
        per_device_train_batch_size=1,
        report_to=[],
        use_cpu=True,
        bf16=False,
    )
    trainer = DPOTrainer(
        source,
        args=arguments,
        train_dataset=pairs,
        processing_class=load_tokenizer(source),
        peft_config=LoraConfig(r=4, target_modules="all-linear"),
    )
    assert trainer.train().training_loss == pytest.approx(0.6931, abs=0.01)


def test_adapter_loads_with_plain_peft_and_generates(job: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from divtool.core.models.language import load_tokenizer, resolve

    source = resolve("smollm2-135m")
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(source), str(job / "adapter"))
    tokenizer = load_tokenizer(source)
    ids = tokenizer("Once upon a time", return_tensors="pt")
    output = model.generate(**ids, max_new_tokens=8, do_sample=False)
    assert output.shape[1] > ids["input_ids"].shape[1]


def test_measures_have_intervals_and_lengths(job: Path) -> None:
    rows = [row for row in _records(job / "measures.jsonl") if "delta" in row]
    by_name = {row["metric"]: row for row in rows}
    assert by_name.keys() >= {"use_distance", "usable_rate", "words"}
    assert by_name["words"]["n_units"] == by_name["usable_rate"]["n_units"] == 6
    for row in rows:
        if row["unit"] == "run" or row["n_units"] < 6:
            assert row["delta_ci_low"] is None
            continue
        assert row["delta_ci_low"] <= row["delta"] <= row["delta_ci_high"]
        assert row["mean_words"] > 0
        assert row["baseline"] == "smollm2-135m"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_the_report_opens_in_a_browser(job: Path, visit: Opener, width: int, scheme: str) -> None:  # noqa: F811
    seen = visit(job / "report.html", width, scheme)
    pictures = seen.page.evaluate(DRAWN)
    assert len(pictures) >= 12
    assert all(picture["width"] > 100 and picture["marks"] >= 3 for picture in pictures)
    seen.page.get_by_label("Search").fill("the")
    seen.page.wait_for_function("() => document.querySelectorAll('#reader-list mark').length > 0")
    seen.page.get_by_label("Sort by").select_option("ttr")
    seen.page.wait_for_function(
        "() => document.querySelector('#reader-list .label:not(h3)').textContent.includes('ttr')"
    )
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    assert seen.page.pdf(format="A4").startswith(b"%PDF-")
    assert os.path.getsize(job / "report.html") < 10_000_000
    assert seen.faults == []
