"""How to load a language model; free of torch, so that a command can be checked before it is imported."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """How to load a language model.

    Attributes:
        adapter: Folder of a LoRA adapter to put on it, or None.
        dtype: "auto" (bfloat16 on an accelerator that has it, float32 on a CPU) or a name.
        device: "auto" (CUDA, then Apple's MPS, then the CPU) or a torch device.
        four_bit: NF4 with double quantisation through bitsandbytes.
        merge: Fold the adapter into the weights: faster to run, no longer to be trained.
        trust_remote_code: Let the model's repository run code of its own.
    """

    adapter: str | None = None
    dtype: str = "auto"
    device: str = "auto"
    four_bit: bool = False
    merge: bool = True
    trust_remote_code: bool = False
