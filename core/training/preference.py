"""Training on preference pairs, or on texts: checked, audited, encoded, trained, written with log and card.

Free of torch until the records have been read and audited.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..catalog import METHODS, get
from ..errors import DivtoolError, require_extra
from ..jsonl import RowReader
from ..records import check_pair
from .held_out import warn_of_overlap
from .job import FINISHED, LOG, OutputFolder, PairJob, Report, output_of
from .pairs import Lengths, PairFile, dataset, spooled
from .processes import here
from .quiet import quiet
from .texts import check_text, text_records
from .weights import look_at_weights

if TYPE_CHECKING:
    from .reporters import Reporters
    from .settings import FullSettings


def train(job: PairJob) -> Report:
    """Train an adapter on preference pairs, or, where the settings say so, on their chosen texts alone.

    Args:
        job: What to train, on what, how.

    Returns:
        What the run came to: for people to read.

    Raises:
        InputError: A bad record; nothing has been loaded yet.
        DivtoolError: The audit failed, or the output folder, model or adapter cannot be used.
        KeyboardInterrupt: The run was interrupted; what is needed to go on has been written.
    """
    processes = here()
    output = processes.agreed(lambda: output_of(job))
    if output is not None and output.finished:
        return FINISHED
    with tempfile.TemporaryDirectory(prefix="divtool-") as scratch:
        pairs = _read(job, Path(scratch))
        held_out = _held_out(job, pairs, Path(scratch))
        weights = _examine(job, pairs)
        for module in ("torch", "peft", "trl", "datasets"):
            require_extra(module, "train")
        with quiet():
            if output is None:
                from .plan import plan

                return plan(job, pairs)
            return _trained(job, pairs, held_out, weights, output)


def _read(job: PairJob, folder: Path) -> PairFile:
    if job.settings.kind == "sft":
        reader = RowReader(job.source, check_text, skip_bad=job.skip_bad)
        return spooled(reader, folder, parts=text_records)
    reader = RowReader(job.source, check_pair, skip_bad=job.skip_bad)
    return spooled(reader, folder, whole=job.settings.weighted)


def _examine(job: PairJob, pairs: PairFile) -> dict[str, Any] | None:
    """Say what can be said of the pairs without a model; the answer is what their weights look like."""
    if pairs.skipped:
        job.tell.warn(f"{pairs.name}: {pairs.skipped} bad lines left out, {pairs.count} read")
    weights = look_at_weights(job, pairs)
    if not get("method", METHODS, job.method, "train").load().training.audited or job.audit == "off":
        return weights
    from ..selection.audit import AuditRules, audit_pair_records, selected_unit

    # The tolerance that the pairs were selected with is not known here; the limits on their mean and sign are.
    audit = audit_pair_records(pairs, AuditRules(tolerance=None, unit=selected_unit(pairs)))
    if audit.verdict == "fail" and job.audit == "fail":
        raise DivtoolError(f"{pairs.name}: {audit.message}; --audit warn trains on them all the same")
    if audit.verdict == "pass":
        job.tell.note(f"length audit passed ({pairs.count:,} pairs)")
    else:
        job.tell.warn(audit.message)
    return weights


def _held_out(job: PairJob, pairs: PairFile, folder: Path) -> PairFile | None:
    if job.held_out is None:
        return None
    (folder / "held-out").mkdir()
    held_out = _read(replace(job, source=job.held_out), folder / "held-out")
    warn_of_overlap(pairs, held_out, job.tell)
    return held_out


def _trained(
    job: PairJob, pairs: PairFile, held_out: PairFile | None, weights: dict[str, Any] | None, output: OutputFolder
) -> Report:
    from .forms import settle, wants_packing
    from .log import records, report_start
    from .lora import adapter_values, load_student, trainable_parameters, with_adapter
    from .pair_card import pair_facts
    from .reporters import Reporters
    from .trainer import PairTrainer, adapter_weights, arguments

    processes = here()
    smoothing = processes.agreed(lambda: _smoothing(job, pairs))
    student = load_student(job)
    settings = job.settings.filled(student.model.num_parameters(), student.device.type, processes.size)
    model = with_adapter(student.model, settings)
    rows, lengths = dataset(pairs, student.tokenizer, settings.max_length, pairs.path.parent, smoothing)
    packed = wants_packing(settings, lengths, student.device.type)
    settings = replace(settings, **adapter_values(model), pack=packed)
    total = settings.total_steps(len(lengths), processes.size)
    _say_what(job, lengths, settings, total)
    identity = _identity(job, pairs, held_out, settings, total)
    processes.alike(identity)
    last = processes.agreed(lambda: output.begin(identity))
    experts = hasattr(model.config.get_text_config(), "output_router_logits")
    args = arguments(settings, output.work, total, model.dtype, student.device, experts=experts)
    trainer = PairTrainer(model, student.tokenizer, rows, args, settings)
    trainer.weight_scale = _weight_scale(settings, lengths)
    settle(trainer, job.settings, settings, lengths, job.tell)
    trainer.head, trainer.data_collator.packed = processes.agreed(lambda: (trainer.head, trainer.data_collator.packed))
    settings = replace(settings, head=trainer.head, pack=trainer.data_collator.packed)
    reference = _attached(job, trainer, lengths, held_out, output.work)
    start = report_start(pairs, lengths, reference, job.model, job.tell)
    trainable = trainable_parameters(model)  # Before they are spread over processes.
    start["seconds"] = _run(job, trainer, output, last, total, Reporters.of(job, settings, output))
    if not processes.main:
        adapter_weights(trainer)  # Each process holds a part, or may.
        return FINISHED
    start["trainable"] = trainable
    known = pair_facts(job, pairs, lengths, settings, records(output.path / LOG), start, weights)
    return _finished(job, trainer, output, known, settings.save_steps is not None)


def _attached(job: PairJob, trainer: Any, lengths: Lengths, held_out: PairFile | None, work: Path) -> Any:
    """Give the trainer what does not change over the run; the answer is the reference, where there is one."""
    settings = job.settings
    if held_out is not None:
        smoothing = [0.0] * held_out.count if settings.smoothing else None
        tokenizer = trainer.processing_class
        rows, kept = dataset(held_out, tokenizer, settings.max_length, held_out.path.parent, smoothing)
        _say_left_out(job, kept, f"{held_out.name}: ")
        trainer.attach_held_out(rows, work / "held-out.safetensors")
    if settings.kind != "dpo":
        return None
    with job.tell.progress(len(lengths), "pairs, reference") as tick:
        return trainer.attach_reference(work / "reference.safetensors", tick)


def _smoothing(job: PairJob, texts: PairFile) -> Sequence[float] | None:
    if job.settings.smoothing is None:
        return None
    from .uncertainty import loader, smoothing_amounts

    most = job.settings.smoothing_max
    embedder = loader(job.embedder, job.loading.device)
    return smoothing_amounts(texts, 0.1 if most is None else most, embedder, job.tell)


def _weight_scale(settings: FullSettings, lengths: Lengths) -> float:
    """What brings the mean weight to 1, or 1.

    Raises:
        DivtoolError: No pair that is left has a weight.
    """
    total = sum(lengths.weights)
    if settings.weighted and total == 0:
        raise DivtoolError("every pair that is short enough has the weight 0: nothing to learn; raise --max-length")
    return len(lengths) / total if settings.weight_norm == "mean" else 1.0


def _say_left_out(job: PairJob, lengths: Lengths, where: str = "") -> None:
    what = "texts" if job.settings.kind == "sft" else "pairs"
    if lengths.dropped:
        job.tell.warn(
            f"{where}{lengths.dropped} {what} left out, longer than --max-length {job.settings.max_length} tokens "
            f"(the longest has {lengths.longest_dropped})"
        )
    if lengths.empty:
        job.tell.warn(f"{where}{lengths.empty} {what} left out, without a token in the prompt or in a text")
    if lengths.alike:
        job.tell.warn(f"{where}{lengths.alike} {what} left out: chosen and rejected are the same text")


def _say_what(job: PairJob, lengths: Lengths, settings: FullSettings, total: int) -> None:
    what = "texts" if settings.kind == "sft" else "pairs"
    _say_left_out(job, lengths)
    step = min(len(lengths), settings.batch_size * settings.grad_accum * here().size)
    job.tell.note(
        f"{len(lengths):,} {what}, {total:,} steps of up to {step} {what}, learning rate {settings.learning_rate:g}"
    )


def _identity(
    job: PairJob, pairs: PairFile, held_out: PairFile | None, settings: FullSettings, total: int
) -> dict[str, Any]:
    """Everything that the final weights depend on, and the log."""
    chosen: Mapping[str, Any] = {key: value for key, value in asdict(settings).items() if key != "save_steps"}
    return {
        "method": job.method,
        "model": job.model,
        "adapter": job.loading.adapter,
        "dtype": job.loading.dtype,
        "embedder": job.embedder if settings.smoothing else None,
        "pairs_sha256": pairs.sha256,
        "held_out_sha256": held_out and held_out.sha256,
        "steps": total,
        **here().identity(),
        **chosen,
    }


def _run(
    job: PairJob, trainer: Any, output: OutputFolder, last: Path | None, total: int, reporters: Reporters
) -> float:
    """The steps; the answer is how many seconds they took.

    Raises:
        KeyboardInterrupt: Ctrl-C; the last checkpoint is whole.
    """
    from .log import MarkWhole, StopOnInterrupt, TrainingLog

    begun_at = int(last.name.rpartition("-")[2]) if last else 0
    if begun_at:
        job.tell.note(f"going on from step {begun_at} of {total}")
    stop = StopOnInterrupt(job.tell)
    clock = time.monotonic()
    processes = here()
    reporting = reporters.running(trainer.model, begun_at, total)
    with reporting, job.tell.progress(total, "steps") as tick, stop.listening():
        if processes.main:
            trainer.add_callback(TrainingLog(output.path / LOG, total, begun_at, job.tell, tick, reporters.step))
        trainer.add_callback(MarkWhole())
        trainer.add_callback(stop)
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    done = trainer.state.global_step
    if stop.stopped and done < total:
        job.tell.note(f"stopped after step {done} of {total}; the same command with --resume goes on")
        processes.barrier()
        raise KeyboardInterrupt
    return time.monotonic() - clock


def _finished(job: PairJob, trainer: Any, output: OutputFolder, known: dict[str, Any], keep: bool) -> Report:
    from .card import publish
    from .pair_card import NOTE, pair_rows
    from .trainer import adapter_weights

    weights = adapter_weights(trainer)
    publish(output, trainer.model, known, pair_rows(known), NOTE, keep=keep, weights=weights)
    job.tell.note(f"adapter in {output.path}")
    title = f"Trained with {job.method}"
    return Report(title, [(known["unit"], known["data"]["trained_on"]), *known["result"].items()])
