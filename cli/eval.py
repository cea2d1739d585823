"""`divtool eval`: measure a model, or responses, against a baseline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.errors import UsageError
from . import console
from . import options as o

if TYPE_CHECKING:
    from ..core.evaluation.runs import Run

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
    embedder: o.Embedder = "minilm",
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
    from ..core.catalog import TASKS, get
    from ..core.evaluation.measure import Measurer
    from ..core.evaluation.runs import SamplePlan, get_preset, read_run
    from ..core.jsonl import RecordWriter, check_distinct
    from ..core.metrics.scoring import open_embedder
    from ..core.models.options import LoadOptions

    found = get("task", TASKS, task, "eval").load()
    if responses is not None and model is not None:
        raise UsageError("eval measures a FILE of responses or a --model, not both")
    file = o.source(responses) if model is None else None
    check_distinct(output, *(name for name in (file, baseline) if name))
    if preset is not None:
        get_preset(found, preset)
    loading = LoadOptions(dtype=dtype, device=device, four_bit=bool(four_bit), trust_remote_code=trust_remote_code)
    plan = SamplePlan(preset=preset, prompts=count, samples=samples, seed=seed, batch_size=batch_size)
    folder = work or Path("eval.work" if output == "-" else f"{output}.work")
    source = Source(found, plan, loading, folder, resume)
    with RecordWriter(output) as writer:
        run = read_run(file, file) if file else source.sample("run", str(model), adapter)
        base = source.baseline(baseline) if baseline else None
        encoder = open_embedder(embedder, device, console.note)
        runs = [run] if base is None else [run, base]
        records = Measurer(found, encoder.encode, embedder, seed).measure(runs, base)
        for record in records:
            writer.write(record)
    _show(records)


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


def _show(records: list[dict[str, Any]]) -> None:
    compared = [record for record in records if "delta" in record]
    if compared:
        _show_comparison(compared)
    else:
        rows = [(r["metric"], r["value"], _interval(r, ""), r["direction"]) for r in records]
        title = f"{records[0]['task']}: {records[0]['run']}"
        console.table(title, ("metric", "value", "95 % interval", "direction"), rows)
    for note in dict.fromkeys(record["note"] for record in records if record["note"]):
        console.note(note)


def _show_comparison(records: list[dict[str, Any]]) -> None:
    first = records[0]
    rows = [
        (
            r["metric"],
            r["baseline_value"],
            r["value"],
            r["delta"],
            _interval(r, "delta_"),
            r["p_value"],
            r["verdict"] or "",
        )
        for r in records
    ]
    columns = ("metric", "baseline", "run", "delta", "95 % interval", "p", "verdict")
    console.table(f"{first['task']}: {first['run']} against {first['baseline']}", columns, rows)
    if first["length_flag"]:
        console.warn("mean length moved by more than 10 %: read the diversity numbers with care")


def _interval(record: dict[str, Any], prefix: str) -> str:
    low, high = record[f"{prefix}ci_low"], record[f"{prefix}ci_high"]
    return "–" if low is None else f"[{low:.3f}, {high:.3f}]"
