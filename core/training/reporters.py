"""The values of the log sent on to experiment trackers, through transformers' integrations, whatever the loop.

Free of transformers until a run begins.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import MISSING, asdict, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import DivtoolError, reason, unknown_name
from ..provenance import portable
from .job import OutputFolder, Tell, TrainJob
from .processes import here
from .run_settings import RunSettings

# Those of transformers' integrations that send values of steps and were tried; each is called as its package.
TRACKERS = ("tensorboard", "wandb", "trackio", "mlflow")
_PROJECT = "divtool"


def check_reporters(names: Sequence[str]) -> None:
    """Refuse trackers that cannot be reported to, before anything is read or loaded.

    Raises:
        UsageError: No such tracker.
        DivtoolError: Its package is not installed.
    """
    for name in names:
        if name not in TRACKERS:
            raise unknown_name("tracker", name, TRACKERS)
        if find_spec(name) is None:
            raise DivtoolError(f"--report-to {name} needs the package {name}: pip install {name}")


class Reporters:
    """Sends the values of each step on to trackers; without any, it does nothing.

    Args:
        names: Of the trackers.
        run: The run's name there.
        folder: The run's output folder, whose `runs` folder TensorBoard writes.
        facts: What the trackers are told of the run: its settings.
        tell: Whom to speak to.
    """

    def __init__(self, names: Sequence[str], run: str, folder: Path, facts: Mapping[str, Any], tell: Tell) -> None:
        self._names = names
        self._run = run
        self._folder = folder
        self._facts = facts
        self._tell = tell
        self._open: dict[str, Any] = {}

    @classmethod
    def of(cls, job: TrainJob[Any], settings: RunSettings, output: OutputFolder) -> Reporters:
        """The trackers that a job names, told of its settings, nothing left open; none but in the main process."""
        facts = {
            "method": job.method,
            "model": portable(job.model),
            "adapter": job.loading.adapter and portable(job.loading.adapter),
            **asdict(settings),
        }
        names = job.report_to if here().main else ()
        return cls(names, job.run_name or output.path.absolute().name, output.path, facts, job.tell)

    @contextmanager
    def running(self, model: Any, begun_at: int, total: int) -> Iterator[None]:
        """Open the trackers for the block, and close them behind it.

        Args:
            model: What is trained.
            begun_at: The step that an interrupted run goes on from; TensorBoard forgets what lies behind it.
            total: Steps of the run.

        Raises:
            DivtoolError: A tracker could not be opened.
        """
        if not self._names:
            yield
            return
        done = False
        try:
            with redirect_stdout(sys.stderr):
                self._begin(model, begun_at, total)
            yield
            done = True
        finally:
            self._each(lambda tracker: tracker.on_train_end(self._args, self._state, self._control, model=model))
            # The integration leaves that to the end of the process, where it speaks to standard output.
            self._each(lambda tracker: sys.modules["wandb"].finish(exit_code=int(not done)), only="wandb")

    def _begin(self, model: Any, begun_at: int, total: int) -> None:
        os.environ.setdefault("WANDB_PROJECT", _PROJECT)
        from transformers import TrainerControl, TrainerState
        from transformers.integrations import get_reporting_integration_callbacks

        self._args = _arguments(self._folder, self._run, self._facts)
        self._state = TrainerState(global_step=begun_at, max_steps=total)
        self._control = TrainerControl()
        for name in self._names:
            try:
                (kind,) = get_reporting_integration_callbacks([name])
                tracker = kind(_event_file(self._folder, begun_at)) if name == "tensorboard" else kind()
                tracker.on_train_begin(self._args, self._state, self._control, model=model)
            except Exception as error:
                raise DivtoolError(f"--report-to {name}: {reason(error)}") from error
            self._open[name] = tracker

    def step(self, number: int, values: Mapping[str, Any]) -> None:
        """Send the values of a step; those that are no finite number are left out."""
        if not self._open:
            return
        self._state.global_step = number
        logs = {name: value for name, value in values.items() if _is_number(value)}
        self._each(lambda tracker: tracker.on_log(self._args, self._state, self._control, logs=dict(logs)))

    def _each(self, act: Callable[[Any], None], only: str = "") -> None:
        """Let each tracker act; one that fails is warned of and left alone: it must not end a training."""
        for name, tracker in [(name, own) for name, own in self._open.items() if only in ("", name)]:
            try:
                with redirect_stdout(sys.stderr):
                    act(tracker)
            except Exception as error:
                del self._open[name]
                self._tell.warn(f"--report-to {name} failed, and is left out from now on: {reason(error)}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _event_file(folder: Path, begun_at: int) -> Any:
    """TensorBoard's writer; what an interrupted run wrote behind its last checkpoint is not shown."""
    from torch.utils.tensorboard import SummaryWriter

    place = os.environ.get("TENSORBOARD_LOGGING_DIR") or str(folder / "runs")
    return SummaryWriter(log_dir=os.path.expanduser(place), purge_step=begun_at + 1 if begun_at else None)


def _arguments(folder: Path, run: str, facts: Mapping[str, Any]) -> Any:
    """The run's arguments as the integrations read them: their usual values, and our settings as their content."""
    from transformers import TrainingArguments

    class Arguments(TrainingArguments):  # type: ignore[misc]
        """Not initialised as usual: that would set up devices, which the run has done its own way."""

        def __init__(self) -> None:
            for field in fields(TrainingArguments):
                factory = field.default_factory
                setattr(self, field.name, field.default if factory is MISSING else factory())
            self.output_dir, self.run_name, self.project = str(folder.absolute()), run, _PROJECT

        def to_dict(self) -> dict[str, Any]:
            return dict(facts)

        def to_json_string(self) -> str:
            return json.dumps(facts, indent=2)

    return Arguments()
