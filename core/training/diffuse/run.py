"""`train --method diffuse`: targets to an adapter. Free of torch until the targets have been read."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import orjson

from ...errors import UsageError, require_extra
from ...jsonl import STDIN_NAME
from ...output import replacing
from ...targets.builtin import builtin_targets
from ...targets.read import read_targets
from ..job import FINISHED, LOG, OutputFolder, Report, TrainJob, output_of
from ..processes import here
from ..quiet import quiet
from .settings import DiffuseSettings

if TYPE_CHECKING:
    from ...targets.target import Target
    from ..capability import Capability
    from .loop import Loop
    from .setup import Setup

DiffuseJob = TrainJob[DiffuseSettings]
ANCHORS = "anchors.jsonl"


@dataclass(frozen=True, slots=True)
class TargetFile:
    """The targets of a run.

    Attributes:
        targets: They.
        name: Where they came from.
        sha256: Hash of what they say, the same for a file and for the built-in targets that it was exported from.
    """

    targets: Sequence[Target]
    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A run whose last step was taken.

    Attributes:
        loop: Its passes.
        reason: Why they ended.
        seconds: How long they took.
        before: What the base could do.
    """

    loop: Loop
    reason: str
    seconds: float
    before: Capability


def train(job: DiffuseJob) -> Report:
    """Train an adapter to target distributions.

    Args:
        job: What to train, on what, how.

    Returns:
        What the run came to: for people to read.

    Raises:
        UsageError: Built-in targets and a file together, or a name that does not exist.
        InputError: A target that cannot be used.
        DivtoolError: The output folder, model or adapter cannot be used, or a step failed.
        ThresholdMissed: The perplexity of given texts rose above the user's bound; the adapter has been written.
        KeyboardInterrupt: The run was interrupted; what is needed to go on has been written.
    """
    processes = here()
    processes.whole_models(job.method)
    output = processes.agreed(lambda: output_of(job))
    if output is not None and output.finished:
        return FINISHED
    file = _read(job)
    for module in ("torch", "peft", "datasets"):
        require_extra(module, "train")
    with quiet():
        from .setup import prepare

        setup = prepare(job, file.targets)
        if output is None:
            from .plan import plan

            return plan(job, setup)
        return _trained(job, file, setup, output)


def _read(job: DiffuseJob) -> TargetFile:
    names = job.settings.builtin
    if names is None:
        targets = read_targets(job.source, skip_bad=job.skip_bad, warn=job.tell.warn)
        name = STDIN_NAME if job.source == "-" else job.source
    elif job.source:
        raise UsageError(f"{job.source} and --builtin {names}: train on one of them")
    else:
        targets, name = builtin_targets(names, job.settings.hold_out or ""), f"built-in {names}"
    content = [{**asdict(target), "where": ""} for target in targets]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return TargetFile(targets, name, digest)


def _trained(job: DiffuseJob, file: TargetFile, setup: Setup, output: OutputFolder) -> Report:
    from ..reporters import Reporters
    from ..state import checkpointing
    from .anchor import Anchor, anchor_texts, base_of
    from .loop import Loop
    from .stepper import Stepper

    settings, lm = setup.settings, setup.lm
    total = settings.total_steps(len(setup.lessons))
    job.tell.note(f"{len(setup.lessons)} prompts, at most {total:,} steps, learning rate {settings.learning_rate:g}")
    processes = here()
    identity = _identity(job, file, setup, total)
    processes.alike(identity)
    last = processes.agreed(lambda: output.begin(identity))
    with base_of(lm.model):
        before = processes.agreed(lambda: _measured(output, setup))
    anchor = None
    if settings.anchor:
        texts = processes.agreed(lambda: anchor_texts(lm, output.path / ANCHORS, settings.seed))
        anchor = Anchor(lm, texts, setup.end)
    stepper = Stepper(lm, settings, setup.checked, anchor, job.tell.warn)
    reporters = Reporters.of(job, settings, output)
    loop = Loop(setup.lessons, stepper, settings, total, output.path / LOG, job.tell, reporters)
    begun = time.monotonic()
    with checkpointing(lm.model, settings.gradient_checkpointing):
        reason = loop.run(output, last, lm.model)
    seconds = time.monotonic() - begun
    return _finished(job, file, setup, output, Ended(loop, reason, seconds, before))


def _identity(job: DiffuseJob, file: TargetFile, setup: Setup, total: int) -> dict[str, Any]:
    """Everything that the final weights depend on, and the log."""
    return {
        "method": job.method,
        "model": job.model,
        "adapter": job.loading.adapter,
        "dtype": setup.dtype,
        "targets_sha256": file.sha256,
        "steps": total,
        **here().identity(),
        **{key: value for key, value in asdict(setup.settings).items() if key != "max_ppl_ratio"},
    }


def _measured(output: OutputFolder, setup: Setup) -> Capability:
    """What the base can do, measured once a run."""
    from ..capability import Capability, capability

    stored = output.work / "capability.json"
    if stored.is_file():
        return Capability(**orjson.loads(stored.read_bytes()))
    found = capability(setup.lm, setup.settings.seed)
    with replacing(stored) as temporary:
        temporary.write_bytes(orjson.dumps(asdict(found)))
    return found


def _finished(job: DiffuseJob, file: TargetFile, setup: Setup, output: OutputFolder, ended: Ended) -> Report:
    """Measure, write, and say what came of it."""
    from ..capability import Change, capability
    from ..card import publish
    from .card import NOTE, diffuse_facts, diffuse_rows

    fits = ended.loop.finals()
    if not here().main:
        return FINISHED
    change = Change(ended.before, capability(setup.lm, setup.settings.seed))
    job.tell.note(f"ended after pass {ended.loop.passes}, step {ended.loop.steps}: {ended.reason}")
    job.tell.table("What the training cost", ("", "base", "trained", "change"), change.rows())
    for line in change.warnings():
        job.tell.warn(line)
    known = diffuse_facts(job, file, setup, ended, fits, change)
    publish(output, setup.lm.model, known, diffuse_rows(known), NOTE, keep=False)
    job.tell.note(f"adapter in {output.path}")
    change.check(setup.settings.max_ppl_ratio)
    return Report(f"Trained with {job.method}", list(known["result"].items()))
