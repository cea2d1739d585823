"""Options that some tasks take, checked before anything is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import InputError, UsageError
from .task import Task
from .tasks.pool import POOL, asking, following

Prefill = Literal["auto", "on", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """What the user set for tasks.

    Attributes:
        vectors: File of word vectors, or None for the embedder on single words.
        vocabulary: File of the words that count among them, or None for all.
        prompts: File of the prompts to ask, for a task without a set of its own.
        prefill: Whether answers are begun as the task says: "on", "off", or "auto" for the preset's way.
        protocol: Published protocol that the task pool follows, by its arXiv number, or None.
    """

    vectors: Path | None = None
    vocabulary: Path | None = None
    prompts: Path | None = None
    prefill: Prefill = "auto"
    protocol: str | None = None

    def settled(self, tasks: Sequence[Task], preset: str | None, *, draws: bool) -> list[Task]:
        """The tasks, with pool as the protocol has it, or with the prompts of the user's file.

        Args:
            tasks: The tasks of the call.
            preset: The preset that the user named, or None.
            draws: Whether a run of the call is a model.

        Raises:
            UsageError: No such protocol, no task that follows one, or no prompts for its full form.
        """
        if self.protocol is None:
            own = asking() if draws and self.prompts is not None else POOL
            return [own if task is POOL else task for task in tasks]
        if POOL not in tasks:
            raise UsageError("--protocol is for --task pool")
        if self.prompts is None and preset not in (None, "quick"):
            raise UsageError(
                f"--protocol {self.protocol} asks the prompts of a file: name it with --prompts, or take --preset quick"
            )
        pool = following(self.protocol, from_file=self.prompts is not None)
        return [pool if task is POOL else task for task in tasks]

    def check(self, tasks: Sequence[Task]) -> None:
        """Raise an error for an option that no task of the call takes, and for a file that is not there.

        Args:
            tasks: The tasks of the call.

        Raises:
            DivtoolError: Likewise.
        """
        if self.vocabulary is not None and self.vectors is None:
            raise UsageError("--vocab needs --vectors FILE, the word vectors that it cuts down")
        if self.vectors is not None and not any(metric.of_words for task in tasks for metric in task.own):
            raise UsageError("--vectors: no task of this call rests on word vectors")
        if self.prompts is not None and not any(task.prompts_from_file for task in tasks):
            raise UsageError(
                "--prompts: every task of this call has prompts of its own, or measures files; --task pool asks models "
                "the prompts of a file"
            )
        if self.prefill == "on" and not any(task.prefill for task in tasks):
            raise UsageError("--prefill on: no task of this call has a fixed beginning; leave it at auto")
        for path in (self.vectors, self.vocabulary, self.prompts):
            if path is not None and not path.is_file():
                raise InputError(str(path), "no such file")
