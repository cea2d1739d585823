"""One training run: what it is asked to do, whom it tells, and its output folder. Free of torch."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from ..errors import DivtoolError, UsageError
from ..models.names import check_adapter, check_model_name, check_output
from ..models.options import LoadOptions
from ..output import replacing
from .run_settings import RunSettings
from .settings import TrainSettings

CARD_DATA = "divtool_train.json"
LOG = "train_log.jsonl"

S_co = TypeVar("S_co", bound=RunSettings, covariant=True)


@contextmanager
def _no_bar(total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
    yield lambda n: None


@dataclass(frozen=True, slots=True)
class Tell:
    """Whom a run speaks to.

    Attributes:
        note: Hears what goes on.
        warn: Hears what deserves a look.
        table: Shows a title, column names and rows.
        progress: Opens a bar of so many units; it yields a function that counts them.
    """

    note: Callable[[str], None] = lambda text: None
    warn: Callable[[str], None] = lambda text: None
    table: Callable[[str, Sequence[str], Sequence[Sequence[Any]]], None] = lambda title, columns, rows: None
    progress: Callable[[int | None, str], AbstractContextManager[Callable[[int], None]]] = _no_bar


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainJob(Generic[S_co]):
    """What `train` is asked to do.

    Attributes:
        method: Name of the method.
        source: The records: a path, or ``-`` for standard input; empty where the settings name built-in ones.
        output: Folder for the adapter; None for a dry run.
        model: The student: alias, folder, `.gguf` file or hub id.
        loading: How to load it, `loading.adapter` to start from included.
        settings: How to train.
        held_out: Records like the source's, whose loss is logged and never trained on; None for none.
        embedder: What tells how far the responses of a prompt are apart, where that is needed.
        audit: What the pair audit of an audited method may do: end the run, only warn, or not run.
        skip_bad: Leave bad lines out and count them.
        resume: Go on from the checkpoints in `output`.
        dry_run: Say what would be done, and do nothing.
        command: The command line, for the model card.
        report_to: Experiment trackers that hear of each step.
        run_name: What the run is called there; None is the name of the output folder.
        tell: Whom to speak to.
    """

    method: str
    source: str
    output: Path | None
    model: str
    loading: LoadOptions = field(default_factory=LoadOptions)
    settings: S_co
    held_out: str | None = None
    embedder: str = "minilm"
    audit: Literal["fail", "warn", "off"] = "fail"
    skip_bad: bool = False
    resume: bool = False
    dry_run: bool = False
    command: str = ""
    report_to: tuple[str, ...] = ()
    run_name: str | None = None
    tell: Tell = field(default_factory=Tell)

    def __post_init__(self) -> None:
        """Refuse options that do not fit together.

        Raises:
            UsageError: They do not.
        """
        if self.output is None and not self.dry_run:
            raise UsageError("train needs -o DIR, the folder for the adapter (or --dry-run)")
        own = (self.settings.lora_r, self.settings.lora_alpha, self.settings.lora_targets)
        if self.loading.adapter and any(value is not None for value in own):
            raise UsageError(
                "--adapter keeps its own rank, alpha and layers: leave --lora-r, --lora-alpha and --lora-targets out"
            )


PairJob = TrainJob[TrainSettings]


@dataclass(frozen=True, slots=True)
class Report:
    """What a run has to say at its end: a title, and rows of name and value."""

    title: str
    rows: Sequence[tuple[str, Any]]


FINISHED = Report("Finished already", [])


class OutputFolder:
    """The adapter's folder, with the checkpoints of an unfinished run below it.

    Args:
        path: The folder; `begin` makes it if need be.
        resume: Whether the run wants to go on from what is there.

    Raises:
        DivtoolError: It cannot be written, or holds what this run must not touch.
    """

    def __init__(self, path: Path, *, resume: bool) -> None:
        self.path = path
        self.work = path / "checkpoints"
        self.finished = (path / CARD_DATA).is_file()
        if not self.finished and (path / "adapter_config.json").exists():
            raise DivtoolError(
                f"{path}: holds an adapter that divtool train did not write; name another folder with -o"
            )
        if self.finished and not resume:
            raise DivtoolError(f"{path}: holds a finished adapter; name another folder with -o, or remove it first")
        if self._identity.is_file() and not resume and not self.finished:
            raise DivtoolError(f"{path}: holds an unfinished run; go on with --resume, or name another folder with -o")
        if not self.finished:
            self._probe()

    @property
    def _identity(self) -> Path:
        return self.work / "run.json"

    def _probe(self) -> None:
        """Try whether the folder can be written; it is made by `begin`, so that a run that fails before leaves none."""
        made = not self.path.exists()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
            if made:
                self.path.rmdir()
        except OSError as error:
            raise DivtoolError(
                f"{self.path}: cannot be written ({error.strerror}); name another folder with -o"
            ) from None

    def begin(self, identity: Mapping[str, Any]) -> Path | None:
        """Note what this run is, or check that it is the one to go on with.

        Args:
            identity: Everything that the weights depend on; JSON values.

        Returns:
            The last whole checkpoint to go on from, or None.

        Raises:
            DivtoolError: The unfinished run there is another one; what differs is named.
        """
        self.work.mkdir(parents=True, exist_ok=True)
        wanted = json.loads(json.dumps(identity))
        if self._identity.is_file():
            # What an earlier version did not write.
            self._compare({"processes": 1, **json.loads(self._identity.read_bytes())}, {"processes": 1, **wanted})
            return self.last_checkpoint()
        with replacing(self._identity) as temporary:
            temporary.write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")
        return None

    def _compare(self, there: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
        keys = [key for key in {**wanted, **there} if there.get(key) != wanted.get(key)]
        if keys:
            what = ", ".join(f"{key} ({there.get(key)} there, {wanted.get(key)} now)" for key in keys[:3])
            raise DivtoolError(f"{self.path}: --resume needs the run that was begun there; it differs in {what}")

    def last_checkpoint(self) -> Path | None:
        """The latest checkpoint that was written to its end."""
        whole = [path for path in self.work.glob("checkpoint-*") if (path / "complete").is_file()]
        return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)

    def mark_finished(self, facts: Mapping[str, Any]) -> None:
        """Write what is known of the run; from here on the folder counts as finished."""
        with replacing(self.path / CARD_DATA) as temporary:
            temporary.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def finish(self, *, keep_checkpoints: bool) -> None:
        """Take away what only an unfinished run needs."""
        if keep_checkpoints:
            self._identity.unlink(missing_ok=True)
            return
        shutil.rmtree(self.work, ignore_errors=True)

    def move_in(self, folder: Path) -> None:
        """Move the files of a folder into this one, each whole."""
        for file in sorted(folder.iterdir()):
            os.replace(file, self.path / file.name)
        folder.rmdir()


def output_of(job: TrainJob[RunSettings]) -> OutputFolder | None:
    """The folder that a run writes, before anything is read or loaded; None for a dry run.

    Raises:
        UsageError: The model or the adapter has no usable name.
        DivtoolError: As for `OutputFolder`.
    """
    check_model_name("model", job.model)
    if job.loading.adapter:
        check_adapter(job.loading.adapter)
    if job.output is None or job.dry_run:
        return None
    check_output(job.output)
    output = OutputFolder(job.output, resume=job.resume)
    if output.finished:
        job.tell.note(f"{output.path}: finished already; nothing is left to train")
    return output
