"""`train --method possibility`: groups to an adapter. Free of torch until the groups have been read."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .... import __version__
from ...errors import DivtoolError, require_extra
from ...possibility.manifest import Manifest
from ...possibility.words import StopWords, stop_words
from ..job import FINISHED, LOG, OutputFolder, Report, TrainJob, output_of
from ..processes import here
from ..quiet import quiet
from .records import GroupFile, read_groups
from .settings import FullPossibilitySettings, PossibilitySettings

if TYPE_CHECKING:
    from .setup import Setup

PossibilityJob = TrainJob[PossibilitySettings]


def train(job: PossibilityJob) -> Report:
    """Train an adapter on groups of responses.

    Args:
        job: What to train, on what, how.

    Returns:
        What the run came to: for people to read.

    Raises:
        InputError: A group that cannot be used.
        DivtoolError: The output folder, model or adapter cannot be used, no group can be learnt, or an update failed.
        KeyboardInterrupt: The run was interrupted; what is needed to go on has been written.
    """
    processes = here()
    processes.whole_models(job.method)
    output = processes.agreed(lambda: output_of(job))
    if output is not None and output.finished:
        return FINISHED
    file, stop = read_groups(job), stop_words(job.settings.stopwords)
    if job.settings.arm != "one-to-one" and all(len(group.responses) < 2 for group in file.groups):
        raise DivtoolError(
            f"{file.name}: --arm {job.settings.arm} needs at least 2 different responses per prompt, and no group has "
            "them"
        )
    for module in ("torch", "peft", "datasets"):
        require_extra(module, "train")
    with quiet():
        from .setup import prepare

        setup = prepare(job, file, stop)
        if output is None:
            from .plan import plan

            return plan(job, setup)
        return _trained(job, file, stop, setup, output)


def _trained(job: PossibilityJob, file: GroupFile, stop: StopWords, setup: Setup, output: OutputFolder) -> Report:
    from ..reporters import Reporters
    from ..state import checkpointing
    from .loop import Loop
    from .stepper import Stepper

    settings, lm = setup.settings, setup.lm
    total = settings.total_steps(len(setup.lessons))
    job.tell.note(
        f"{len(setup.lessons)} groups, {len(setup.held_out)} held out, {total:,} updates, "
        f"learning rate {settings.learning_rate:g}"
    )
    identity = _identity(job, file, stop, setup, total)
    here().alike(identity)
    last = here().agreed(lambda: output.begin(identity))
    stepper = Stepper(lm.model, settings, setup.path)
    reporters = Reporters.of(job, settings, output)
    loop = Loop(setup.lessons, setup.held_out, stepper, settings, total, output.path / LOG, job.tell, reporters)
    begun = time.monotonic()
    with checkpointing(lm.model, settings.gradient_checkpointing):
        loop.run(output, last, lm.model)
    seconds = time.monotonic() - begun
    if not here().main:
        return FINISHED

    from ..card import publish
    from .card import NOTE, possibility_facts, possibility_rows

    known = possibility_facts(job, file, setup, loop, seconds)
    _manifest(settings, stop).write(output.path)
    publish(output, lm.model, known, possibility_rows(known), NOTE, keep=False)
    job.tell.note(f"adapter in {output.path}")
    return Report(f"Trained with {job.method}", list(known["result"].items()))


def _identity(job: PossibilityJob, file: GroupFile, stop: StopWords, setup: Setup, total: int) -> dict[str, Any]:
    """Everything that the final weights depend on, and the log."""
    return {
        "method": job.method,
        "model": job.model,
        "adapter": job.loading.adapter,
        "dtype": setup.dtype,
        "groups_sha256": file.sha256,
        "stopwords_sha256": stop.sha256,
        "steps": total,
        **here().identity(),
        **{key: value for key, value in asdict(setup.settings).items() if key not in ("stopwords", "save_steps")},
    }


def _manifest(settings: FullPossibilitySettings, stop: StopWords) -> Manifest:
    return Manifest(
        template=settings.number_prompt,
        pool=settings.max_number,
        k=settings.k,
        scheme=settings.number_scheme,
        arm=settings.arm,
        ul_weight=settings.ul_weight,
        stopwords_sha256=stop.sha256,
        version=__version__,
    )
