"""`divtool train`: pairs to an adapter."""

from __future__ import annotations

import shlex
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..core.catalog import METHODS, get, names
from ..core.errors import UsageError
from . import console
from . import options as o

_HOW = "How to train"
_LORA = "The adapter"


def _how(*flags: str, help: str, panel: str = _HOW, **more: Any) -> Any:
    return typer.Option(*flags, help=help, rich_help_panel=panel, show_default=False, **more)


def train(
    pairs: o.Input = None,
    method: Annotated[
        str | None,
        typer.Option("--method", help="diverse-ns, diverse-ns-lite or dpo; see divtool methods.", metavar="NAME"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for the adapter, its log and its card.", metavar="DIR")
    ] = None,
    model: o.Model = "smollm2-135m",
    adapter: o.Adapter = None,
    dtype: o.Dtype = "auto",
    device: o.Device = "auto",
    four_bit: o.FourBit = None,
    trust_remote_code: o.TrustRemoteCode = False,
    epochs: Annotated[float | None, _how("--epochs", help="Passes over the pairs (1).")] = None,
    max_steps: Annotated[int | None, _how("--max-steps", min=1, help="Steps, instead of --epochs.")] = None,
    batch_size: Annotated[int | None, _how("--batch-size", min=1, help="Pairs in one forward pass (4).")] = None,
    grad_accum: Annotated[
        int | None, _how("--grad-accum", min=1, help="Forward passes a step (as many as make 32 pairs).")
    ] = None,
    learning_rate: Annotated[
        float | None, _how("--learning-rate", help="Peak of the cosine (5e-6; 5e-5 under 1B parameters).")
    ] = None,
    loss: Annotated[
        Literal["sigmoid", "sigmoid_norm"] | None, _how("--loss", help="sigmoid_norm: log-ratios per token.")
    ] = None,
    beta: Annotated[float | None, _how("--beta", help="Tie to the reference (0.1; 5 for sigmoid_norm).")] = None,
    ld_alpha: Annotated[
        float | None, _how("--ld-alpha", help="LD-DPO: share of the longer text's tail that counts, 0 to 1.")
    ] = None,
    max_length: Annotated[
        int | None, _how("--max-length", min=1, help="Leave out pairs of more tokens (1024); nothing is cut.")
    ] = None,
    lora_r: Annotated[int | None, _how("--lora-r", min=1, help="Rank (16).", panel=_LORA)] = None,
    lora_alpha: Annotated[int | None, _how("--lora-alpha", min=1, help="Scale (32).", panel=_LORA)] = None,
    save_steps: Annotated[
        int | None, _how("--save-steps", min=1, help="Keep a checkpoint every so many steps.")
    ] = None,
    audit: Annotated[
        Literal["fail", "warn", "off"], typer.Option("--audit", help="What pairs that fail the length audit do.")
    ] = "fail",
    seed: o.Seed = 0,
    resume: o.Resume = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; no weights are loaded.")] = False,
    on_error: o.OnError = "stop",
) -> None:
    """Train a LoRA adapter on preference pairs.

    Reads the pairs of divtool select and writes a folder that plain PEFT loads: adapter, train_log.jsonl, README.md.
    Nothing goes to standard output.
    """
    from ..core.models.options import LoadOptions
    from ..core.training.job import Tell, TrainJob
    from ..core.training.settings import settings_for

    if method is None:
        raise UsageError(f"train needs --method NAME: {', '.join(names(METHODS, 'train'))}")
    recipe = get("method", METHODS, method, "train").load().training
    given = {
        "epochs": epochs, "max_steps": max_steps, "batch_size": batch_size, "grad_accum": grad_accum,
        "learning_rate": learning_rate, "loss": loss, "beta": beta, "ld_alpha": ld_alpha, "max_length": max_length,
        "lora_r": lora_r, "lora_alpha": lora_alpha, "save_steps": save_steps, "seed": seed, "four_bit": four_bit,
    }  # fmt: skip
    job = TrainJob(
        method=method,
        source=o.source(pairs),
        output=output,
        model=model,
        loading=LoadOptions(adapter=adapter, dtype=dtype, device=device, trust_remote_code=trust_remote_code),
        settings=settings_for(recipe.settings, given),
        audit=audit,
        skip_bad=on_error == "skip",
        resume=resume,
        dry_run=dry_run,
        command=shlex.join(["divtool", *sys.argv[1:]]),
        tell=Tell(console.note, console.warn, console.progress),
    )
    module, _, runner = recipe.runner.partition(":")
    report = getattr(import_module(f"..core.{module}", __package__), runner)(job)
    if report.rows:
        console.table(report.title, ("", ""), report.rows)
