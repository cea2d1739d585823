"""`divtool eval`: measure models, or responses, against a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import UsageError
from . import console, measure_table
from . import eval_options as e
from . import options as o

if TYPE_CHECKING:
    from ..core.evaluation.sources import Lineup


def evaluate(
    responses: e.Responses = None,
    output: o.Output = "-",
    task: e.Task = "story",
    run: e.Run = None,
    model: e.Model = None,
    adapter: o.Adapter = None,
    baseline: e.Baseline = None,
    work: e.Work = None,
    preset: e.Preset = None,
    count: e.Count = None,
    samples: e.Samples = None,
    batch_size: e.BatchSize = 64,
    prompts: e.Prompts = None,
    prefill: e.Prefill = "auto",
    vectors: e.Vectors = None,
    vocabulary: e.Vocabulary = None,
    metrics: e.Metrics = None,
    tokenizer: o.Tokenizer = "word",
    mattr_window: o.MattrWindow = 50,
    truncate_words: e.TruncateWords = "auto",
    deciles: e.Deciles = None,
    cluster_cut: e.ClusterCut = 0.20,
    partition: e.Partition = "linkage",
    equivalence: e.Equivalence = None,
    quality_model: e.QualityModel = None,
    embedder: o.Embedder = "minilm",
    style_embedder: o.StyleEmbedder = None,
    embedding_cache: o.EmbeddingCache = True,
    dtype: o.Dtype = "auto",
    device: o.Device = "auto",
    four_bit: o.FourBit = None,
    trust_remote_code: o.TrustRemoteCode = False,
    adjust: e.Adjust = "holm",
    margin: e.Margin = None,
    fail_under: e.FailUnder = None,
    require: e.Require = None,
    junit: e.Junit = None,
    seed: o.Seed = 0,
    resume: o.Resume = False,
    on_error: o.OnError = "stop",
) -> None:
    """Measure diversity, length and quality, with intervals over prompts.

    Give FILE, or --model (and --adapter), or several --run. With --baseline, each is compared with it prompt by prompt.
    Writes measure records.
    """
    from ..core.catalog import TASKS, get, split_names
    from ..core.evaluation.call import failure, measure_all
    from ..core.evaluation.collect import Collector
    from ..core.evaluation.junit import check_writable
    from ..core.evaluation.plan import MeasurePlan, open_all, parse_margins
    from ..core.evaluation.runs import SamplePlan, get_preset
    from ..core.evaluation.task_options import TaskOptions
    from ..core.evaluation.thresholds import Demands
    from ..core.jsonl import RecordWriter, check_distinct
    from ..core.metrics.supplies import Sources
    from ..core.models.options import LoadOptions

    found = [get("task", TASKS, name, "eval").load() for name in split_names(task)]
    if not found:
        raise UsageError("no task named; see divtool tasks")
    lineup = _lineup(responses, model, adapter, run or [], baseline)
    for one in found:
        if preset is not None and one.presets:
            get_preset(one, preset)
    task_options = TaskOptions(vectors=vectors, vocabulary=vocabulary, prompts=prompts, prefill=prefill)
    task_options.check(found)
    loading = LoadOptions(dtype=dtype, device=device, four_bit=bool(four_bit), trust_remote_code=trust_remote_code)
    plans = [
        MeasurePlan.settled(
            one,
            split_names(metrics) if metrics is not None else None,
            Sources(
                embedder=embedder,
                style_embedder=style_embedder,
                loading=loading,
                embedding_cache=embedding_cache,
                equivalence=equivalence,
            ),
            quality_model=quality_model,
            tokenizer=tokenizer,
            settings={"cut": cluster_cut, "partition": partition, "window": mattr_window},
            deciles=deciles,
            truncate=_truncation(truncate_words),
            margins=parse_margins(margin or []),
            seed=seed,
        )
        for one in found
    ]
    known = {plan.task.name: plan.directions() for plan in plans}
    compared = lineup.baseline is not None
    demands = Demands.parse(fail_under or [], known, not_worse=require is not None, compared=compared)
    if plans[0].skipped:
        console.note("left out: " + "; ".join(f"{name} ({why})" for name, why in plans[0].skipped.items()))
    files = [
        name for name in (*(source.file for source in lineup.every), deciles, vectors, vocabulary, prompts) if name
    ]
    check_distinct(output, *files, *([junit] if junit else []))
    if junit is not None:
        check_distinct(junit, *files)
        check_writable(junit)
    if lineup.itself:
        console.warn("a run compared with itself")
    sampling = SamplePlan(
        preset=preset,
        prompts=count,
        samples=samples,
        seed=seed,
        batch_size=batch_size,
        prefill=prefill,
        prompt_file=prompts,
    )
    collector = Collector(
        tasks=found,
        lineup=lineup,
        plan=sampling,
        loading=loading,
        folder=work or Path("eval.work" if output == "-" else f"{output}.work"),
        resume=resume,
        skip_bad=on_error == "skip",
        announce=console.note,
        warn=console.warn,
        progress=lambda total: console.sampling_progress(total, "responses"),
    )
    collector.check()
    with RecordWriter(output) as writer:
        collection = collector.read()
        measurers = open_all(plans, console.note, task_options)
        collector.sample(collection)
        outcomes = measure_all(measurers, collection, adjust)
        records = [record for outcome in outcomes for record in outcome.records]
        checks = demands.check([source.name for source in lineup.runs], records)
        error = failure(outcomes)
        if error is not None and not records:
            _write_junit(junit, outcomes, checks)
            raise error
        for record in records:
            writer.write(record)
    measure_table.show([outcome.records for outcome in outcomes if outcome.records])
    _write_junit(junit, outcomes, checks)
    _end(error, checks)


def _lineup(
    file: str | None, model: str | None, adapter: str | None, runs: Sequence[str], baseline: str | None
) -> Lineup:
    """What the user named, in the order given.

    Raises:
        UsageError: Options that exclude each other.
    """
    from ..core.evaluation.sources import file_source, line_up, model_source, parse_source

    if file is not None and model is not None:
        raise UsageError("eval measures a FILE of responses or a --model, not both")
    if runs and (file is not None or model is not None):
        raise UsageError("with --run, give every run as a --run, also a FILE or a model")
    if adapter is not None and model is None:
        raise UsageError("--adapter needs a --model; with --run, write NAME=MODEL+ADAPTER")
    if runs:
        return line_up([parse_source(text) for text in runs], baseline)
    if model is not None:
        return line_up([model_source(model, adapter)], baseline)
    return line_up([file_source(o.source(file))], baseline)


def _write_junit(path: Path | None, outcomes: Any, checks: Any) -> None:
    if path is None:
        return
    from ..core.evaluation.junit import write_junit

    write_junit(path, outcomes, checks)
    console.note(f"wrote {path}")


def _end(error: Exception | None, checks: Any) -> None:
    """End with what went wrong, else with what was missed, else well.

    Raises:
        ThresholdMissed: A bound of the user was missed.
    """
    from ..core.errors import ThresholdMissed
    from ..core.evaluation.thresholds import missed

    if error is not None:
        raise error
    if text := missed(checks):
        raise ThresholdMissed(text)


def _truncation(text: str) -> int | Literal["auto", "none"]:
    """How many words truncated texts keep.

    Raises:
        UsageError: Neither a number of 1 or more, nor auto or none.
    """
    if text in ("auto", "none"):
        return "auto" if text == "auto" else "none"
    if not (text.isascii() and text.isdecimal() and int(text) >= 1):
        raise UsageError(f"--truncate-words {text}: give a number of 1 or more, auto or none")
    return int(text)
