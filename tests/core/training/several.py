"""Runs jobs in one of several processes: `torchrun several.py JOBS.json`; what came of them is written to its folder."""

from __future__ import annotations

import json
import signal
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from divtool.core.errors import DivtoolError
from divtool.core.models.options import LoadOptions
from divtool.core.training import log, trainer
from divtool.core.training.processes import here
from divtool.core.training.whole import Keeping, run


def lab(folder: Path, given: dict[str, Any]) -> Any:
    """The `Lab` that the other tests have."""
    spec = spec_from_file_location("several_conftest", Path(__file__).with_name("conftest.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Lab(folder, given["model"], given["pairs"])


def interrupt_at(rank: int, step: int) -> Any:
    """Let one process alone hear of Ctrl-C at a step; the answer puts things back."""
    real = log.StopOnInterrupt.on_step_end

    def on_step_end(self: Any, args: Any, state: Any, control: Any, **more: Any) -> None:
        if here().rank == rank and state.global_step == step:
            self._hear(signal.SIGINT, None)
        real(self, args, state, control, **more)

    log.StopOnInterrupt.on_step_end = on_step_end  # type: ignore[method-assign]
    return lambda: setattr(log.StopOnInterrupt, "on_step_end", real)


def shares(found: list[float]) -> None:
    """Note which share of the model's numbers this process holds when it asks for the adapter."""
    real = trainer.adapter_weights

    def adapter_weights(own: Any) -> Any:
        parameters = list(own.model.parameters())
        held = sum(p.to_local().numel() if hasattr(p, "to_local") else p.numel() for p in parameters)
        found.append(held / sum(p.numel() for p in parameters))
        return real(own)

    trainer.adapter_weights = adapter_weights


def main(path: Path) -> None:
    """Run every job of a file."""
    given = json.loads(path.read_text())
    ends: list[dict[str, Any]] = []
    held: list[float] = []
    shares(held)
    for job in given["jobs"]:
        own = lab(path.parent, {**given, **job})
        undo = interrupt_at(*job["interrupt"]) if "interrupt" in job else lambda: None
        end = "done"
        try:
            if "loading" in job["settings"]:
                job["settings"]["loading"] = LoadOptions(**job["settings"]["loading"])
            made = own.job(job["output"], **job["settings"])
            module, _, name = job.get("runner", "divtool.core.training.preference:train").partition(":")
            __import__(module)
            run(made, getattr(sys.modules[module], name), Keeping())
        except (DivtoolError, KeyboardInterrupt) as error:
            end = f"{type(error).__name__}: {error}"
        undo()
        ends.append({"end": end, "notes": own.notes, "warnings": own.warnings, "held": held[-1:]})
    (path.parent / f"ends-{here().rank}.json").write_text(json.dumps(ends))


main(Path(sys.argv[1]))
