"""What a run would do, from the pairs, the tokenizer and the model's config alone: `train --dry-run`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ..errors import DivtoolError
from ..models.language import load_tokenizer, pick_device, pick_dtype, resolve
from .forms import wants_packing
from .head import BLOCK
from .job import PairJob, Report
from .lora import target_layers
from .pairs import Lengths, PairFile, encoded
from .processes import here
from .settings import FullSettings

# NF4 with double quantisation: 4 bits a weight, and 8 bits a block of 64 plus 32 bits a 256 blocks for the scales.
_NF4_BYTES = (4 + 8 / 64 + 32 / (64 * 256)) / 8
_GIB = 1 << 30
# Tokens whose logits TRL's fused head holds at a time.
_FUSED_TILE = 32_768


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a model that memory depends on.

    Attributes:
        parameters: All weights.
        linear: Weights of the linear layers that get an adapter.
        adapter_rows: Sum of inputs and outputs over those layers: an adapter has rank times as many weights.
        layers: Transformer layers.
        hidden: Width.
        inner: Width inside the feed-forward part.
        vocabulary: Size of the vocabulary.
    """

    parameters: int
    linear: int
    adapter_rows: int
    layers: int
    hidden: int
    inner: int
    vocabulary: int


def plan(job: PairJob, pairs: PairFile) -> Report:
    """Settings, token counts, steps, trainable parameters and memory of a run; no weights are loaded.

    Raises:
        DivtoolError: No such model or adapter, or no pair is short enough.
    """
    device = pick_device(job.loading.device)
    source = resolve(job.model, job.tell.note)
    targets = job.settings.lora_targets or "all-linear"
    shape = shape_of(source, job.model, job.loading.trust_remote_code, targets)
    processes = here()
    settings = job.settings.filled(shape.parameters, device.type, processes.size)
    lengths = encoded(pairs, load_tokenizer(source, job.loading.trust_remote_code), settings.max_length)
    width = pick_dtype(job.loading.dtype, device).itemsize
    trainable = adapter_size(job.loading.adapter) if job.loading.adapter else shape.adapter_rows * settings.lora_r
    settings = replace(settings, pack=wants_packing(settings, lengths, device.type))
    memory = memory_bytes(shape, settings, lengths, trainable, width)
    total = settings.total_steps(len(lengths), processes.size)
    unit = "texts" if settings.kind == "sft" else "pairs"
    return Report(
        f"Plan of {job.method} on {job.model}, {device.type}",
        [
            (unit, len(lengths)),
            (f"{unit} too long", lengths.dropped),
            (f"{unit} empty", lengths.empty),
            (f"{unit} with equal sides", lengths.alike),
            *_token_rows(lengths),
            ("tokens an epoch", lengths.total),
            ("steps", total),
            (f"{unit} a step", min(len(lengths), settings.batch_size * settings.grad_accum * processes.size)),
            *((("processes", processes.size),) if processes.several else ()),
            *_setting_rows(settings),
            ("parameters", shape.parameters),
            ("trainable parameters", trainable),
            *((f"memory, {name} (GiB)", size / _GIB) for name, size in memory.items()),
            ("memory, sum (GiB)", sum(memory.values()) / _GIB),
        ],
    )


def _token_rows(lengths: Lengths) -> list[tuple[str, Any]]:
    def row(name: str, counts: Sequence[int]) -> tuple[str, str]:
        return f"tokens, {name}", f"mean {sum(counts) / len(counts):.1f}, max {max(counts)}, sum {sum(counts):,}"

    sides = [("prompt", lengths.prompt), ("chosen", lengths.chosen)]
    if not lengths.rejected:
        return [row(name, counts) for name, counts in sides]
    rows: list[tuple[str, Any]] = [row(name, counts) for name, counts in [*sides, ("rejected", lengths.rejected)]]
    return [*rows, ("chosen - rejected, mean tokens", lengths.mean_difference)]


