"""`divtool eval`: measure a model, or responses, against a baseline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..core.errors import UsageError
from . import console, measure_table
from . import options as o

if TYPE_CHECKING:
    from ..core.evaluation.runs import Run

_WHAT = "What to compute"
_SAMPLING = "Sampling a model"


def evaluate(
    responses: Annotated[
        str | None, typer.Argument(help="Response records to measure, instead of a model.", metavar="FILE")
    ] = None,
    output: o.Output = "-",
    task: Annotated[str, typer.Option("--task", help="What to measure; see divtool tasks.")] = "story",
    model: Annotated[
        str | None,
        typer.Option("--model", help="Model to sample: alias, folder, .gguf file or hub id.", metavar="NAME"),
    ] = None,
    adapter: o.Adapter = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline", help="File of responses, or MODEL or MODEL+ADAPTER, to compare with.", metavar="FILE|MODEL"
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
    seed: o.Seed = 0,
    resume: o.Resume = False,
) -> None:
    """Measure diversity, length and quality, with intervals over prompts.

    Give FILE, or --model (and --adapter). With --baseline, both are compared prompt by prompt. Writes measure records.
    """
    from ..core.catalog import TASKS, get, split_names
    from ..core.evaluation.plan import MeasurePlan
    from ..core.evaluation.runs import SamplePlan, get_preset, read_run
    from ..core.jsonl import RecordWriter, check_distinct
    from ..core.metrics.supplies import Sources
    from ..core.models.options import LoadOptions

    found = get("task", TASKS, task, "eval").load()
    if responses is not None and model is not None:
        raise UsageError("eval measures a FILE of responses or a --model, not both")
    if model is not None:
        found.prompts()
    if preset is not None:
        get_preset(found, preset)
    loading = LoadOptions(dtype=dtype, device=device, four_bit=bool(four_bit), trust_remote_code=trust_remote_code)
    plan = MeasurePlan.settled(
        found,
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
        seed=seed,
    )
    if plan.skipped:
        console.note("left out: " + "; ".join(f"{name} ({why})" for name, why in plan.skipped.items()))
    file = o.source(responses) if model is None else None
    check_distinct(output, *(name for name in (file, baseline, deciles) if name))
    sampling = SamplePlan(preset=preset, prompts=count, samples=samples, seed=seed, batch_size=batch_size)
    folder = work or Path("eval.work" if output == "-" else f"{output}.work")
    source = Source(found, sampling, loading, folder, resume)
    with RecordWriter(output) as writer:
        measurer = plan.open(console.note)
        run = read_run(file, file) if file else source.sample("run", str(model), adapter)
        base = source.baseline(baseline) if baseline else None
        runs = [run] if base is None else [run, base]
        records = measurer.measure(runs, base)
        for record in records:
            writer.write(record)
    measure_table.show(records)


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


class Source:
    """Makes runs: a model is sampled into the work folder."""

    def __init__(self, task: Any, plan: Any, loading: Any, folder: Path, resume: bool) -> None:
        self._task, self._plan, self._loading = task, plan, loading
        self._folder, self._resume = folder, resume

    def baseline(self, name: str) -> Run:
        """The run of a file, or of MODEL or MODEL+ADAPTER."""
        from ..core.evaluation.runs import read_run

        path = Path(name)
        if path.suffix != ".gguf" and (path.is_file() or ".jsonl" in path.suffixes):
            return read_run(name, name)
        model, _, adapter = name.partition("+")
        return self.sample("baseline", model, adapter or None)

    def sample(self, role: str, model: str, adapter: str | None) -> Run:
        """The run of a model, drawn into the work folder."""
        from dataclasses import replace

        from ..core.evaluation.runs import sample_run

        self._task.prompts()
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self._task.name}.{role}.jsonl"
        name = f"{model}+{adapter}" if adapter else model
        console.note(f"sampling {name} into {path}")
        with console.sampling_progress(None, "runs") as (on_tokens, on_done):
            run = sample_run(
                name,
                model,
                replace(self._loading, adapter=adapter),
                self._task,
                self._plan,
                path,
                resume=self._resume,
                announce=console.note,
                on_tokens=on_tokens,
            )
            on_done(1)
        return run
