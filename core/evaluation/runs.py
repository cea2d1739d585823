"""A run: the responses of one model to one set of prompts, from a file or freshly sampled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from ..errors import InputError, unknown_name
from ..jsonl import Record, Row, RowReader
from ..records import check_prompt
from ..resume import finished_rows
from ..sampling.backend import Backend, Decoding
from ..sampling.open import open_sampler, strategy_kind
from ..sampling.prompt_sets import builtin_rows
from ..sampling.run import SampleOptions
from ..sampling.settings import Wanted
from ..sampling.strategies import Strategy
from ..writer import RecordWriter
from .demand import Demand
from .hooks import DrawPlan
from .intake import Intake
from .sources import HEEDED, Setting, Source, decoding_of
from .task import Preset, Task

# Below this size a model gets the quick preset unless another is asked for.
_SMALL_MODEL = 500e6


@dataclass(frozen=True, slots=True)
class Run:
    """The responses of one model.

    Attributes:
        name: What the run is called in tables.
        model: The model that wrote them.
        responses: By prompt_id, each list by sample_index and turn.
        notes: What a reader must know of the file.
    """

    name: str
    model: str
    responses: dict[str, list[Record]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePlan:
    """How to sample a run.

    Attributes:
        preset: Name of a preset, or None for the one that suits the model's size.
        prompts: How many prompts, or None for the preset's number.
        samples: Responses a prompt, or None for the preset's number.
        seed: Fixes the draws.
        batch_size: Responses drawn together.
        strategy: How a prompt becomes responses, where a run says nothing else.
        settings: Decoding, seed and strategy, where a run differs from the preset and the call.
        adapter: Folder of the adapter that is drawn from, or None.
        prefill: Whether answers are begun as the task says: "on", "off", or "auto" for the preset's way.
        prompt_file: Prompt records for tasks that ask the prompts of a file, or None.
        skip_bad: Leave bad lines of that file out.
        gaps: What a server refuses is left out.
    """

    preset: str | None = None
    prompts: int | None = None
    samples: int | None = None
    seed: int = 0
    batch_size: int = 64
    strategy: str = "direct"
    settings: tuple[Setting, ...] = ()
    adapter: str | None = None
    prefill: Literal["auto", "on", "off"] = "auto"
    prompt_file: Path | None = None
    skip_bad: bool = False
    gaps: bool = False

    def of(self, source: Source) -> SamplePlan:
        """How a model of the call is sampled."""
        return replace(self, settings=source.settings, adapter=source.adapter)

    def rows(self, task: Task) -> list[Row]:
        """The prompts to ask; of a file the first so many. A task of one prompt has one, whatever the others have.

        Raises:
            DivtoolError: The task has no prompts or fewer, or the file cannot be read.
        """
        if task.drawing is not None:
            return [Row(record, task.name) for record in task.drawing.prompts()]
        given = self.prompt_file if task.prompts_from_file else None
        name = task.prompts() if given is None else ""
        usual = self._preset(task).prompts
        count = self.prompts or usual if usual > 1 else usual
        if given is not None:
            return list(islice(self._file(), count))
        return list(builtin_rows(name, count, self.seed))

    def ids(self, task: Task) -> set[str] | None:
        """The prompt_ids of all prompts that a task may ask; None where any prompt will do."""
        if task.drawing is not None:
            return {record["prompt_id"] for record in task.drawing.prompts()}
        if task.prompts_from_file and self.prompt_file is not None:
            return {row.data["prompt_id"] for row in self._file()}
        if task.prompt_set is None:
            return None
        return {row.data["prompt_id"] for row in builtin_rows(task.prompt_set, None, self.seed)}

    def bad_lines(self) -> int:
        """How many lines of the user's file of prompts are left out."""
        if self.prompt_file is None or not self.skip_bad:
            return 0
        reader = self._file()
        for _ in reader:
            pass
        return reader.skipped

    def _file(self) -> RowReader:
        return RowReader(str(self.prompt_file), check_prompt, skip_bad=self.skip_bad)

    def total(self, task: Task) -> int:
        """How many responses there will be."""
        return task.drawing.total if task.drawing is not None else len(self.rows(task)) * self.each(task)

    def each(self, task: Task) -> int:
        """How many responses a prompt gets; of a task that does not draw them itself."""
        strategy = self.chats(task)
        return strategy.samples * strategy.turns

    def demand(self, task: Task) -> Demand:
        """What there should be once all is drawn."""
        if task.drawing is not None:
            return Demand(self.total(task))
        strategy = self.chats(task)
        # What a server refuses cannot be told from what could not be read.
        takes_out = strategy.held > 1 and not self.gaps
        return Demand(
            self.total(task),
            prompts=tuple(row.data for row in self.rows(task)) if takes_out else (),
            each=self.each(task),
            params=self.options(task).decoding.params(strategy.name) | strategy.params,
            notes=tuple(strategy.warnings),
        )

    def asked(self, task: Task) -> dict[str, Any]:
        """What the responses depend on beside the model and the prompts."""
        if task.drawing is not None:
            return {"seed": self.draw_seed, **task.drawing.settings}
        options, strategy = self.options(task), self.chats(task)
        own = {"samples": self.each(task), "seed": options.seed, "prefill": options.prefill}
        return own | options.decoding.params(strategy.name) | strategy.params

    @property
    def draw_seed(self) -> int:
        """The seed of the draws: that of the run, else that of the call."""
        return int(dict(self.settings).get("seed", self.seed))

    def chats(self, task: Task) -> Strategy:
        """How a prompt of a task becomes responses, which is the run's business, else the call's.

        Raises:
            UsageError: No such strategy, or an adapter that it cannot ask.
        """
        kind = strategy_kind(str(dict(self.settings).get("strategy", self.strategy)))
        samples = self.samples or self._preset(task).samples
        return kind.giving(samples, parts=task.parts(samples), seed=self.draw_seed, adapter=self.adapter)

    def options(self, task: Task) -> SampleOptions:
        """How they are asked: as the task has it, whatever a strategy is used to, so that runs differ in the strategy.

        An answer from which responses are taken gets the tokens that they may have, or those of its strategy.
        """
        preset, strategy = self._preset(task), self.chats(task)
        usual = Decoding(
            top_p=preset.top_p,
            top_k=preset.top_k,
            max_new_tokens=preset.max_new_tokens,
            repetition_penalty=preset.repetition_penalty,
        )
        if not strategy.whole:
            tokens = max(strategy.max_new_tokens, strategy.held * preset.max_new_tokens)
            usual = replace(usual, max_new_tokens=tokens)
        return SampleOptions(
            samples=strategy.samples,
            seed=self.draw_seed,
            batch_size=self.batch_size,
            decoding=decoding_of(usual, dict(self.settings)),
            prefill=self._prefill(task, preset),
            gaps=self.gaps,
        )

    def _prefill(self, task: Task, preset: Preset) -> str:
        """How answers are begun; "" where the task has no fixed beginning."""
        wanted = preset.prefill if self.prefill == "auto" else self.prefill == "on"
        return task.prefill or "" if wanted else ""

    def _preset(self, task: Task) -> Preset:
        """Before the size of a model is known, the preset of the larger ones."""
        return get_preset(task, self.preset or "standard")


