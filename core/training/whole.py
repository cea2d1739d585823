"""A training run with what comes before and behind it, whatever the method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..models.merging import Merge, check_target, merge
from .hub import Upload
from .job import Report, Tell, TrainJob
from .processes import check_readable, here
from .quiet import quiet
from .reporters import check_reporters


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is made of a trained adapter.

    Attributes:
        merged: Folder for the model with the adapter folded in, or None.
        upload: Where the adapter goes on the hub, or None.
    """

    merged: Path | None = None
    upload: Upload | None = None


def run(job: TrainJob[Any], runner: Callable[[TrainJob[Any]], Report], keeping: Keeping) -> Report:
    """Train, and merge and push what was trained.

    Args:
        job: What to train.
        runner: What trains it.
        keeping: What becomes of it.

    Raises:
        UsageError: Something that is asked for cannot be; nothing has been read yet.
        DivtoolError: Likewise, or the training, the merge or the upload failed.
    """
    processes = here()
    if not processes.main:
        job, keeping = replace(job, tell=Tell()), Keeping()
    if processes.several:
        check_readable(job.source, job.held_out)
    processes.begin(job.loading.device)
    check_reporters(job.report_to)
    if job.run_name is not None and not job.report_to:
        raise UsageError("--run-name goes with --report-to")
    processes.agreed(lambda: _check(keeping, dry_run=job.dry_run))
    report = runner(job)
    if job.dry_run or job.output is None:
        return report
    if keeping.merged is not None:
        with quiet():
            merge(_merge(job, job.output, keeping.merged), job.tell.note)
    if keeping.upload is not None:
        keeping.upload.push(job.output, job.tell.note)
    return report


def _check(keeping: Keeping, *, dry_run: bool) -> None:
    """Refuse what an adapter cannot become, before it is trained."""
    if keeping.merged is not None:
        check_target(keeping.merged)
    if keeping.upload is not None:
        keeping.upload.check_name() if dry_run else keeping.upload.check()


def _merge(job: TrainJob[Any], adapter: Path, folder: Path) -> Merge:
    trust = job.loading.trust_remote_code
    return Merge(model=job.model, adapter=str(adapter), folder=folder, trust_remote_code=trust)
