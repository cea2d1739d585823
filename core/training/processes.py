"""The processes of a training run: one, or several that `accelerate launch` started; and what they tell each other.

Every process reads the same records and holds the same rows; the main one alone speaks and writes. Free of torch until
a run begins.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeVar

from ..catalog import METHODS, names
from ..errors import DivtoolError, UsageError, require_extra

T = TypeVar("T")
Sharding = Literal["", "fsdp", "deepspeed"]

# How long one process may wait for another: the main one reads, measures and writes alone at times.
PATIENCE = timedelta(hours=3)


# What a launcher tells its processes: the command line as it was typed, and a file that stands for standard input.
COMMAND, INPUT = "DIVTOOL_COMMAND", "DIVTOOL_INPUT"


class Fault(DivtoolError):
    """What one process failed at, in the main one.

    Args:
        message: What it says.
        exit_code: The status that it ends with.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class SharedFault(Fault):
    """The same in any other: the main one is the one to say so."""


@dataclass(frozen=True, slots=True)
class Processes:
    """Which of how many this one is.

    Attributes:
        rank: Its number, from 0; 0 is the main one.
        size: How many there are.
        local_rank: Its number on this machine.
        local_size: How many there are on this machine.
        sharding: What spreads the model's weights over them; empty where each holds all of them.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    sharding: Sharding = ""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Processes:
        """Those that the variables of accelerate and torchrun tell of; one process where they tell of none."""
        size = int(environment.get("WORLD_SIZE") or 1)
        if size < 2 or "RANK" not in environment:
            return cls()
        sharding: Sharding = ""
        if environment.get("ACCELERATE_USE_FSDP", "").lower() == "true":
            sharding = "fsdp"
        elif environment.get("ACCELERATE_USE_DEEPSPEED", "").lower() == "true":
            sharding = "deepspeed"
        local = {"LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": size}
        local_rank, local_size = (int(environment.get(name) or usual) for name, usual in local.items())
        return cls(int(environment["RANK"]), size, local_rank, local_size, sharding)

    @property
    def several(self) -> bool:
        """Whether there are others."""
        return self.size > 1

    @property
    def main(self) -> bool:
        """Whether this one speaks and writes."""
        return self.rank == 0

    def begin(self, device: str) -> None:
        """Meet the others; must come before anything else here that speaks to them.

        Args:
            device: As the user named it.

        Raises:
            UsageError: The device cannot be one for each process, or one process is to spread its weights.
            DivtoolError: There are fewer GPUs than processes, or a package is missing.
        """
        if not self.several:
            _check_alone(os.environ)
            return
        require_extra("torch", "train")
        require_extra("accelerate", "train")
        import torch
        from accelerate import PartialState

        from ..models.language import pick_device

        picked = pick_device(device)
        if picked.type == "mps" or picked.index is not None:
            raise UsageError(
                f"--device {picked}: {self.size} processes cannot share it; leave --device out, or use cpu"
            )
        if picked.type == "cuda" and torch.cuda.device_count() < self.local_size:
            raise UsageError(
                f"{self.local_size} processes on this machine, which has {torch.cuda.device_count()} GPUs: "
                "start as many processes (--processes), or use --device cpu"
            )
        if self.sharding == "deepspeed" and picked.type == "cpu":
            raise UsageError("DeepSpeed needs GPUs, and torch sees none here: --config ddp runs on a CPU")
        if self.sharding == "fsdp" and picked.type == "cpu" and os.environ.get("FSDP_VERSION") != "2":
            raise UsageError("FSDP 1 needs GPUs: with fsdp_version: 2, as in --config fsdp2, a CPU will do")
        PartialState(cpu=picked.type == "cpu", timeout=PATIENCE)

    def shard_on_cpu(self) -> None:
        """Let accelerate spread weights over processes on a CPU: FSDP can, and accelerate asks for a GPU first."""
        if self.sharding != "fsdp":
            return
        from accelerate import PartialState
        from accelerate.utils import DistributedType

        known = PartialState._shared_state
        if known.get("distributed_type") == DistributedType.MULTI_CPU:
            known["distributed_type"] = DistributedType.MULTI_GPU

    def device(self, name: str) -> str:
        """The device of this process, by the name that the user gave."""
        import torch

        own_gpu = self.several and name in ("auto", "cuda") and torch.cuda.is_available()
        return f"cuda:{self.local_rank}" if own_gpu else name

    def whole_models(self, method: str) -> None:
        """Raise `UsageError` where a method whose processes each need the whole model is to have it spread."""
        if not self.sharding:
            return
        recipes = {name: METHODS[name].load().training for name in names(METHODS, "train")}
        others = [name for name, recipe in recipes.items() if recipe.runner == "training.preference:train"]
        raise UsageError(
            f"{method} needs the whole model in each process: use --config ddp; methods whose weights can be spread "
            f"({self.sharding}): {', '.join(others)}"
        )

    def identity(self) -> dict[str, Any]:
        """What a run that is gone on with must have been begun with."""
        return {"processes": self.size, "sharding": self.sharding or None}

    def alike(self, facts: Mapping[str, Any]) -> None:
        """Raise `DivtoolError` in all where one process has read or been told something else than the first."""
        first, *others = self.gathered(dict(facts))
        for rank, found in enumerate(others, start=1):
            keys = [key for key in {**first, **found} if first.get(key) != found.get(key)]
            if keys:
                what = ", ".join(keys[:3])
                said = f"process {rank} differs from the first in {what}; all need the same records, model and options"
                raise Fault(said, 1) if self.main else SharedFault(said, 1)

    def barrier(self) -> None:
        """Wait until every process is here."""
        self.gathered(None)

    def gathered(self, value: T) -> list[T]:
        """The value of every process, by rank."""
        if not self.several:
            return [value]
        import torch.distributed

        found: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(found, value)
        return found

    def any(self, value: bool) -> bool:
        """Whether it is so in one process at least."""
        return any(self.gathered(value))

    def agreed(self, make: Callable[[], T]) -> T:
        """What the main process makes, in every process.

        Raises:
            DivtoolError: The main process raised it; the others raise `SharedFault`.
        """
        if not self.several:
            return make()
        import torch.distributed

        fault: DivtoolError | None = None
        box: list[Any] = [None]
        if self.main:
            try:
                box = [(make(), None)]
            except DivtoolError as error:
                fault = error
                box = [(None, (str(error), error.exit_code))]
        torch.distributed.broadcast_object_list(box, src=0)
        if fault is not None:
            raise fault
        value, said = box[0]
        if said is not None:
            raise SharedFault(*said)
        made: T = value
        return made

    def shared(self, make: Callable[[], T]) -> list[T]:
        """What every process makes for itself, by rank; a fault of one is everyone's.

        Raises:
            DivtoolError: One of them raised it; those that are not the main one raise `SharedFault`.
        """
        if not self.several:
            return [make()]
        made: T | None = None
        said: tuple[str, int] | None = None
        try:
            made = make()
        except DivtoolError as error:
            said = (str(error), error.exit_code)
        every = self.gathered((made, said))
        fault = next((fault for _, fault in every if fault is not None), None)
        if fault is not None:
            raise Fault(*fault) if self.main else SharedFault(*fault)
        values: list[Any] = [value for value, _ in every]
        return values

    def own(self, count: int) -> range:
        """Which of so many things this process does, spread evenly; others do the others."""
        return range(self.rank, count, self.size)

    def each(self, count: int) -> int:
        """How many things the busiest process does of so many."""
        return -(-count // self.size)

    def joined(self, own: list[T], count: int) -> list[T]:
        """What the processes made of the things that `own` gave them, in the order of the things."""
        return self.in_order(self.gathered(own), count)

    def in_order(self, parts: Sequence[Sequence[T]], count: int) -> list[T]:
        """What each process made of its things, by rank, to what was made of each thing."""
        return [parts[place % self.size][place // self.size] for place in range(count)]


def check_readable(*sources: str | None) -> None:
    """Raise `UsageError` for records that one process alone can read: of a pipe each would get a part."""
    for source in filter(None, sources):
        if source == "-" and INPUT not in os.environ:
            raise UsageError("one process alone can read standard input: name a file, or use --launch accelerate")
        if os.path.exists(source) and stat.S_IFMT(os.stat(source).st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
            raise UsageError(f"{source}: one process alone can read a pipe; name a file")


def _check_alone(environment: Mapping[str, str]) -> None:
    """Raise `UsageError` where one process alone is to spread its weights: what it would save is no adapter."""
    names = [f"ACCELERATE_USE_{name}" for name in ("FSDP", "DEEPSPEED")]
    if any(environment.get(name, "").lower() == "true" for name in names):
        raise UsageError("weights are spread over 2 processes at least: start more, or use --config ddp")


def here() -> Processes:
    """The processes of this run."""
    return Processes.of(os.environ)


def lost(error: BaseException) -> bool:
    """Whether an error only says that another process is gone: what is wrong is said there."""
    import sys

    if "torch" not in sys.modules or not here().several or not isinstance(error, RuntimeError):
        return False
    said = f"{type(error).__name__}: {error}".lower()
    return any(word in said for word in ("gloo", "nccl", "connection closed by peer", "distbackend", "distnetwork"))