_SHOWN = (
    "loss", "beta", "ld_alpha", "sft_weight", "odds_weight", "nll_span", "smoothing", "weight_form", "weight_norm",
    "learning_rate", "epochs", "batch_size", "grad_accum", "max_length", "lora_r", "lora_alpha", "lora_targets",
    "four_bit", "gradient_checkpointing", "head", "pack", "seed",
)  # fmt: skip


def _setting_rows(settings: FullSettings) -> list[tuple[str, Any]]:
    """The settings that this kind of loss has."""
    values = {name: getattr(settings, name) for name in _SHOWN}
    if settings.kind != "dpo":
        del values["loss"]
    values["learning_rate"] = f"{settings.learning_rate:g}"
    return [(name, value) for name, value in values.items() if value is not None]


def shape_of(source: str, name: str, trust_remote_code: bool = False, lora_targets: str = "all-linear") -> Shape:
    """The sizes of a model, from its config: the model is built on the meta device, without weights.

    Raises:
        DivtoolError: No such model, or no layer of one of the names in `lora_targets`.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=trust_remote_code)
    except (OSError, ValueError) as error:
        raise DivtoolError(
            f"model '{name}' has no config that can be read ({str(error).splitlines()[0][:200]})"
        ) from error
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code)
    head, targets = model.get_output_embeddings(), target_layers(model, lora_targets)
    linear = {name: m for name, m in model.named_modules() if isinstance(m, torch.nn.Linear) and m is not head}
    text = config.get_text_config()
    return Shape(
        parameters=sum(p.numel() for p in model.parameters()),
        linear=sum(m.weight.numel() for m in linear.values()),
        adapter_rows=sum(
            m.in_features + m.out_features
            for name, m in linear.items()
            if targets == "all-linear" or name.rpartition(".")[2] in targets
        ),
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        inner=getattr(text, "intermediate_size", None) or 4 * text.hidden_size,
        vocabulary=text.vocab_size,
    )


def adapter_size(folder: str) -> int:
    """How many weights an adapter has.

    Raises:
        DivtoolError: The folder holds no weights.
    """
    from safetensors import safe_open

    try:
        with safe_open(Path(folder) / "adapter_model.safetensors", framework="pt") as weights:
            return sum(torch.Size(weights.get_slice(key).get_shape()).numel() for key in weights.keys())  # noqa: SIM118
    except OSError as error:
        raise DivtoolError(f"adapter '{folder}': its weights cannot be read ({error})") from None


def memory_bytes(
    shape: Shape, settings: FullSettings, lengths: Lengths, trainable: int, width: int
) -> dict[str, float]:
    """A rough upper estimate of what the largest batch needs; the libraries themselves come on top.

    With N tokens in a batch of the longest pair, h wide, i inside the feed-forward part, L layers, a vocabulary of V,
    w bytes a number:

    - weights: w a parameter; with NF4, 0.516 bytes for those of the linear layers
    - adapter and optimiser: 16 bytes a trainable parameter (weight, gradient, two moments, float32)
    - activations: N*w*(10h + 4i) a layer, all L of them at once, or, where they are computed twice, those of one
      layer and N*h*w for each of the others
    - logits: 4 bytes * V * min(N, tile), twice; a tile is 256 tokens of the compact head, 32,768 of the fused one
    """
    tokens = settings.batch_size * (lengths.longest_packed if settings.pack else _sides(lengths) * lengths.longest)
    linear = shape.linear * (_NF4_BYTES if settings.four_bit else width)
    layer = tokens * width * (10 * shape.hidden + 4 * shape.inner)
    kept = tokens * width * shape.hidden
    tile = BLOCK if settings.head == "compact" else _FUSED_TILE
    return {
        "weights": linear + (shape.parameters - shape.linear) * width,
        "adapter and optimiser": 16 * trainable,
        "activations": layer + kept * (shape.layers - 1) if settings.gradient_checkpointing else layer * shape.layers,
        "logits": 2 * 4 * shape.vocabulary * min(tokens, tile),
    }


def _sides(lengths: Lengths) -> int:
    return 2 if lengths.rejected else 1
