"""Runs jobs in one of several processes, `torchrun several.py JOBS.json`, and writes what came of them beside it."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from accelerate.state import AcceleratorState

from divtool.core.errors import DivtoolError
from divtool.core.models.options import LoadOptions
from divtool.core.training import capability, log, trainer
from divtool.core.training.diffuse import anchor
from divtool.core.training.preference import train
from divtool.core.training.processes import here
from divtool.core.training.whole import Keeping, run


def lab_of(module: str, *given: Any) -> Any:
    """The `Lab` that other tests have."""
    spec = spec_from_file_location(f"several_{module}", Path(__file__).with_name(f"{module}.py"))
    assert spec is not None
    assert spec.loader is not None
    made = module_from_spec(spec)
    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    return made.Lab(*given)


@contextmanager
def interrupted(rank: int | None, step: int) -> Iterator[None]:
    """Let one process alone hear of Ctrl-C at a step."""
    real = log.StopOnInterrupt.on_step_end

    def on_step_end(self: Any, args: Any, state: Any, control: Any, **more: Any) -> None:
        if here().rank == rank and state.global_step == step:
            self._hear(signal.SIGINT, None)
        real(self, args, state, control, **more)

    log.StopOnInterrupt.on_step_end = on_step_end  # type: ignore[method-assign]
    yield
    log.StopOnInterrupt.on_step_end = real  # type: ignore[method-assign]


def note_shares(found: list[float]) -> None:
    """Note which share of the model's numbers this process holds when it asks for the adapter."""
    real = trainer.adapter_weights

    def adapter_weights(own: Any) -> Any:
        parameters = list(own.model.parameters())
        held = sum(p.to_local().numel() if hasattr(p, "to_local") else p.numel() for p in parameters)
        found.append(held / sum(p.numel() for p in parameters))
        return real(own)

    trainer.adapter_weights = adapter_weights


def small_guard() -> None:
    """Make what diffuse measures besides as small as its own tests do."""
    every, prompts = capability._items, anchor.everyday_prompts()[:4]
    capability.CAP, capability.DRAWS, anchor.TOKENS = 4, 1, 8
    capability._items = lambda part: every(part)[:2]
    anchor.everyday_prompts = lambda: prompts


def one(folder: Path, model: str, job: dict[str, Any]) -> Any:
    """Run a job; the answer is its lab."""
    settings = job["settings"]
    if "loading" in settings:
        settings["loading"] = LoadOptions(**settings["loading"])
    if "records" in job:
        lab = lab_of(job["lab"], folder, model)
        # Each process reads the same file, and each of these labs writes it first.
        lab.folder = folder if here().main else folder / "other"
        lab.folder.mkdir(exist_ok=True)
        lab.run(job["output"], job["records"], **settings)
        return lab
    lab = lab_of("conftest", folder, model, job["of_rank"][here().rank] if "of_rank" in job else job["pairs"])
    run(lab.job(job["output"], **settings), train, Keeping())
    return lab


def main(path: Path) -> None:
    """Run every job of a file."""
    given = json.loads(path.read_text())
    here().begin("cpu")
    small_guard()
    ends: list[dict[str, Any]] = []
    held: list[float] = []
    note_shares(held)
    for job in given["jobs"]:
        if "environment" in job:
            # What a launch makes of a configuration; a process asks for it once.
            os.environ.update(job["environment"])
            AcceleratorState._reset_state()
        notes: list[str] = []
        end = "done"
        with interrupted(*job.get("interrupt", (None, 0))):
            try:
                notes = one(path.parent, given["model"], job).notes
            except (DivtoolError, KeyboardInterrupt) as error:
                end = f"{type(error).__name__}: {error}".rstrip(": ")
        ends.append({"end": end, "notes": notes, "held": held[-1:]})
    (path.parent / f"ends-{here().rank}.json").write_text(json.dumps(ends))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
