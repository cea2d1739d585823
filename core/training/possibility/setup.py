"""A run up to its first update: model, adapter, groups in tokens, and how their rows are run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from ...draws import generator
from ...models.language import LanguageModel, resolve
from ...models.tree.check import Checked, checked_path
from ...models.tree.packed import Path
from ...possibility.words import StopWords
from ..lora import adapter_values, load_student, with_adapter, without_dropout
from .encoding import Encoder
from .lessons import Lesson, LessonMaker
from .rows import packed_rows
from .settings import SMALL, FullPossibilitySettings
from .tally import Tally

if TYPE_CHECKING:
    from .records import GroupFile
    from .run import PossibilityJob


@dataclass(frozen=True, slots=True)
class Setup:
    """What a run has before its first update.

    Attributes:
        lm: The model with its adapter.
        settings: How to train.
        lessons: What is learnt.
        held_out: Groups that are only looked at.
        tally: What was left out and counted.
        checked: How rows are run, and how well that agreed with plain forwards; None where that was not tried.
        end: The id that ends a response.
    """

    lm: LanguageModel
    settings: FullPossibilitySettings
    lessons: list[Lesson]
    held_out: list[Lesson]
    tally: Tally
    checked: Checked | None
    end: int

    @property
    def path(self) -> Path:
        """How rows are run."""
        return "batched" if self.checked is None else self.checked.path

    @property
    def dtype(self) -> str:
        """Number format of the weights."""
        return "nf4" if self.settings.four_bit else str(self.lm.model.dtype).removeprefix("torch.")


def prepare(job: PossibilityJob, file: GroupFile, stop: StopWords) -> Setup:
    """Load the model and make lessons of the groups.

    Raises:
        DivtoolError: No such model or adapter, a tokenizer that does not fit, or no group that can be learnt.
    """
    lm, settings = _student(job)
    encoder = Encoder(lm)
    if encoder.plain:
        job.tell.warn("the model has no chat template: prompt and response are joined by an empty line")
    maker = LessonMaker(encoder, settings, stop, _limit(lm, settings))
    lessons = maker.every(file.groups, job.tell.warn if job.skip_bad else None)
    said = maker.tally.said()
    if said:
        job.tell.note(said)
    checked = _checked(job, lm, lessons) if settings.pack else None
    learnt, held_out = _split(lessons, settings)
    return Setup(lm, settings, learnt, held_out, maker.tally, checked, encoder.end)


def _student(job: PossibilityJob) -> tuple[LanguageModel, FullPossibilitySettings]:
    parameters = _parameters(job)
    settings = job.settings.profiled(parameters)
    small = settings.profile == "small" and job.loading.dtype == "auto"
    loading = replace(job.loading, dtype="float32") if small else job.loading
    student = load_student(replace(job, settings=replace(job.settings, four_bit=settings.four_bit), loading=loading))
    full = job.settings.filled(parameters, student.device.type)
    without_dropout(student.model)
    model = with_adapter(student.model, full, dropout=full.lora_dropout, head=True)
    if job.loading.adapter:
        full = replace(full, **adapter_values(model), lora_dropout=0.0)
    # On a CPU, bitsandbytes repacks NF4 weights in evaluation mode, and no gradient passes through them any more.
    model.train(full.four_bit or full.lora_dropout > 0)
    return LanguageModel(student.name, model, student.tokenizer), full


def _parameters(job: PossibilityJob) -> int:
    """Parameters of the model, from its configuration: the number format to load it in depends on them."""
    from transformers import AutoConfig, AutoModelForCausalLM

    trust = job.loading.trust_remote_code
    try:
        config = AutoConfig.from_pretrained(resolve(job.model, job.tell.note), trust_remote_code=trust)
        with torch.device("meta"):
            return int(AutoModelForCausalLM.from_config(config, trust_remote_code=trust).num_parameters())
    except (OSError, ValueError, RuntimeError, NotImplementedError, ImportError):
        return SMALL  # What is wrong with it is said when it is loaded.


def _limit(lm: LanguageModel, settings: FullPossibilitySettings) -> int:
    """Tokens that a prompt with a response may have."""
    return min(settings.max_length, lm.context or settings.max_length)


def _checked(job: PossibilityJob, lm: LanguageModel, lessons: Sequence[Lesson]) -> Checked:
    """How the rows are to be run, tried on the first group and the longest."""
    joined = job.settings.rows_per_chunk is None
    every = [packed_rows(lesson, unlikely=True, joined=joined) for lesson in lessons]
    longest = max(every, key=lambda rows: max(row.tokens for row in rows))
    rows = [*every[0], *longest]
    cases = [(row.prompt_ids, row.trie) for row in rows]
    checked = checked_path(lm, cases, seed=job.settings.seed, training=True, tell=job.tell.warn)
    job.tell.note(
        f"self-check: rows are {checked.path}, attention {checked.attention}, at most {checked.max_diff:.1e} nats from "
        "plain forwards"
    )
    return checked


def _split(lessons: Sequence[Lesson], settings: FullPossibilitySettings) -> tuple[list[Lesson], list[Lesson]]:
    """The lessons that are learnt, and those that are held out, both in the order of the file."""
    count = int(len(lessons) * settings.eval_fraction)
    drawn = set(generator(settings.seed, "held-out").permutation(len(lessons))[:count].tolist())
    learnt = [lesson for place, lesson in enumerate(lessons) if place not in drawn]
    return learnt, [lesson for place, lesson in enumerate(lessons) if place in drawn]
