"""What a run with a loop of its own goes on from: adapter, optimiser and counters; and what such loops share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import torch
from safetensors.torch import load_file, save_file

from .processes import here


def trained(model: Any) -> dict[str, torch.Tensor]:
    """The weights that training changes, by name."""
    return {name: weights for name, weights in model.named_parameters() if weights.requires_grad}


def save(work: Path, number: int, model: Any, optimizer: torch.optim.Optimizer, counters: Mapping[str, Any]) -> None:
    """Save the state after a pass or a step, and take the one before it away.

    Args:
        work: Folder of the checkpoints.
        number: The pass or the step, from 1.
        model: The model.
        optimizer: Its optimiser.
        counters: What else there is; JSON values.
    """
    if here().main:
        _save(work / f"checkpoint-{number}", model, optimizer, counters)
    here().barrier()


def _save(folder: Path, model: Any, optimizer: torch.optim.Optimizer, counters: Mapping[str, Any]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    save_file(
        {name: weights.detach().cpu() for name, weights in trained(model).items()}, folder / "adapter.safetensors"
    )
    torch.save({"optimizer": optimizer.state_dict(), "random": torch.get_rng_state()}, folder / "state.pt")
    (folder / "counters.json").write_bytes(orjson.dumps(counters))
    (folder / "complete").touch()
    for other in folder.parent.glob("checkpoint-*"):
        if other != folder:
            shutil.rmtree(other)


def sum_gradients(weights: Sequence[torch.Tensor]) -> None:
    """Add up the gradients of all processes, each of which has propagated its share of a step."""
    if not here().several:
        return
    import torch.distributed

    for own in weights:
        own.grad = torch.zeros_like(own) if own.grad is None else own.grad
    every = torch.cat([own.grad.reshape(-1) for own in weights if own.grad is not None])
    torch.distributed.all_reduce(every)
    for own, found in zip(weights, torch.split(every, [own.numel() for own in weights]), strict=True):
        own.grad = found.view_as(own)


def restore(folder: Path, model: Any, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Put a saved state back; the answer is its counters."""
    weights = load_file(folder / "adapter.safetensors")
    with torch.no_grad():
        for name, own in trained(model).items():
            own.copy_(weights[name])
    state = torch.load(folder / "state.pt", weights_only=True)
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["random"])
    counters: dict[str, Any] = orjson.loads((folder / "counters.json").read_bytes())
    return counters


@contextmanager
def checkpointing(model: Any, wanted: bool) -> Iterator[None]:
    """The model computing its activations twice, for the block, where that is wanted."""
    if not wanted:
        yield
        return
    before = model.training
    model.train()
    model.gradient_checkpointing_enable({"use_reentrant": False})
    try:
        yield
    finally:
        model.gradient_checkpointing_disable()
        model.train(before)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is not enough; a CPU has no class of its own for it."""
    said = ("not enough memory", "can't allocate memory")
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in said)
