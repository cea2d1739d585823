"""Time and peak memory of a DPO step: every form that `train` has, against stock TRL, side by side on the same pairs.

Each round takes one step of every form in turn, so that a busy minute hits all of them; what counts is the ratio inside
a round. A step is collation, forward, backward and the optimiser, with the reference computed before. Peak memory is
that of a process of its own for each form.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from side_by_side import alone, peak_mib, ratio

FORMS = {
    "stock": None,
    "fused": ("fused", False),
    "fused packed": ("fused", True),
    "compact": ("compact", False),
    "compact packed": ("compact", True),
}
RESPONSE = 128


def pairs(prompt: int, count: int, response: int, vocabulary: int) -> list[dict[str, Any]]:
    """Random pairs of token ids, every text of the same length."""
    draw = random.Random(prompt)

    def ids(length: int) -> list[int]:
        return [draw.randrange(10, vocabulary) for _ in range(length)]

    return [
        {"prompt_ids": ids(prompt), "chosen_ids": ids(response), "rejected_ids": ids(response), "weight": 1.0,
         "prompt_id": str(row), "row": row}
        for row in range(count)
    ]  # fmt: skip


def adapted(model: str) -> tuple[Any, Any]:
    """The model with a fresh adapter, moved off its start, and its tokenizer."""
    import torch

    from divtool.core.models.language import load
    from divtool.core.models.options import LoadOptions
    from divtool.core.training.lora import with_adapter
    from divtool.core.training.settings import TrainSettings

    loaded = load(model, LoadOptions(device="cpu", dtype="float32"))
    tuned = with_adapter(loaded.model, TrainSettings().filled(1, "cpu"))
    draw = torch.Generator().manual_seed(1)
    for name, weights in tuned.named_parameters():
        if "lora_B" in name:
            weights.data = torch.randn(weights.shape, generator=draw) * 1e-3
    return tuned, loaded.tokenizer


def stock_step(model: str, rows: list[dict[str, Any]], folder: Path) -> Callable[[], float]:
    """A step of TRL's own trainer; only its tokenisation is passed over, since the rows are token ids."""
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    class Stock(DPOTrainer):  # type: ignore[misc]
        def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
            return dataset

    tuned, tokenizer = adapted(model)
    args = DPOConfig(
        output_dir=str(folder), per_device_train_batch_size=len(rows), use_cpu=True, bf16=False, report_to="none",
        gradient_checkpointing=False, precompute_ref_log_probs=True, max_length=None, disable_tqdm=True,
    )  # fmt: skip
    ids = [{key: row[key] for key in ("prompt_ids", "chosen_ids", "rejected_ids")} for row in rows]
    trainer = Stock(model=tuned, args=args, train_dataset=Dataset.from_list(ids), processing_class=tokenizer)
    return _stepper(trainer)


def our_steps(model: str, rows: list[dict[str, Any]], folder: Path) -> dict[str, Callable[[], float]]:
    """A step of each of our forms."""
    import torch
    from datasets import Dataset

    from divtool.core.training.settings import TrainSettings
    from divtool.core.training.trainer import PairTrainer, arguments

    tuned, tokenizer = adapted(model)
    settings = TrainSettings(batch_size=len(rows), grad_accum=1, gradient_checkpointing=False).filled(1, "cpu")
    args = arguments(settings, folder, 1, torch.float32, torch.device("cpu"))
    trainer = PairTrainer(tuned, tokenizer, Dataset.from_list(rows), args, settings)
    trainer.attach_reference(folder / "reference.safetensors", lambda n: None)
    step = _stepper(trainer)

    def of(head: str, packed: bool) -> Callable[[], float]:
        def take() -> float:
            trainer.head, trainer.data_collator.packed = head, packed
            return step()

        return take

    return {name: of(*form) for name, form in FORMS.items() if form is not None}


def _stepper(trainer: Any) -> Callable[[], float]:
    import torch

    rows = [trainer.train_dataset[n] for n in range(len(trainer.train_dataset))]
    optimizer = torch.optim.AdamW([p for p in trainer.model.parameters() if p.requires_grad], lr=0.0)
    trainer.model.train()

    def step() -> float:
        loss = trainer.compute_loss(trainer.model, trainer.data_collator(rows))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return float(loss.detach())

    return step


def prepared(model: str, prompt: int, count: int, response: int, forms: list[str]) -> dict[str, Callable[[], float]]:
    """The steps of some forms on the same pairs."""
    import transformers

    transformers.utils.logging.set_verbosity_error()
    os.environ["CI"] = "1"  # Stock TRL sends telemetry outside CI.
    rows = pairs(prompt, count, response, 49_000 if model == "smollm2-135m" else 200)
    folder = Path(tempfile.mkdtemp(prefix="divtool-bench-"))
    steps = {"stock": stock_step(model, rows, folder / "stock")} if "stock" in forms else {}
    if set(forms) - {"stock"}:
        (folder / "ours").mkdir()
        steps |= our_steps(model, rows, folder / "ours")
    return {name: steps[name] for name in forms}


def compare(options: argparse.Namespace, prompt: int) -> None:
    """Print the time of a step of each form, its ratio to stock, and its peak memory."""
    steps = prepared(options.model, prompt, options.pairs, options.response, list(FORMS))
    losses = {name: step() for name, step in steps.items()}  # Also warms up.
    apart = max(abs(loss - losses["stock"]) for loss in losses.values())
    assert apart < 1e-4, f"the forms do not agree: {losses}"
    wall: dict[str, list[float]] = {name: [] for name in steps}
    cpu: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(options.rounds):
        order = list(steps)[turn % len(steps) :] + list(steps)[: turn % len(steps)]
        for name in order:
            begun, used = time.perf_counter(), time.process_time()
            steps[name]()
            wall[name].append(time.perf_counter() - begun)
            cpu[name].append(time.process_time() - used)
    print(f"prompt {prompt}, responses {options.response}, {options.pairs} pairs; losses within {apart:.0e}")
    own = argparse.Namespace(**{**vars(options), "prompts": prompt})
    for name in steps:
        peak = "" if options.quick else f"; peak {peak_mib(__file__, name, own):,.0f} MiB"
        print(
            f"  {name:14} {statistics.median(wall[name]):6.2f} s; stock over it "
            f"{ratio(wall['stock'], wall[name])} by the clock, {ratio(cpu['stock'], cpu[name])} in CPU time{peak}"
        )


def main() -> None:
    """Compare the forms at every prompt length."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--prompts", default="64,512", help="prompt lengths in tokens")
    parser.add_argument("--response", type=int, default=RESPONSE)
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="one pair, two rounds, no memory: does it run?")
    parser.add_argument("--alone", choices=FORMS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    import torch

    torch.set_num_threads(options.threads)
    lengths = [int(length) for length in options.prompts.split(",")]
    if options.alone:
        alone(prepared(options.model, lengths[0], options.pairs, options.response, [options.alone])[options.alone])
        return
    if options.quick:
        options.pairs, options.rounds = 1, 2
    print(f"{options.threads} threads, torch {torch.__version__}, {options.model}, float32, LoRA r 16")
    for prompt in lengths:
        compare(options, prompt)


if __name__ == "__main__":
    main()