def read_run(name: str, path: str, settings: Iterable[Setting] = (), *, skip_bad: bool = False) -> Run:
    """The run in a file of response records.

    Args:
        name: What the run is called.
        path: The file; `-` is standard input.
        settings: Only responses that were drawn with these, such as a temperature; where they name a strategy, further
            turns of a chat are responses too.
        skip_bad: Count bad lines and go on.

    Raises:
        InputError: Something else stands there, or one response twice with different texts.
    """
    wanted = Wanted(dict(settings), heeded=HEEDED)
    intake = Intake(wanted, every_turn="strategy" in wanted.settings)
    reader = RowReader(path, intake.add, skip_bad=skip_bad)
    for _ in reader:
        pass
    if not intake.groups:
        raise InputError(reader.name, f"no {'' if intake.every_turn else 'first-turn '}responses{wanted.lacking}")
    responses = intake.taken()
    skipped = [f"{reader.skipped} bad lines left out"] if reader.skipped else []
    return Run(name, ", ".join(intake.models), responses, (*skipped, *intake.notes))


def sample_run(
    backend: Backend,
    task: Task,
    plan: SamplePlan,
    path: Path,
    *,
    resume: bool,
    on_tokens: Callable[[int], None],
    on_done: Callable[[int], None],
) -> list[str]:
    """Sample a model's answers to a task into a file; the answer is what there is to say of it.

    Args:
        backend: The model.
        task: What to ask.
        plan: How much.
        path: Where the responses go.
        resume: Keep what the file holds already.
        on_tokens: Hears of tokens as they come.
        on_done: Hears of responses.
    """
    old = path if resume and path.is_file() else None
    batches, notes = _drawn(backend, task, plan, finished_rows(old), on_tokens)
    with RecordWriter(str(path), append=old is not None, resumes=True) as writer:
        for records in batches:
            for record in records:
                writer.write(record)
            writer.flush()
            on_done(len(records))
    return notes()


def _drawn(
    backend: Backend, task: Task, plan: SamplePlan, finished: Iterator[Row], on_tokens: Callable[[int], None]
) -> tuple[Iterator[list[Record]], Callable[[], list[str]]]:
    """The responses that are lacking, batch by batch, and what there is to say of them at the end."""
    if task.drawing is not None:
        own = DrawPlan(seed=plan.draw_seed, batch_size=plan.batch_size, finished=finished, on_tokens=on_tokens)
        return task.drawing.draw(backend, own), list
    sampler = open_sampler(backend, plan.chats(task), plan.options(task), on_tokens)
    return sampler.run(plan.rows(task), finished), lambda: sampler.notes


def fitting_preset(backend: Backend) -> str:
    """The preset that suits a model's size."""
    small = backend.parameters is not None and backend.parameters < _SMALL_MODEL
    return "quick" if small else "standard"


def get_preset(task: Task, name: str) -> Preset:
    """A preset by name.

    Raises:
        UsageError: The task has no such preset.
    """
    if name not in task.presets:
        raise unknown_name(f"preset of task {task.name}", name, task.presets)
    return task.presets[name]
