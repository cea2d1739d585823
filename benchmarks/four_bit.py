"""What a model weighs in memory in bfloat16 and in four bits (NF4, double quantisation).

python benchmarks/four_bit.py [MODEL]; the default is the embedded model. Bytes are those of parameters and buffers.
"""

from __future__ import annotations

import sys

import torch

from divtool.core.models.language import load
from divtool.core.models.options import LoadOptions


def weight(name: str, options: LoadOptions) -> tuple[int, int]:
    """Bytes of the whole model, and of its linear layers alone: embeddings and norms stay in bfloat16."""
    model = load(name, options).model
    layers = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    head = model.get_output_embeddings()
    return model.get_memory_footprint(), sum(_bytes(layer) for layer in layers if layer is not head)


def _bytes(layer: torch.nn.Linear) -> int:
    state = getattr(layer.weight, "quant_state", None)
    extra = 0
    if state is not None:
        tensors = [state.absmax, state.code, *([state.state2.absmax, state.state2.code] if state.nested else [])]
        extra = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    return layer.weight.numel() * layer.weight.element_size() + extra


def main() -> None:
    """Print both and their ratio."""
    name = sys.argv[1] if len(sys.argv) > 1 else "smollm2-135m"
    rows = {"bfloat16": LoadOptions(dtype="bfloat16"), "four bits": LoadOptions(dtype="bfloat16", four_bit=True)}
    found = {kind: weight(name, options) for kind, options in rows.items()}
    for kind, (whole, linear) in found.items():
        print(f"{kind}: whole model {whole / 2**20:.1f} MiB, linear layers {linear / 2**20:.1f} MiB")
    (whole, linear), (small, little) = found["bfloat16"], found["four bits"]
    print(f"bfloat16 over four bits: whole model {whole / small:.2f}, linear layers {linear / little:.2f}")


if __name__ == "__main__":
    main()
