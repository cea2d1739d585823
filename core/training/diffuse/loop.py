"""The passes over the prompts: order, early stop, saving, going on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...draws import generator
from ..distribution import Fit
from ..interrupt import Interrupt
from ..job import OutputFolder, Tell
from ..processes import here
from ..reporters import Reporters
from ..state import restore, save
from .lessons import Lesson
from .log import DiffuseLog, mean_fit
from .settings import FullDiffuseSettings
from .stepper import Step, Stepper
from .stop import EarlyStop


class Loop:
    """All passes of a run, or those that an interrupted one has left.

    Args:
        lessons: What is learnt.
        stepper: What takes the steps.
        settings: How to train.
        total: Steps at most.
        log: The log's file.
        tell: Whom to speak to.
        reporters: Hear the means over the prompts of each step.

    Attributes:
        steps: Steps taken.
        passes: Passes begun.
    """

    def __init__(
        self,
        lessons: Sequence[Lesson],
        stepper: Stepper,
        settings: FullDiffuseSettings,
        total: int,
        log: Path,
        tell: Tell,
        reporters: Reporters,
    ) -> None:
        self._lessons = {lesson.target.prompt_id: lesson for lesson in lessons}
        self._stepper = stepper
        self._settings = settings
        self._total = total
        # Where prompts sit out, passes have fewer steps, and there are no more of them for it.
        self._passes = math.ceil(total / settings.steps_a_pass(len(lessons)))
        self._path = log
        self._tell = tell
        self._reporters = reporters
        self.steps = self.passes = 0
        self._stop = EarlyStop(
            open=frozenset(name for name, lesson in self._lessons.items() if lesson.open),
            entropies={name: lesson.target.entropy for name, lesson in self._lessons.items()},
            gamma=settings.gamma,
            complete=settings.early_stop,
        )

    def run(self, output: OutputFolder, last: Path | None, model: Any) -> str:
        """Train.

        Args:
            output: Where the state is saved after each pass.
            last: The saved state to go on from, or None.
            model: The model.

        Returns:
            Why the run ended.

        Raises:
            KeyboardInterrupt: Ctrl-C; what was saved last is whole.
            DivtoolError: A step failed; what was saved last is whole.
        """
        reason = self._restored(last, model)
        self._log = DiffuseLog(self._path, self.passes, self._tell)
        stop = Interrupt(self._tell, "stopping after this step; Ctrl-C again stops at once")
        reporting = self._reporters.running(model, self.steps, self._total)
        with reporting, self._tell.progress(self._total, "steps") as tick, stop.listening():
            tick(self.steps)
            while not reason and self.steps < self._total and self.passes < self._passes:
                reason = self._one_pass(stop, tick)
                save(output.work, self.passes, model, self._stepper.optimizer, self._counters(reason))
        return reason or "every pass was taken"

    def finals(self) -> dict[str, Fit]:
        """How each prompt's answers fit after the last step; written to the log and shown."""
        fits = self._read(list(self._lessons), 0)
        self._log.add([self._line(name, fit, final=True) for name, fit in fits.items()])
        self._log.final_table(fits)
        return fits

    def _one_pass(self, stop: Interrupt, tick: Callable[[int], None]) -> str:
        """One pass; the answer is why it was the last one, or nothing."""
        self.passes += 1
        names = list(self._lessons)
        order = generator(self._settings.seed, "pass", self.passes).permutation(len(names))
        learnt = [names[place] for place in order if names[place] not in self._stop.near]
        fits: dict[str, Fit] = {}
        anchors: list[float] = []
        for start in range(0, len(learnt), self._settings.batch_size):
            if self.steps == self._total:
                break
            if here().any(stop.heard):
                self._leave()
            batch = learnt[start : start + self._settings.batch_size]
            step = self._take(batch)
            fits |= zip(batch, step.fits, strict=True)
            anchors += [] if step.anchor_kl is None else [step.anchor_kl]
            tick(1)
        fits |= self._look_at(sorted(self._stop.near))
        self._log.pass_row(self.passes, self._passes, fits, anchors)
        return (self._stop.after(fits) or "") if len(fits) == len(names) else ""

    def _take(self, names: Sequence[str]) -> Step:
        """One step, with its lines of the log."""
        rate = self._settings.rate(self.steps, self._total)
        turn, rest = divmod(self.steps + 1, self._settings.anchor_every)
        lessons = [self._lessons[name] for name in names]
        step = self._stepper.step(lessons, self.passes, None if rest else turn - 1, rate)
        self.steps += 1
        common = {"anchor_kl": step.anchor_kl, "grad_norm": step.grad_norm, "lr": rate}
        self._log.add(
            [
                self._line(name, fit, **common, tokens=tokens, seconds=round(step.seconds, 4))
                for name, fit, tokens in zip(names, step.fits, step.tokens, strict=True)
            ]
        )
        self._reporters.step(self.steps, {"pass": self.passes, **mean_fit(step.fits), **common})
        return step

    def _look_at(self, names: Sequence[str]) -> dict[str, Fit]:
        """Prompts that sit this pass out: read and logged, not learnt."""
        fits = self._read(names, self.passes)
        self._log.add([self._line(name, fit, lr=0.0) for name, fit in fits.items()])
        return fits

    def _read(self, names: Sequence[str], number: int) -> dict[str, Fit]:
        """How prompts fit; each process reads its share of them."""
        own = [names[place] for place in here().own(len(names))]
        parts = here().shared(lambda: [self._stepper.read(self._lessons[name], number) for name in own])
        fits = here().in_order(parts, len(names))
        return dict(zip(names, fits, strict=True))

    def _line(self, name: str, fit: Fit, **more: Any) -> dict[str, Any]:
        return {
            "step": self.steps,
            "pass": self.passes,
            "prompt_id": name,
            "family": self._lessons[name].target.family,
            **asdict(fit),
            **more,
        }

    def _counters(self, reason: str) -> dict[str, Any]:
        return {
            "steps": self.steps,
            "passes": self.passes,
            "reason": reason,
            "rows": self._stepper.rows,
            "halved": self._stepper.halved,
            "running": self._stop.running,
            "near": sorted(self._stop.near),
        }

    def _restored(self, last: Path | None, model: Any) -> str:
        """Put back what was saved; the answer is why the run had ended by then, or nothing."""
        if last is None:
            return ""
        saved = restore(last, model, self._stepper.optimizer)
        self.steps, self.passes = saved["steps"], saved["passes"]
        self._stepper.rows, self._stepper.halved = saved["rows"], saved["halved"]
        self._stop.running, self._stop.near = saved["running"], set(saved["near"])
        self._tell.note(f"going on after pass {self.passes}, step {self.steps} of {self._total}")
        return str(saved["reason"])

    def _leave(self) -> None:
        """End the run between two steps.

        Raises:
            KeyboardInterrupt: Always.
        """
        saved = f"pass {self.passes - 1} is saved" if self.passes > 1 else "no pass is saved yet"
        self._tell.note(
            f"stopped after step {self.steps} of {self._total}; {saved}; the same command with --resume goes on"
        )
        here().barrier()
        raise KeyboardInterrupt
