"""`divtool select`: scored responses to preference pairs, weighted or not, to groups, and to subsets of either."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..core.errors import DivtoolError, UsageError
from . import console
from . import engine_options as e
from . import options as o
from . import select_options as s
from .funnel_table import show_funnel
from .pair_audit import show_audit
from .select_cluster import ClusterInput
from .select_input import Input

if TYPE_CHECKING:
    from ..core.selection.formats import PairWriter
    from ..core.selection.job import Selected

# Options of every method; the others belong to the methods whose class of options has a field of their name.
_COMMON = {"scored", "output", "method", "report", "audit", "form", "seed", "regroup", "on_error", *e.NAMES}


def select(
    context: typer.Context,
    scored: o.Input = None,
    output: o.Output = "-",
    method: s.MethodName = "diverse-ns-lite",
    pairs: s.Pairs = None,
    per_prompt: s.PerPrompt = None,
    report: s.Report = None,
    audit: s.Audit = "fail",
    form: s.Format = "divtool",
    pairing: s.Pairing = None,
    quality_metric: s.QualityMetric = None,
    shuffle_labels: s.ShuffleLabels = None,
    tokenizer: s.Tokenizer = None,
    seed: o.Seed = 0,
    regroup: o.Regroup = False,
    on_error: o.OnError = "stop",
    length_tolerance: s.LengthTolerance = None,
    length_unit: s.LengthUnit = None,
    length_relative: s.LengthRelative = None,
    balance: s.Balance = None,
    min_words: s.MinWords = None,
    diversity: s.Diversity = None,
    quality_eps: s.QualityEps = None,
    quality_floor: s.QualityFloor = None,
    orientation: s.Orientation = None,
    base: s.Base = None,
    clean: s.Clean = None,
    min_gap: s.MinGap = None,
    quality_gap: s.QualityGap = None,
    min_margin: s.MinMargin = None,
    weights: s.Weights = None,
    signals: s.Signals = None,
    combine: s.Combine = None,
    raw_weights: s.RawWeights = None,
    contrast: s.Contrast = None,
    min_weight: s.MinWeight = None,
    pool: s.PoolChoice = None,
    rho: s.Rho = None,
    rho_mode: s.RhoMode = None,
    preset: s.Preset = None,
    criterion: s.Criterion = None,
    attribute: s.Attribute = None,
    within_set: s.WithinSet = None,
    allow_ties: s.AllowTies = None,
    judge: o.JudgeUrl = None,
    judge_model: o.JudgeModel = None,
    judge_key_env: o.JudgeKeyEnv = None,
    judge_max_calls: o.JudgeMaxCalls = None,
    k: s.K = None,
    min_k: s.MinK = None,
    pick: s.Pick = None,
    input_format: s.InputFormat = None,
    quality_key: s.QualityKey = None,
    space: s.Space = None,
    scope: s.Scope = None,
    init: s.Init = None,
    norm: s.Norm = None,
    keep: s.Keep = None,
    tail: s.Tail = None,
    embedder: s.Embedder = None,
    style_embedder: s.StyleEmbedder = None,
    embedding_cache: s.EmbeddingCache = None,
    model: s.Model = None,
    adapter: s.Adapter = None,
    dtype: s.Dtype = None,
    device: s.Device = None,
    four_bit: s.FourBit = None,
    trust_remote_code: s.TrustRemoteCode = None,
    engine: e.Engine = "local",
    ray_address: e.RayAddress = None,
    ray_workers: e.RayWorkers = None,
    worker_cpus: e.WorkerCpus = None,
    worker_gpus: e.WorkerGpus = None,
    shard_size: e.ShardSize = None,
    scratch: e.Scratch = None,
    resume: e.ResumeShards = False,
) -> None:
    """Choose preference pairs, and audit them; or choose among responses or pairs.

    Reads scored responses and writes pairs that TRL's trainers read as they are, or other trainers with --format;
    deviation also weighs the pairs of a file. k-center writes responses, possibility groups of them, and reference-gap
    reads pairs. Pairs are written once the audit has passed.
    """
    from importlib import import_module

    from ..core.catalog import METHODS, get
    from ..core.output import check_distinct
    from ..core.selection.formats import PairWriter, pair_writer
    from ..core.selection.job import SelectJob
    from ..core.selection.spreading import check_spreads

    recipe = get("method", METHODS, method, "select").load().selection
    options = _options(context, method, recipe)
    _check_folder(report)
    source = o.source(scored)
    check_distinct(output, source)
    if report is not None:
        check_distinct(report, source, output)
    reading: Input | ClusterInput = Input(source, on_error, regroup)
    if e.on_cluster(context):
        check_spreads(method, options)
        reading = ClusterInput(context, source, output, hasattr(options, "embedder"))
    elif resume:
        raise UsageError("--resume goes with --engine ray: a run on one machine has nothing to go on from")
    module, _, runner = recipe.runner.partition(":")
    run = getattr(import_module(f"..core.{module}", __package__), runner)
    with pair_writer(output, form) as writer:
        job = SelectJob(
            method=method,
            options=options,
            rows=reading.rows,
            first=reading.first,
            writer=writer,
            audit=audit,
            note=console.note,
        )
        selected: Selected = run(job)
        reading.close()
        _show(selected)
        if report is not None:
            write_report(report, {**selected.report, "input_sha256": reading.sha256})
        if selected.failure is not None:
            raise DivtoolError(selected.failure)
        if isinstance(writer, PairWriter):
            _show_format(writer)


def _options(context: typer.Context, method: str, recipe: Any) -> Any:
    """What the user set, as the method's class of options.

    Raises:
        UsageError: An option of another method, or a value that makes no sense.
    """
    from ..core.catalog import split_names

    given = {name: value for name, value in context.params.items() if _is_given(context, name)}
    kind, known = _class_of(recipe)
    for name in given.keys() - _COMMON - known:
        takers = [other for other, fields in _takers() if name in fields]
        raise UsageError(f"{_flag(context, name)} is no option of --method {method}; it belongs to {', '.join(takers)}")
    for name in given.keys() & {"audit", "form"}:
        if not recipe.audited:
            raise UsageError(f"{_flag(context, name)} is no option of --method {method}, which makes no pairs")
    if "diversity" in given:
        given["diversity"] = tuple(split_names(given["diversity"]))
    return kind(**{name: value for name, value in given.items() if name in known})


def _flag(context: typer.Context, name: str) -> str:
    """The option as a user types it."""
    return str(next(parameter.opts[0] for parameter in context.command.params if parameter.name == name))


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _class_of(recipe: Any) -> tuple[Any, set[str]]:
    """The class of a method's options, and their names."""
    from dataclasses import fields
    from importlib import import_module

    module, _, attribute = recipe.options.partition(":")
    kind = getattr(import_module(f"..core.{module}", __package__), attribute)
    return kind, {field.name for field in fields(kind)}


