"""What goes with an adapter: the facts of its training as data, and the same as a model card."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ... import __version__
from ..catalog import METHODS
from .job import LOG, TrainJob
from .pairs import Lengths, PairFile
from .settings import FullSettings

_LIBRARIES = ("torch", "transformers", "trl", "peft", "bitsandbytes")


def facts(
    job: TrainJob,
    pairs: PairFile,
    lengths: Lengths,
    settings: FullSettings,
    log: Sequence[dict[str, Any]],
    measured: dict[str, float],
    weights: dict[str, Any] | None,
) -> dict[str, Any]:
    """Everything worth knowing of a finished run; no path of this machine.

    Args:
        job: What was asked for.
        pairs: The pairs as they came.
        lengths: Token counts of those that were trained on.
        settings: How they were trained on.
        log: The lines of the log.
        measured: Values from before step 1, the seconds that the steps took, and how many numbers they changed.
        weights: What the pairs' weights look like, where they count.
    """
    return {
        "format": "divtool-train",
        "version": 1,
        "method": job.method,
        "unit": "texts" if settings.kind == "sft" else "pairs",
        "source": METHODS[job.method].source,
        "model": portable(job.model),
        "start_adapter": portable(job.loading.adapter) if job.loading.adapter else None,
        "data": {
            "name": portable(pairs.name),
            "sha256": pairs.sha256,
            "pairs": pairs.count,
            "trained_on": len(lengths),
            "too_long": lengths.dropped,
            "empty": lengths.empty,
            "bad_lines": pairs.skipped,
            "tokens_per_epoch": lengths.total,
            "weights": weights,
            "models": {portable(name) if name else "not said": n for name, n in pairs.models.items()},
        },
        "settings": asdict(settings),
        "before_training": {key: measured[key] for key in measured if key.startswith(("logp", "delta"))},
        "result": _result(log, measured),
        "versions": {"divtool": __version__, "python": platform.python_version()} | _versions(),
        "command": portable_command(job.command),
    }


_LAST = {
    "margin_last": "rewards/margins",
    "accuracy_last": "rewards/accuracies",
    "log_ratio_last": "log_ratio",
    "loss_unweighted_last": "loss_unweighted",
}


def _result(log: Sequence[dict[str, Any]], measured: dict[str, float]) -> dict[str, Any]:
    first, last = log[0], log[-1]
    rates = sorted(line["tokens_per_second"] for line in log)
    return {
        "steps": last["step"],
        "epochs": last["epoch"],
        "loss_first": first["loss"],
        "loss_last": last["loss"],
        **{name: last[column] for name, column in _LAST.items() if column in last},
        "trainable_parameters": int(measured["trainable"]),
        "tokens_per_second": rates[len(rates) // 2],
        "seconds": round(measured["seconds"], 1),
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def portable(name: str) -> str:
    """A path without the folders of this machine; any other name as it is."""
    return Path(name).name if Path(name).is_absolute() else name


def portable_command(command: str) -> str:
    """A command line whose absolute paths are cut to their last part."""
    words = []
    for word in shlex.split(command):
        head, equals, tail = word.partition("=")
        words.append(f"{head}={portable(tail)}" if equals and word.startswith("-") else portable(word))
    return shlex.join(words)


def _rounded(value: float | None, places: int) -> str | None:
    return None if value is None else f"{value:.{places}f}"


_CARD = """\
---
library_name: peft
pipeline_tag: text-generation
tags:
- divtool
- lora
- {method}
---

# {method} adapter for {model}

A LoRA adapter that `divtool train` made with the method `{method}`{source}.

| | |
|---|---|
{rows}

Values of the last step are means over that step. The log of every step is in `{log}`, the same facts as data
are in `divtool_train.json`. `log_ratio` is the mean of log p - log p(reference) over chosen and rejected texts.

## Use

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM

model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(BASE_MODEL), ADAPTER_FOLDER)
```

or `divtool sample --model {model} --adapter ADAPTER_FOLDER`.

## Settings

```
{settings}
```

## Command

```
{command}
```
"""


def write_card(folder: Path, known: dict[str, Any]) -> None:
    """Write README.md from the facts of a run."""
    data, result = known["data"], known["result"]
    rows = {
        "base model": known["model"],
        "started from the adapter": known["start_adapter"],
        known["unit"]: f"{data['trained_on']:,} of {data['pairs']:,} in `{data['name']}` ({data['too_long']} too long)",
        "SHA-256 of the data": f"`{data['sha256']}`",
        "steps": f"{result['steps']} ({result['epochs']:.2f} epochs)",
        "loss, first and last step": f"{result['loss_first']:.4f}, {result['loss_last']:.4f}",
        "reward margin, last step": _rounded(result.get("margin_last"), 4),
        "share of pairs ranked right, last step": _rounded(result.get("accuracy_last"), 2),
        "trainable parameters": f"{result['trainable_parameters']:,}",
        "versions": ", ".join(f"{name} {number}" for name, number in known["versions"].items()),
    }
    text = _CARD.format(
        method=known["method"],
        model=known["model"],
        source=f" ({known['source']})" if known["source"] else "",
        rows="\n".join(f"| {name} | {value} |" for name, value in rows.items() if value is not None),
        log=LOG,
        settings="\n".join(f"{name}: {value}" for name, value in known["settings"].items() if value is not None),
        command=known["command"],
    )
    (folder / "README.md").write_text(text, encoding="utf-8")
