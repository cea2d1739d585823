"""A run up to its first step: model, adapter, targets in tokens, and how their trees are run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...errors import DivtoolError
from ...models.language import LanguageModel
from ...models.tree.check import Checked, checked_path
from ...models.tree.tokens import end_ids
from ..lora import adapter_values, load_student, with_adapter, without_dropout
from .lessons import Lesson, lessons_of
from .settings import FullDiffuseSettings

if TYPE_CHECKING:
    from ...targets.target import Target
    from .run import DiffuseJob


@dataclass(frozen=True, slots=True)
class Setup:
    """What a run has before its first step.

    Attributes:
        lm: The model with its adapter.
        settings: How to train.
        lessons: What is learnt.
        checked: How the trees are run.
        end: The id that ends an answer; None where nothing ends.
        skipped: Targets that were left out because of the model's tokens.
    """

    lm: LanguageModel
    settings: FullDiffuseSettings
    lessons: list[Lesson]
    checked: Checked
    end: int | None
    skipped: int

    @property
    def dtype(self) -> str:
        """Number format of the weights."""
        return self.lm.number_format

    @property
    def boundaries(self) -> list[str]:
        """How prompts and answers meet in tokens, each way once."""
        return sorted({lesson.boundary for lesson in self.lessons})


def prepare(job: DiffuseJob, targets: Sequence[Target]) -> Setup:
    """Load the model and see that it can learn the targets.

    Raises:
        DivtoolError: No such model, adapter or token, or a target that the model's tokens cannot hold.
    """
    lm, settings = _student(job)
    left_out: list[str] = []
    skip = _skipping(job, left_out) if job.skip_bad else None
    lessons = lessons_of(lm, targets, settings.end_token, skip=skip)
    cases = [(part.prompt_ids, part.trie) for lesson in lessons for part in lesson.parts]
    checked = checked_path(lm, cases, seed=settings.seed, training=True, tell=job.tell.warn)
    setup = Setup(lm, settings, lessons, checked, _end(lm, settings.end_token), len(left_out))
    if "concat" in setup.boundaries:
        job.tell.note("prompt and answer merge in this model's tokens: the answers are tokenised apart")
    job.tell.note(
        f"self-check: trees are {checked.path}, attention {checked.attention}, at most {checked.max_diff:.1e} nats "
        f"from plain forwards, mass kept to {checked.conservation:.1e}; {setup.dtype}"
    )
    return setup


def _student(job: DiffuseJob) -> tuple[LanguageModel, FullDiffuseSettings]:
    own = job.settings.dtype
    if own is not None and job.loading.dtype == "auto":
        job = replace(job, loading=replace(job.loading, dtype=own))
    student = load_student(job)
    settings = job.settings.filled(student.model.num_parameters(), student.device.type)
    model = with_adapter(student.model, settings)
    if job.loading.adapter:
        settings = replace(settings, **adapter_values(model))
    without_dropout(model)
    # On a CPU, bitsandbytes repacks NF4 weights in evaluation mode, and no gradient passes through them any more.
    model.train(settings.four_bit)
    return LanguageModel(student.name, model, student.tokenizer), settings


def _skipping(job: DiffuseJob, left_out: list[str]) -> Callable[[str], None]:
    def skip(why: str) -> None:
        left_out.append(why)
        job.tell.warn(f"left out: {why}")

    return skip


def _end(lm: LanguageModel, end_token: str | None) -> int | None:
    try:
        return end_ids(lm, end_token).trained
    except DivtoolError:
        if end_token is not None:
            raise
        return None  # Only targets without an end are trained, else they would have said so.
