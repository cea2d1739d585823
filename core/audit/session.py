"""A run of the audit from end to end: loading, going on from an earlier run, comparing, writing."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError, require_extra
from ..jsonl import Row
from ..models.names import check_adapter, check_model_name
from ..models.options import LoadOptions
from ..places import names_records
from .compared import Baseline
from .earlier import Key, finished, key_of
from .foresee import Foreseen, foresee
from .handed import HandedOver
from .output import AuditOutput
from .plan import Plan
from .reader import ModelReader, Reader
from .run import audit, audit_responses, pending
from .task import AuditPrompt

if TYPE_CHECKING:
    from ..models.language import LanguageModel


@dataclass(frozen=True, slots=True)
class Subject:
    """A model by name, and how it is loaded."""

    model: str
    loading: LoadOptions

    @property
    def name(self) -> str:
        """As the records have it."""
        return f"{self.model}+{self.loading.adapter}" if self.loading.adapter else self.model

    def compared_at(self, _: Key) -> str | None:
        """The model that any prompt would be compared with."""
        return self.name

    def check(self) -> None:
        """Raise `DivtoolError` where there is no such model or adapter, before anything heavy loads."""
        check_model_name("model", self.model)
        if self.loading.adapter is not None:
            check_adapter(self.loading.adapter)
        require_extra("torch", "models")

    def load(self, tell: Callable[[str], None]) -> LanguageModel:
        """The model itself."""
        from ..models.language import load

        return load(self.model, self.loading, tell)


def is_records_file(name: str) -> bool:
    """Whether what is to be compared with is a file of records, by its name, and no model."""
    return name == "-" or names_records(name)


@dataclass(frozen=True, kw_only=True)
class Session:
    """What the runs of a command share.

    Attributes:
        plan: How prompts are read.
        prompts: What is asked.
        output: Where records go; `-` is standard output.
        earlier: The output of an interrupted run to go on from, or None.
        tell: Hears what goes on.
        progress: Shows how many of a number of units are done.
    """

    plan: Plan
    prompts: Sequence[AuditPrompt]
    output: str
    earlier: Path | None
    tell: Callable[[str], None]
    progress: Callable[[int | None, str], AbstractContextManager[Callable[[int], None]]]

    def over_model(
        self, subject: Subject, compare: Subject | Baseline | None, batch_size: int
    ) -> tuple[AuditOutput, Baseline | None]:
        """Audit a model in this process; a baseline model is read first, and gone when the model is loaded.

        Raises:
            DivtoolError: A model cannot be loaded or read, or the two cannot be compared.
        """
        return self._run(
            subject.name,
            lambda: ModelReader(subject.load(self.tell), self.plan, batch_size, self.tell),
            lambda todo: self._baseline(compare, todo, batch_size),
            compare.compared_at if compare is not None else _nothing,
        )

    def over_reader(self, reader: Reader, baseline: Baseline | None) -> tuple[AuditOutput, Baseline | None]:
        """Audit what a reader draws.

        Raises:
            DivtoolError: It cannot be read, or not be compared.
        """
        if baseline is not None:
            baseline.refuse_other_modes((prompt.key for prompt in self.prompts), "sampled")
        return self._run(
            reader.name, lambda: reader, lambda _: baseline, baseline.compared_at if baseline else _nothing
        )

    def over_responses(self, handed: HandedOver, groups: Iterable[list[Row]], baseline: Baseline | None) -> AuditOutput:
        """Audit response records.

        Raises:
            InputError: Records that cannot be used.
        """
        with AuditOutput(self.output) as out:
            for record in audit_responses(handed, groups, self.plan, baseline):
                out.add(record)
        return out

    def foresee(self, subject: Subject) -> Foreseen:
        """What the audit of a model would take; loads it.

        Raises:
            DivtoolError: It cannot be loaded, or a tree is too large.
        """
        return foresee(subject.load(self.tell), self.prompts, self.plan)

    def _run(
        self,
        name: str,
        open_reader: Callable[[], Reader],
        open_baseline: Callable[[Sequence[AuditPrompt]], Baseline | None],
        compared: Callable[[Key], str | None],
    ) -> tuple[AuditOutput, Baseline | None]:
        made: dict[str, Any] = {"model": name, "seed": self.plan.seed, "params": self.plan.params()}
        before = finished(self.earlier)
        todo, done = pending(self.prompts, before, made, compared)
        baseline = None
        with AuditOutput(self.output, before, done) as out:
            if todo:
                baseline = open_baseline(todo)
                reader = open_reader()
                with self.progress(len(todo), "prompts") as on_done:
                    for record in audit(todo, reader, self.plan, baseline, self.prompts):
                        out.add(record)
                        on_done(1)
        return out, baseline

    def _baseline(
        self, compare: Subject | Baseline | None, todo: Sequence[AuditPrompt], batch_size: int
    ) -> Baseline | None:
        """What is compared with; a model is read here."""
        if not isinstance(compare, Subject):
            return compare
        reader = ModelReader(compare.load(self.tell), self.plan, batch_size, self.tell)
        with self.progress(len(todo), "prompts of the baseline") as on_done:
            records = {}
            for record in audit(todo, reader, self.plan, planned=self.prompts):
                records[key_of(record)] = record
                on_done(1)
        del reader
        _release()
        return Baseline.of_records(records, compare.name)


def _nothing(_: Key) -> None:
    """No prompt is compared with anything."""


def _release() -> None:
    """Give back the memory of a model that nothing holds any more."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def baseline_of(compare: str | None, adapter: str | None, subject: Subject) -> Subject | Baseline | None:
    """What the user compares with: a file of records, a model, the same model with another adapter, or nothing.

    Args:
        compare: `--compare`.
        adapter: `--compare-adapter`.
        subject: The model that is audited; a baseline model is loaded in the same way.

    Raises:
        InputError: The file holds something else.
        UsageError: A file with an adapter.
    """
    if compare is not None and is_records_file(compare):
        if adapter is not None:
            raise UsageError(f"--compare-adapter goes on a model, and {compare} is a file of records")
        return Baseline.of_file(compare)
    if compare is None and adapter is None:
        return None
    loading = LoadOptions(
        adapter=adapter,
        dtype=subject.loading.dtype,
        device=subject.loading.device,
        four_bit=subject.loading.four_bit,
        trust_remote_code=subject.loading.trust_remote_code,
    )
    base = Subject(compare or subject.model, loading)
    base.check()
    return base
