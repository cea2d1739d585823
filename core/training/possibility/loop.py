"""The updates of a run: their order, held-out losses, saving, going on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...draws import generator
from ...errors import DivtoolError
from ..interrupt import Interrupt
from ..job import OutputFolder, Tell
from ..line_log import LineLog
from ..processes import here
from ..reporters import Reporters
from ..state import restore, save
from .lessons import Lesson
from .settings import FullPossibilitySettings
from .stepper import Losses, Step, Stepper

# How far the held-out cross-entropy may rise above its least before it is said, in nats a token.
_RISE = 0.1


class Loop:
    """All updates of a run, or those that an interrupted one has left.

    Args:
        lessons: What is learnt.
        held_out: Groups that are only looked at; may be empty.
        stepper: What makes the updates.
        settings: How to train.
        total: Updates.
        log: The log's file.
        tell: Whom to speak to.
        reporters: Hear each line of the log.

    Attributes:
        steps: Updates made.
        first: Held-out cross-entropy before the first update, or None.
        last: The held-out losses that were read last, or None.
        least: The least held-out cross-entropy so far, or None.
    """

    def __init__(
        self,
        lessons: Sequence[Lesson],
        held_out: Sequence[Lesson],
        stepper: Stepper,
        settings: FullPossibilitySettings,
        total: int,
        log: Path,
        tell: Tell,
        reporters: Reporters,
    ) -> None:
        self._lessons = lessons
        self._held_out = held_out
        self._stepper = stepper
        self._settings = settings
        self._total = total
        self._path = log
        self._tell = tell
        self._reporters = reporters
        self._a_pass = settings.steps_a_pass(len(lessons))
        self._every = max(1, total // 10)
        self._warned = False
        self.steps = 0
        self.first: float | None = None
        self.last: Losses | None = None
        self.least: float | None = None

    def run(self, output: OutputFolder, last: Path | None, model: Any) -> None:
        """Train.

        Args:
            output: Where the state is saved.
            last: The saved state to go on from, or None.
            model: The model.

        Raises:
            KeyboardInterrupt: Ctrl-C; the state is saved.
            DivtoolError: An update failed; the state before it is saved.
        """
        if last is not None:
            self._restore(last, model)
        self._log = LineLog(self._path, (lambda line: line["step"] <= self.steps) if last is not None else None)
        stop = Interrupt(self._tell, "stopping after this update, with a checkpoint; Ctrl-C again stops at once")
        reporting = self._reporters.running(model, self.steps, self._total)
        with reporting, self._tell.progress(self._total, "updates") as tick, stop.listening():
            if last is None:
                self._look()
            tick(self.steps)
            while self.steps < self._total:
                try:
                    self._one()
                except DivtoolError:
                    self._save(output, model)
                    raise
                tick(1)
                # What is heard while the processes ask each other counts after the next update: none may stop alone.
                stopping = here().any(stop.heard)
                if stopping or self.steps % self._settings.save_steps == 0:
                    self._save(output, model)
                if stopping and self.steps < self._total:
                    self._leave()

    def _one(self) -> None:
        """One update, with its line of the log."""
        done, place = divmod(self.steps, self._a_pass)
        order = generator(self._settings.seed, "pass", done + 1).permutation(len(self._lessons))
        size = self._settings.groups_a_step
        batch = [self._lessons[number] for number in order[place * size : (place + 1) * size]]
        step = self._stepper.step(batch, self.steps + 1)
        self.steps += 1
        self._add(self._line(step, len(batch)))
        if self.steps % self._every == 0 or self.steps == self._total:
            self._look()
            self._say(step)

    def _add(self, line: Mapping[str, Any]) -> None:
        self._log.add([line])
        self._reporters.step(self.steps, {name: value for name, value in line.items() if name != "step"})

    def _line(self, step: Step, groups: int) -> dict[str, Any]:
        found = step.losses
        weight = self._settings.weight_at(self.steps - 1)
        return {
            "step": self.steps,
            "epoch": round(self.steps / self._a_pass, 6),
            "loss": found.ce + weight * (found.ul or 0.0),
            "ce": found.ce,
            "ul": found.ul,
            "t_pos": found.t_pos,
            "t_sel": found.t_sel,
            "p_selected": found.p_selected,
            "groups": groups,
            "grad_norm": step.grad_norm,
            "lr": self._settings.learning_rate,
            "seconds": round(step.seconds, 4),
        }

    def _look(self) -> None:
        """Read the held-out groups, and warn where the model gets worse on them."""
        if not self._held_out:
            return
        found = self.last = self._stepper.read(self._held_out)
        self.first = found.ce if self.first is None else self.first
        self.least = found.ce if self.least is None else min(self.least, found.ce)
        self._add({"step": self.steps, "eval_ce": found.ce, "eval_ul": found.ul})
        if found.ce > self.least + _RISE and not self._warned:
            self._warned = True
            self._tell.warn(
                f"after update {self.steps} the held-out cross-entropy is {found.ce:.3f}, {found.ce - self.least:.3f} "
                "above its least: responses get less fluent; a lower --ul-weight, fewer --epochs or --ul-tokens "
                "content-first helps"
            )

    def _say(self, step: Step) -> None:
        found, parts = step.losses, []
        parts.append(f"update {self.steps}/{self._total}: CE {found.ce:.4f}")
        if found.ul is not None:
            parts.append(f"UL {found.ul:.4f}")
        if self.last is not None:
            parts.append(f"held-out CE {self.last.ce:.4f}")
        self._tell.note(", ".join(parts))

    def _save(self, output: OutputFolder, model: Any) -> None:
        if self.steps:
            last = asdict(self.last) if self.last else None
            counters = {
                "steps": self.steps, "first": self.first, "last": last, "least": self.least, "warned": self._warned,
            }  # fmt: skip
            save(output.work, self.steps, model, self._stepper.optimizer, counters)

    def _restore(self, last: Path, model: Any) -> None:
        saved = restore(last, model, self._stepper.optimizer)
        self.steps, self.first, self.least = saved["steps"], saved["first"], saved["least"]
        self.last = Losses(**saved["last"]) if saved["last"] else None
        self._warned = saved["warned"]
        self._tell.note(f"going on after update {self.steps} of {self._total}")

    def _leave(self) -> None:
        """End the run between two updates.

        Raises:
            KeyboardInterrupt: Always.
        """
        self._tell.note(f"stopped after update {self.steps} of {self._total}; the same command with --resume goes on")
        here().barrier()
        raise KeyboardInterrupt
