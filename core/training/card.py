"""What goes with an adapter: the facts of its training as data, and the same as a model card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..catalog import METHODS
from ..models.names import hub_name
from ..provenance import portable, portable_command, versions_of
from .job import LOG, OutputFolder, TrainJob
from .processes import here
from .run_settings import RunSettings

_LIBRARIES = ("torch", "transformers", "trl", "peft", "bitsandbytes")


def facts(
    job: TrainJob[RunSettings],
    *,
    unit: str,
    data: Mapping[str, Any],
    settings: RunSettings,
    result: Mapping[str, Any],
    **more: Any,
) -> dict[str, Any]:
    """Everything worth knowing of a finished run; no path of this machine.

    Args:
        job: What was asked for.
        unit: What one record is, in the plural.
        data: What was trained on: `name`, `sha256`, counts.
        settings: How it was trained on, nothing left open.
        result: What came of it: `steps`, `epochs`, `trainable_parameters` and what else there is.
        more: What only this kind of training has to say.
    """
    return {
        "format": "divtool-train",
        "version": 1,
        "method": job.method,
        "unit": unit,
        "source": METHODS[job.method].source,
        "model": portable(job.model),
        "base_model": hub_name(job.model),
        "start_adapter": portable(job.loading.adapter) if job.loading.adapter else None,
        "data": dict(data),
        **({"processes": here().size} if here().several else {}),
        "settings": asdict(settings),
        **more,
        "result": dict(result),
        "versions": versions_of(_LIBRARIES),
        "command": portable_command(job.command),
    }


_CARD = """\
---
{base}library_name: peft
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

The log of every step is in `{log}`, the same facts as data are in `divtool_train.json`. {note}

## Use

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM

model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained({place}), ADAPTER_FOLDER)
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


def write_card(folder: Path, known: Mapping[str, Any], rows: Mapping[str, Any], note: str) -> None:
    """Write README.md from the facts of a run.

    Args:
        folder: Where it goes.
        known: The facts.
        rows: What only this kind of training has to show, by name; None is left out.
        note: How to read the log.
    """
    data, result = known["data"], known["result"]
    table = {
        "base model": known["model"],
        "started from the adapter": known["start_adapter"],
        known["unit"]: f"{data['trained_on']:,} of `{data['name']}`",
        "SHA-256 of the data": f"`{data['sha256']}`",
        "processes": known.get("processes"),
        "steps": f"{result['steps']} ({result['epochs']:.2f} epochs)",
        **rows,
        "trainable parameters": f"{result['trainable_parameters']:,}",
        "versions": ", ".join(f"{name} {number}" for name, number in known["versions"].items()),
    }
    text = _CARD.format(
        method=known["method"],
        model=known["model"],
        base=f"base_model: {known['base_model']}\n" if known["base_model"] else "",
        place=f'"{known["base_model"]}"' if known["base_model"] else "BASE_MODEL",
        source=f" ({known['source']})" if known["source"] else "",
        rows="\n".join(f"| {name} | {value} |" for name, value in table.items() if value is not None),
        log=LOG,
        note=note,
        settings="\n".join(f"{name}: {value}" for name, value in known["settings"].items() if value is not None),
        command=known["command"],
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def publish(
    output: OutputFolder,
    model: Any,
    known: Mapping[str, Any],
    rows: Mapping[str, Any],
    note: str,
    *,
    keep: bool,
    weights: Mapping[str, Any] | None = None,
) -> None:
    """Write the adapter, its card and its data, the data last: it marks the folder as finished.

    Args:
        output: Where they go.
        model: The trained PEFT model.
        known: The facts.
        rows: As for `write_card`.
        note: As for `write_card`.
        keep: Leave the checkpoints there.
        weights: The trained weights by name, where the model does not hold them whole.
    """
    final = output.work / "final"
    if known["base_model"]:  # Else the folder that it was loaded from, which means nothing on another machine.
        model.peft_config["default"].base_model_name_or_path = known["base_model"]
    # Training never adds a token, so the weights below an adapter on the output layer need not be written with it.
    model.save_pretrained(str(final), selected_adapters=["default"], save_embedding_layers=False, state_dict=weights)
    write_card(final, known, rows, note)
    output.move_in(final)
    output.mark_finished(known)
    output.finish(keep_checkpoints=keep)