def _takers() -> Iterable[tuple[str, set[str]]]:
    """Each method of `select` with the names of its options."""
    from ..core.catalog import METHODS, names

    for name in names(METHODS, "select"):
        yield name, _class_of(METHODS[name].load().selection)[1]


def _check_folder(report: Path | None) -> None:
    """Refuse a report that could not be written, before the work."""
    if report is not None and not report.absolute().parent.is_dir():
        raise UsageError(f"--report {report}: the folder {report.parent} does not exist")


def write_report(path: Path, content: dict[str, object]) -> None:
    """Write the report as one JSON object, whole or not at all."""
    import orjson

    from ..core.output import replacing
    from ..core.provenance import account

    made = account(console.command_line())
    with replacing(path) as scratch:
        scratch.write_bytes(orjson.dumps({**content, **made}, option=orjson.OPT_INDENT_2))


def _show(selected: Selected) -> None:
    show_funnel(selected.stages)
    for table in selected.tables:
        console.table(*table)
    if selected.audit is not None:
        show_audit(selected.audit)
    for line in selected.notes:
        console.note(line)
    for line in selected.warnings:
        console.warn(line)
    # A failed audit that ends the run is the error line; one that was waved through must still be heard.
    if selected.failure is None and selected.audit is not None and selected.audit.verdict != "pass":
        console.warn(selected.audit.message)


def _show_format(writer: PairWriter) -> None:
    warnings, lines = writer.conclude()
    for warning in warnings:
        console.warn(warning)
    for where in lines[:1]:
        console.note(where)
    console.paste(lines[1:])
