"""How to load a language model; free of torch, so that a command can be checked before it is imported."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """How to ask a model that a server runs.

    Attributes:
        url: The OpenAI-compatible server.
        key_env: The environment variable with its key, or None for the usual one.
        at_once: Requests under way at a time.
        per_minute: Requests sent a minute at most, or None.
        timeout: Seconds that an answer may take.
        tries: How often a request is sent at most.
        plain: Ask for text that goes on with the prompt, not for a chat's answer.
        skip: Leave out what the server refuses, instead of ending the run.
    """

    url: str
    key_env: str | None = None
    at_once: int = 16
    per_minute: float | None = None
    timeout: float = 600.0
    tries: int = 8
    plain: bool = False
    skip: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """How to load a language model.

    Attributes:
        adapter: Folder of a LoRA adapter to put on it, or None.
        dtype: "auto" (bfloat16 on an accelerator that has it, float32 on a CPU), "fastest" (the same, but measured on
            a CPU), or a name.
        device: "auto" (CUDA, then Apple's MPS, then the CPU) or a torch device.
        four_bit: NF4 with double quantisation through bitsandbytes.
        sharded: Store 4-bit weights so that FSDP can spread them over processes.
        merge: Fold the adapter into the weights: faster to run, no longer to be trained.
        trust_remote_code: Let the model's repository run code of its own.
        server: Where the model runs, or None for this process.
    """

    adapter: str | None = None
    dtype: str = "auto"
    device: str = "auto"
    four_bit: bool = False
    sharded: bool = False
    merge: bool = True
    trust_remote_code: bool = False
    server: ServerOptions | None = None
