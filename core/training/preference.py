"""Training on preference pairs: checked, audited, turned into token ids, trained, written with log and card.

Free of torch until the pairs have been read and audited.
"""

from __future__ import annotations

import logging
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..catalog import METHODS, get
from ..errors import DivtoolError, require_extra
from ..jsonl import RowReader
from ..models.names import check_adapter, check_model_name
from ..records import check_pair
from .job import LOG, OutputFolder, Report, TrainJob
from .pairs import Lengths, PairFile, dataset, spooled

if TYPE_CHECKING:
    from .settings import FullSettings


def train(job: TrainJob) -> Report:
    """Train an adapter on preference pairs.

    Args:
        job: What to train, on what, how.

    Returns:
        What the run came to: for people to read.

    Raises:
        InputError: A bad pair; nothing has been loaded yet.
        DivtoolError: The audit failed, or the output folder, model or adapter cannot be used.
        KeyboardInterrupt: The run was interrupted; what is needed to go on has been written.
    """
    check_model_name("model", job.model)
    if job.loading.adapter:
        check_adapter(job.loading.adapter)
    output = None if job.output is None or job.dry_run else OutputFolder(job.output, resume=job.resume)
    if output is not None and output.finished:
        job.tell.note(f"{output.path}: finished already; nothing is left to do")
        return Report("Finished already", [])
    reader = RowReader(job.source, check_pair, skip_bad=job.skip_bad)
    with tempfile.TemporaryDirectory(prefix="divtool-") as scratch:
        pairs = spooled(reader, Path(scratch))
        _examine(job, pairs)
        for module in ("torch", "peft", "trl", "datasets"):
            require_extra(module, "train")
        with _quiet():
            if output is None:
                from .plan import plan

                return plan(job, pairs)
            return _trained(job, pairs, output, Path(scratch))


def _examine(job: TrainJob, pairs: PairFile) -> None:
    """What can be said of the pairs without a model."""
    if pairs.skipped:
        job.tell.warn(f"{pairs.name}: {pairs.skipped} bad lines left out, {pairs.count} read")
    if pairs.weighted and not job.settings.weighted:
        job.tell.warn(
            f"{pairs.weighted} of {pairs.count} pairs have a weight other than 1, which {job.method} leaves out: every "
            "pair counts once (weights are for the methods ddpo and dorpo)"
        )
    if not get("method", METHODS, job.method, "train").load().training.audited or job.audit == "off":
        return
    from ..selection.audit import AuditRules, audit_pair_records

    # The tolerance that the pairs were selected with is not known here; the limits on their mean and sign are.
    audit = audit_pair_records(pairs, AuditRules(tolerance=None))
    if audit.verdict == "fail" and job.audit == "fail":
        raise DivtoolError(f"{pairs.name}: {audit.message}; --audit warn trains on them all the same")
    if audit.verdict == "pass":
        job.tell.note(f"length audit passed ({pairs.count:,} pairs)")
    else:
        job.tell.warn(audit.message)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' bars and notices off the streams; ours say what a user can act on."""
    for name in ("trl", "peft", "accelerate", "datasets", "bitsandbytes"):
        logging.getLogger(name).setLevel(logging.ERROR)
    import datasets

    from ..models.language import quiet_libraries

    quiet_libraries()
    datasets.disable_progress_bars()
    with warnings.catch_warnings():
        # Names that transformers is about to change, used by TRL.
        warnings.filterwarnings("ignore", category=FutureWarning, module="(transformers|trl|peft)")
        yield


