"""`divtool eval`: measure models, or responses, against a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..core.errors import UsageError
from . import console, measure_table
from . import options as o

if TYPE_CHECKING:
    from ..core.evaluation.sources import Lineup

_WHAT = "What to compute"
_SAMPLING = "Sampling a model"
_CHECKS = "Statistics and checks"


def evaluate(
    responses: Annotated[
        str | None, typer.Argument(help="Response records to measure, instead of a model.", metavar="FILE")
    ] = None,
    output: o.Output = "-",
    task: Annotated[
        str, typer.Option("--task", help="What to measure, by commas; see divtool tasks.", metavar="A,B,...")
    ] = "story",
    run: Annotated[
        list[str] | None,
        typer.Option(
            "--run",
            help="One of several runs, repeatable: NAME=FILE, NAME=MODEL, NAME=MODEL+ADAPTER; "
            "a model may end in @temperature=0.5,top_p=0.9.",
            metavar="NAME=...",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="Model to sample: alias, folder, .gguf file or hub id.", metavar="NAME"),
    ] = None,
    adapter: o.Adapter = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            help="What to compare with: the NAME of a run, or as behind --run.",
            metavar="NAME|FILE|MODEL",
        ),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option("--work", help="Where sampled responses are kept (output name + .work).", metavar="DIR"),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option("--preset", help="quick (models under 500 M), standard, paper.", rich_help_panel=_SAMPLING),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("--count", min=1, help="Prompts, instead of the preset's number.", rich_help_panel=_SAMPLING),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option("-n", "--samples", min=2, help="Responses a prompt, likewise.", rich_help_panel=_SAMPLING),
    ] = None,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, help="Responses drawn together.", rich_help_panel=_SAMPLING)
    ] = 64,
    prompts: Annotated[
        Path | None,
        typer.Option(
            "--prompts",
            help="Prompts to ask, for a task without a set of its own (novelty-bench).",
            metavar="FILE",
            rich_help_panel=_SAMPLING,
        ),
    ] = None,
    prefill: Annotated[
        Literal["auto", "on", "off"],
        typer.Option(
            "--prefill",
            help="Begin answers as the task says, such as 1. for a list; auto: in the preset quick.",
            rich_help_panel=_SAMPLING,
        ),
    ] = "auto",
    vectors: Annotated[
        Path | None,
        typer.Option(
            "--vectors",
            help="Word vectors of dat, a word and its numbers a line; .gz and .zst too.",
            metavar="FILE",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    vocabulary: Annotated[
        Path | None,
        typer.Option(
            "--vocab", help="Words of --vectors that count, one a line.", metavar="FILE", rich_help_panel=_WHAT
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics",
            help="Instead of the task's: names by commas, or all; see divtool metrics.",
            metavar="A,B,...",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    tokenizer: o.Tokenizer = "word",
    mattr_window: o.MattrWindow = 50,
    truncate_words: Annotated[
        str,
        typer.Option(
            "--truncate-words",
            help="Words of each text that _trunc rows keep (auto: 10th percentile of lengths); none: no such rows.",
            metavar="L|auto|none",
            rich_help_panel=_WHAT,
        ),
    ] = "auto",
    deciles: Annotated[
        Path | None,
        typer.Option(
            "--deciles",
            help="Add Diversity Deciles among texts of equal length, from a map of score --save-deciles.",
            metavar="FILE",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    cluster_cut: Annotated[
        float,
        typer.Option(
            "--cluster-cut",
            min=0.0,
            max=2.0,
            help="Cosine distance up to which texts are alike; 0.20 suits minilm.",
            rich_help_panel=_WHAT,
        ),
    ] = 0.20,
    partition: Annotated[
        Literal["linkage", "greedy"],
        typer.Option(
            "--partition",
            help="Classes of distinct_k_nb and utility_k; greedy depends on order.",
            rich_help_panel=_WHAT,
        ),
    ] = "linkage",
    equivalence: Annotated[
        str | None,
        typer.Option(
            "--equivalence",
            help="Pair classifier that says which texts are one answer, instead of the cut.",
            metavar="NAME",
            rich_help_panel=o.MODEL,
        ),
    ] = None,
    quality_model: Annotated[
        str | None,
        typer.Option(
            "--quality-model",
            help="Language model of avgout_dullness and perplexity.",
            metavar="NAME",
            rich_help_panel=o.MODEL,
        ),
    ] = None,
    embedder: o.Embedder = "minilm",
    style_embedder: o.StyleEmbedder = None,
    embedding_cache: o.EmbeddingCache = True,
    dtype: o.Dtype = "auto",
    device: o.Device = "auto",
    four_bit: o.FourBit = None,
    trust_remote_code: o.TrustRemoteCode = False,
    adjust: Annotated[
        Literal["holm", "bh"],
        typer.Option(
            "--adjust",
            help="Correction over the headline rows of all tasks and runs: Holm, or Benjamini-Hochberg.",
            rich_help_panel=_CHECKS,
        ),
    ] = "holm",
    margin: Annotated[
        list[str] | None,
        typer.Option(
            "--margin",
            help="Largest loss of a quality measure that counts as none, repeatable: usable_rate=0.02.",
            metavar="NAME=VALUE",
            rich_help_panel=_CHECKS,
        ),
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-under",
            help="Bound that every run must meet, else exit 3; repeatable. FIELD: value, ci_low, delta, "
            "delta_ci_low (ci_high and delta_ci_high where lower is more diverse).",
            metavar="TASK.METRIC[.FIELD]=VALUE",
            rich_help_panel=_CHECKS,
        ),
    ] = None,
    require: Annotated[
        Literal["not-worse"] | None,
        typer.Option(
            "--require",
            help="Exit 3 unless the quality of every run is shown to be not worse.",
            rich_help_panel=_CHECKS,
        ),
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option(
            "--junit",
            help="Write bounds and quality verdicts as JUnit XML.",
            metavar="FILE",
            rich_help_panel=_CHECKS,
        ),
    ] = None,
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
