"""The runs of a call: files are read and checked before anything is sampled, and each model is loaded once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import orjson

from ..endpoint.faults import EndpointError
from ..errors import DivtoolError
from ..jsonl import dumps, short_hash
from ..models.names import check_adapter, check_model_name
from ..models.options import LoadOptions
from ..output import check_distinct, replacing
from ..sampling.backend import Backend
from ..sampling.open import open_backend
from ..sampling.overlap import Waiting
from .collection import Collection
from .matching import check_prefill
from .runs import Run, SamplePlan, fitting_preset, read_run, sample_run
from .sources import Lineup, Source
from .task import Task

Say = Callable[[str], None]
Count = Callable[[int], None]
# Shows how many of so many responses are drawn; hears of tokens, and of responses.
Progress = Callable[[int], AbstractContextManager[tuple[Count, Count]]]
_WEIGHTS = frozenset({".safetensors", ".bin", ".gguf", ".json"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """Gathers the runs of every task of a call.

    Attributes:
        tasks: What is measured.
        lineup: The runs and the baseline.
        plan: How to sample models.
        loading: How to load them.
        folder: Where their responses are kept.
        resume: Keep responses that are there and were drawn in the same way.
        skip_bad: Leave bad lines of files out.
        announce: Hears what goes on.
        warn: Hears what deserves a look.
        progress: See `Progress`.
    """

    tasks: Sequence[Task]
    lineup: Lineup
    plan: SamplePlan
    loading: LoadOptions
    folder: Path
    resume: bool
    skip_bad: bool
    announce: Say
    warn: Say
    progress: Progress

    def check(self) -> None:
        """Look for models, adapters and prompts; nothing is loaded or read yet.

        Raises:
            DivtoolError: One of them does not exist, or a file that is read would be drawn anew.
        """
        files = [source.file for source in self.lineup.every if source.file is not None]
        for source in self._models():
            for task in self.tasks:
                check_distinct(self._path(source, task), *files)
            self._check_model(source)
            for task in self.tasks:
                self.plan.rows(task)
            self._check_strategy(source)

        if self._models() and (skipped := self.plan.bad_lines()):
            self.warn(f"{self.plan.prompt_file}: {skipped} bad lines left out")

    def _check_model(self, source: Source) -> None:
        if self.loading.server is not None:
            self._opened(source.model, None)  # It is not asked yet; whether there is a key is seen.
            return
        check_model_name("model", str(source.model))
        if source.adapter is not None:
            check_adapter(source.adapter)

    def _check_strategy(self, source: Source) -> None:
        plan = self.plan.of(source)
        told = [line for task in self.tasks if task.drawing is None for line in plan.chats(task).warnings]
        for line in dict.fromkeys(told):
            self.warn(f"{source.name}: {line}")

    def _opened(self, model: str | None, adapter: str | None) -> Backend:
        kind = "transformers" if self.loading.server is None else "endpoint"
        return open_backend(kind, str(model), replace(self.loading, adapter=adapter), self.announce)

    def read(self) -> Collection:
        """Read every file, and give each task its responses.

        Raises:
            DivtoolError: A file cannot be read, or nothing is left to measure.
        """
        found = Collection(self.lineup)
        for source in _distinct(source for source in self.lineup.every if source.file is not None):
            run = read_run(source.name, str(source.file), source.settings, skip_bad=self.skip_bad)
            for note in run.notes:
                self.warn(f"{source.file}: {note}")
            self._share_out(source, run, found)
        self._refuse(found)
        if self.plan.preset is not None:
            self._check_prefills(found, self.plan)
        return found

    def _path(self, source: Source, task: Task) -> Path:
        """Where a model's responses to a task are kept."""
        return self.folder / f"{task.name}.{source.stem}.jsonl"

    def _models(self) -> list[Source]:
        return _distinct(source for source in self.lineup.every if source.model is not None)

    def _share_out(self, source: Source, run: Run, found: Collection) -> None:
        """Give each task the responses to its own prompts; a call of one task takes them all.

        Beside a model, which is only asked the task's own, none of them is not enough to be compared.
        """
        asked = run.responses.keys()
        for task in self.tasks:
            own = self.plan.ids(task)
            if len(self.tasks) == 1 and task.drawing is None and not (self._meets_model() and own and not own & asked):
                own = None
            responses = {p: records for p, records in run.responses.items() if own is None or p in own}
            if responses:
                found.runs[source.origin, task.name] = replace(run, responses=responses)
            else:
                found.lacking.add((source.origin, task.name))

    def _meets_model(self) -> bool:
        return self.lineup.baseline is not None and bool(self._models())

    def _refuse(self, found: Collection) -> None:
        """Leave out what the files hold nothing for."""
        base = self.lineup.baseline
        for task in self.tasks:
            lacking = [source for source in self.lineup.runs if (source.origin, task.name) in found.lacking]
            if base is not None and (base.origin, task.name) in found.lacking:
                lacking = [base]
            if not lacking:
                continue
            names = ", ".join(source.name for source in lacking)
            how = f" (divtool sample --builtin {task.prompt_set})" if task.prompt_set else ""
            why = f"{names} holds no responses to its prompts{how}"
            if lacking == [base] or len(lacking) == len(self.lineup.runs):
                found.refused[task.name] = why
                self.warn(f"task {task.name} left out: {why}")
            else:
                self.warn(f"task {task.name} without {names}: {why}")
        if len(found.refused) == len(self.tasks):
            raise DivtoolError("nothing to measure: no file holds responses to the prompts of these tasks")

    def sample(self, found: Collection) -> None:
        """Draw each model's responses to every task; what goes wrong with one task is kept for later.

        Args:
            found: Gets the files that the responses are in.

        Raises:
            DivtoolError: A model cannot be loaded.
        """
        plan = self.plan
        by_model: dict[tuple[str | None, str | None], list[Source]] = {}
        drawn: dict[bytes, Path] = {}
        for source in self._models():
            by_model.setdefault((source.model, source.adapter), []).append(source)
        for (model, adapter), own in by_model.items():
            backend = self._opened(model, adapter)
            if plan.preset is None:
                plan = replace(plan, preset=fitting_preset(backend))
                self.announce(f"preset {plan.preset}, for every model of this call")
                self._check_prefills(found, plan)
            for source in own:
                for task in self.tasks:
                    if task.name in found.refused or task.name in found.failed:
                        continue
                    try:
                        path = self._drawn(source, task, plan.of(source), backend, drawn)
                    except EndpointError as error:
                        # A server that has ended one task would end each, after as many tries.
                        raise EndpointError(f"{error}; what was drawn is in {self.folder}, --resume goes on") from None
                    except Exception as error:
                        found.failed[task.name] = error
                    else:
                        found.files[source.origin, task.name] = path
                        found.asked[source.origin, task.name] = plan.of(source).demand(task)
            for line in backend.conclude() if isinstance(backend, Waiting) else ():
                self.announce(line)
            del backend  # Before the next one is loaded.

    def _check_prefills(self, found: Collection, plan: SamplePlan) -> None:
        """Raise `UsageError` where what is to be drawn would be begun otherwise than the file that it meets."""
        base = self.lineup.baseline
        for task in (task for task in self.tasks if task.prefill and base is not None):
            for source in self.lineup.runs:
                for file, model in ((source, base), (base, source)):
                    run = found.runs.get((file.origin, task.name)) if file is not None else None
                    if run is not None and model is not None and model.model is not None:
                        check_prefill(run, model.name, plan.options(task).prefill)

    def _drawn(self, source: Source, task: Task, plan: SamplePlan, backend: Backend, drawn: dict[bytes, Path]) -> Path:
        """The file of a model's responses: one that was drawn in the same way, if only by the usual settings, or new.

        Args:
            source: The model.
            task: What it is asked.
            plan: How.
            backend: The model, loaded.
            drawn: The files of this call by what their responses depend on; gets a new one.
        """
        key = dumps({"task": task.name, **self._asked(source, task, plan)})
        if key not in drawn:
            drawn[key] = self._draw(source, task, plan, backend)
        return drawn[key]

    def _draw(self, source: Source, task: Task, plan: SamplePlan, backend: Backend) -> Path:
        """Draw a model's responses to a task, or what is lacking of them; the answer is their file."""
        path = self._path(source, task)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DivtoolError(f"{self.folder}: cannot be made ({error.strerror}); name another --work DIR") from None
        asked = self._asked(source, task, plan)
        beside = path.with_suffix(".settings.json")
        resume = self.resume and path.is_file()
        if resume and (changed := _changed(beside, asked)):
            self.warn(f"{path}: drawn with another {changed}; nothing of it is used")
            resume = False
        if not resume:
            path.unlink(missing_ok=True)
            _note(beside, asked)
        self.announce(f"sampling {source.name} into {path}")
        try:
            with self.progress(plan.total(task)) as (on_tokens, on_done):
                notes = sample_run(backend, task, plan, path, resume=resume, on_tokens=on_tokens, on_done=on_done)
            for line in notes:
                self.announce(line)
        finally:
            # The folder was removed, and the responses saved there again: --resume needs both.
            if path.is_file() and not beside.is_file():
                _note(beside, asked)
        return path

    def _asked(self, source: Source, task: Task, plan: SamplePlan) -> dict[str, object]:
        """All that the responses depend on."""
        return {
            "model": source.model,
            "adapter": source.adapter,
            **self._weights(source),
            "dtype": self.loading.dtype,
            "four_bit": self.loading.four_bit,
            "prompts": f"{short_hash([row.data for row in plan.rows(task)]):016x}",
            **plan.asked(task),
        }

    def _weights(self, source: Source) -> dict[str, object]:
        """Which model it is, beyond its name."""
        server = self.loading.server
        if server is not None:
            return {"server": server.url, "plain": server.plain}
        return {"files": [_weights(name) for name in (source.model, source.adapter) if name]}


def _note(beside: Path, asked: dict[str, object]) -> None:
    with replacing(beside) as temporary:
        temporary.write_bytes(dumps(asked))


def _distinct(sources: Iterable[Source]) -> list[Source]:
    """The first source of each origin."""
    found: dict[object, Source] = {}
    for source in sources:
        found.setdefault(source.origin, source)
    return list(found.values())


def _weights(name: str) -> list[tuple[str, int, int]]:
    """Names, sizes and times of a model's files; none for an alias or a hub id."""
    path = Path(name)
    files = [path] if path.is_file() else sorted(path.iterdir()) if path.is_dir() else []
    return [(f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.suffix in _WEIGHTS]


def _changed(beside: Path, asked: dict[str, object]) -> str:
    """Which of the settings differ from those that a file was drawn with."""
    try:
        known = orjson.loads(beside.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return "version of divtool"
    now = orjson.loads(orjson.dumps(asked))
    return ", ".join(sorted(key for key in {*known, *now} if known.get(key) != now.get(key)))
