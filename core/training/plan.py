"""What a run would do, from the pairs, the tokenizer and the model's config alone: `train --dry-run`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..errors import DivtoolError
from ..models.language import load_tokenizer, pick_device, pick_dtype, resolve
from .job import Report, TrainJob
from .pairs import Lengths, PairFile, encoded
from .settings import FullSettings

# NF4 with double quantisation: 4 bits a weight, and 8 bits a block of 64 plus 32 bits a 256 blocks for the scales.
_NF4_BYTES = (4 + 8 / 64 + 32 / (64 * 256)) / 8
_GIB = 1 << 30


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


def plan(job: TrainJob, pairs: PairFile) -> Report:
    """Settings, token counts, steps, trainable parameters and memory of a run; no weights are loaded.

    Raises:
        DivtoolError: No such model or adapter, or no pair is short enough.
    """
    device = pick_device(job.loading.device)
    source = resolve(job.model, job.tell.note)
    shape = shape_of(source, job.model, job.loading.trust_remote_code)
    settings = job.settings.filled(shape.parameters, device.type)
    lengths = encoded(pairs, load_tokenizer(source, job.loading.trust_remote_code), settings.max_length)
    width = pick_dtype(job.loading.dtype, device).itemsize
    trainable = adapter_size(job.loading.adapter) if job.loading.adapter else shape.adapter_rows * settings.lora_r
    memory = memory_bytes(shape, settings, lengths, trainable, width, device.type)
    total = settings.total_steps(len(lengths))
    return Report(
        f"Plan of {job.method} on {job.model}, {device.type}",
        [
            ("pairs", len(lengths)),
            ("pairs too long", lengths.dropped),
            *_token_rows(lengths),
            ("tokens an epoch", lengths.total),
            ("steps", total),
            ("pairs a step", min(len(lengths), settings.batch_size * settings.grad_accum)),
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

    sides = (("prompt", lengths.prompt), ("chosen", lengths.chosen), ("rejected", lengths.rejected))
    return [row(name, counts) for name, counts in sides] + [("chosen - rejected, mean tokens", lengths.mean_difference)]


def _setting_rows(settings: FullSettings) -> list[tuple[str, Any]]:
    names = (
        "loss", "beta", "ld_alpha", "learning_rate", "epochs", "batch_size", "grad_accum", "max_length", "lora_r",
        "lora_alpha", "four_bit", "gradient_checkpointing", "seed",
    )  # fmt: skip
    return [
        (name, f"{getattr(settings, name):g}" if name == "learning_rate" else getattr(settings, name)) for name in names
    ]


def shape_of(source: str, name: str, trust_remote_code: bool = False) -> Shape:
    """The sizes of a model, from its config: the model is built on the meta device, without weights."""
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=trust_remote_code)
    except (OSError, ValueError) as error:
        raise DivtoolError(
            f"model '{name}' has no config that can be read ({str(error).splitlines()[0][:200]})"
        ) from error
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code)
    head = model.get_output_embeddings()
    linear = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m is not head]
    text = config.get_text_config()
    return Shape(
        parameters=sum(p.numel() for p in model.parameters()),
        linear=sum(m.weight.numel() for m in linear),
        adapter_rows=sum(m.in_features + m.out_features for m in linear),
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
    shape: Shape, settings: FullSettings, lengths: Lengths, trainable: int, width: int, device_type: str
) -> dict[str, float]:
    """A rough upper estimate of what the largest batch needs; the libraries themselves come on top.

    With S = 2 * batch_size sequences of T tokens (the longest pair), h wide, i inside the feed-forward part, L layers,
    a vocabulary of V, w bytes a number:

    - weights: w a parameter; with NF4, 0.516 bytes for those of the linear layers
    - adapter and optimiser: 16 bytes a trainable parameter (weight, gradient, two moments, float32)
    - activations: S*T*w*(10h + 4i) a layer, all L of them at once, or, where they are computed twice, those of one
      layer and S*T*h*w for each of the others
    - logits: 4 bytes * V * S * C, three times (logits, log-probabilities, gradient), C the longest completion; on an
      accelerator they are computed in tiles of 4,096 tokens: 4 bytes * V * min(S*C, 4,096), twice
    """
    sequences, tokens = 2 * settings.batch_size, lengths.longest
    completion = max(max(lengths.chosen), max(lengths.rejected))
    linear = shape.linear * (_NF4_BYTES if settings.four_bit else width)
    layer = sequences * tokens * width * (10 * shape.hidden + 4 * shape.inner)
    kept = sequences * tokens * width * shape.hidden
    rows = sequences * completion
    logits = 4 * shape.vocabulary * (3 * rows if device_type == "cpu" else 2 * min(rows, 4096))
    return {
        "weights": linear + (shape.parameters - shape.linear) * width,
        "adapter and optimiser": 16 * trainable,
        "activations": layer + kept * (shape.layers - 1) if settings.gradient_checkpointing else layer * shape.layers,
        "logits": logits,
    }