def _trained(job: TrainJob, pairs: PairFile, output: OutputFolder, scratch: Path) -> Report:
    from .lora import load_student, with_adapter, with_shape_of
    from .trainer import PairTrainer, arguments

    student = load_student(job)
    settings = job.settings.filled(student.model.num_parameters(), student.device.type)
    model = with_adapter(student.model, settings)
    settings = with_shape_of(model, settings)
    rows, lengths = dataset(pairs, student.tokenizer, settings.max_length, scratch)
    total = settings.total_steps(len(lengths))
    _say_what(job, lengths, settings, total)
    last = output.begin(_identity(job, pairs, settings, total))
    args = arguments(settings, output.work, total, model.dtype, student.device)
    trainer = PairTrainer(model, student.tokenizer, rows, args, settings)
    with job.tell.progress(len(lengths), "pairs, reference") as tick:
        reference = trainer.attach_reference(output.work / "reference.safetensors", tick)
    from .log import report_start

    start = report_start(pairs, lengths, reference, job.model, job.tell)
    seconds = _run(job, trainer, output, last, total)
    return _finished(job, trainer, pairs, lengths, settings, output, start | {"seconds": seconds})


def _say_what(job: TrainJob, lengths: Lengths, settings: FullSettings, total: int) -> None:
    if lengths.dropped:
        job.tell.warn(
            f"{lengths.dropped} pairs left out, longer than --max-length {settings.max_length} tokens "
            f"(the longest has {lengths.longest_dropped})"
        )
    step = min(len(lengths), settings.batch_size * settings.grad_accum)
    job.tell.note(
        f"{len(lengths):,} pairs, {total:,} steps of up to {step} pairs, learning rate {settings.learning_rate:g}"
    )


def _identity(job: TrainJob, pairs: PairFile, settings: FullSettings, total: int) -> dict[str, Any]:
    """Everything that the final weights depend on."""
    chosen: Mapping[str, Any] = {key: value for key, value in asdict(settings).items() if key != "save_steps"}
    return {
        "method": job.method,
        "model": job.model,
        "adapter": job.loading.adapter,
        "dtype": job.loading.dtype,
        "pairs_sha256": pairs.sha256,
        "steps": total,
        **chosen,
    }


def _run(job: TrainJob, trainer: Any, output: OutputFolder, last: Path | None, total: int) -> float:
    """The steps; the answer is how many seconds they took.

    Raises:
        KeyboardInterrupt: Ctrl-C; the last checkpoint is whole.
    """
    from .log import StopOnInterrupt, TrainingLog

    begun_at = int(last.name.rpartition("-")[2]) if last else 0
    if begun_at:
        job.tell.note(f"going on from step {begun_at} of {total}")
    stop = StopOnInterrupt(job.tell)
    clock = time.monotonic()
    with job.tell.progress(total, "steps") as tick, stop.listening():
        trainer.add_callback(TrainingLog(output.path / LOG, total, begun_at, job.tell, tick))
        trainer.add_callback(stop)
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    done = trainer.state.global_step
    if stop.heard and done < total:
        job.tell.note(f"stopped after step {done} of {total}; the same command with --resume goes on")
        raise KeyboardInterrupt
    return time.monotonic() - clock


def _finished(
    job: TrainJob,
    trainer: Any,
    pairs: PairFile,
    lengths: Lengths,
    settings: FullSettings,
    output: OutputFolder,
    measured: dict[str, float],
) -> Report:
    """Write the adapter, its card and its data, the data last: it marks the folder as finished."""
    from .card import facts, write_card
    from .log import records
    from .lora import trainable_parameters

    lines = records(output.path / LOG)
    final = output.work / "final"
    trainer.model.save_pretrained(str(final))
    known = facts(job, pairs, lengths, settings, lines, measured | {"trainable": trainable_parameters(trainer.model)})
    write_card(final, known)
    output.move_in(final)
    output.mark_finished(known)
    output.finish(keep_checkpoints=settings.save_steps is not None)
    job.tell.note(f"adapter in {output.path}")
    result = known["result"]
    shown = ("steps", "loss_first", "loss_last", "margin_last", "accuracy_last", "tokens_per_second", "seconds")
    return Report(f"Trained with {job.method}", [("pairs", len(lengths)), *((name, result[name]) for name in shown)])
