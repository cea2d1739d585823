"""The options of `eval` that no other command has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from . import options as o

_WHAT = "What to compute"
_SAMPLING = "Sampling a model"
_CHECKS = "Statistics and checks"

Responses = Annotated[
    str | None, typer.Argument(help="Response records to measure, instead of a model.", metavar="FILE")
]

Task = Annotated[str, typer.Option("--task", help="What to measure, by commas; see divtool tasks.", metavar="A,B,...")]

Run = Annotated[
    list[str] | None,
    typer.Option(
        "--run",
        help="One of several runs, repeatable: NAME=FILE, NAME=MODEL, NAME=MODEL+ADAPTER; "
        "a model may end in @temperature=0.5,strategy=list, and so may a file: only what was drawn with it counts.",
        metavar="NAME=...",
    ),
]

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Model to sample: alias, folder, .gguf file, hub id; with --endpoint, its name there.",
        metavar="NAME",
    ),
]

Baseline = Annotated[
    str | None,
    typer.Option(
        "--baseline",
        help="What to compare with: the NAME of a run, or as behind --run.",
        metavar="NAME|FILE|MODEL",
    ),
]

Sweep = Annotated[
    str | None,
    typer.Option(
        "--sweep",
        help="Sample the baseline, a model, at several temperatures (or top_p, min_p), and say what each run adds to "
        "the diversity that it has at equal quality.",
        metavar="temperature=A,B,...",
        rich_help_panel=_SAMPLING,
    ),
]

Work = Annotated[
    Path | None,
    typer.Option("--work", help="Where sampled responses are kept (output name + .work).", metavar="DIR"),
]

Preset = Annotated[
    str | None,
    typer.Option("--preset", help="quick (models under 500 M), standard, paper.", rich_help_panel=_SAMPLING),
]

Count = Annotated[
    int | None,
    typer.Option("--count", min=1, help="Prompts, instead of the preset's number.", rich_help_panel=_SAMPLING),
]

Samples = Annotated[
    int | None,
    typer.Option("-n", "--samples", min=2, help="Responses a prompt, likewise.", rich_help_panel=_SAMPLING),
]

Strategy = Annotated[
    str,
    typer.Option(
        "--strategy",
        help="How models are asked that name no strategy of their own (@strategy=list); see divtool strategies.",
        metavar="NAME",
        rich_help_panel=_SAMPLING,
    ),
]

BatchSize = Annotated[
    int, typer.Option("--batch-size", min=1, help="Responses drawn together.", rich_help_panel=_SAMPLING)
]

Prompts = Annotated[
    Path | None,
    typer.Option(
        "--prompts",
        help="Prompts to ask, for a task without a set of its own (pool, novelty-bench).",
        metavar="FILE",
        rich_help_panel=_SAMPLING,
    ),
]

Protocol = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        help="Published protocol for --task pool: 2503.17126; without --prompts its quick form.",
        metavar="ARXIV",
        rich_help_panel=_SAMPLING,
    ),
]

TrainData = Annotated[
    Path | None,
    typer.Option(
        "--train-data",
        help="What a model was trained on: end the run if evaluation prompts are in it.",
        metavar="FILE",
        rich_help_panel=_CHECKS,
    ),
]

AllowOverlap = Annotated[
    bool, typer.Option("--allow-overlap", help="Warn of such prompts and go on.", rich_help_panel=_CHECKS)
]

Human = Annotated[
    Path | None,
    typer.Option(
        "--human",
        help="Responses by humans to the same prompts, for reference rows.",
        metavar="FILE",
        rich_help_panel=_WHAT,
    ),
]

Prefill = Annotated[
    Literal["auto", "on", "off"],
    typer.Option(
        "--prefill",
        help="Begin answers as the task says, such as 1. for a list; auto: in the preset quick.",
        rich_help_panel=_SAMPLING,
    ),
]

Vectors = Annotated[
    Path | None,
    typer.Option(
        "--vectors",
        help="Word vectors of dat, a word and its numbers a line; .gz and .zst too.",
        metavar="FILE",
        rich_help_panel=_WHAT,
    ),
]

Vocabulary = Annotated[
    Path | None,
    typer.Option("--vocab", help="Words of --vectors that count, one a line.", metavar="FILE", rich_help_panel=_WHAT),
]

Metrics = Annotated[
    str | None,
    typer.Option(
        "--metrics",
        help="Instead of the task's: names by commas, or all; see divtool metrics.",
        metavar="A,B,...",
        rich_help_panel=_WHAT,
    ),
]

TruncateWords = Annotated[
    str,
    typer.Option(
        "--truncate-words",
        help="Words of each text that _trunc rows keep (auto: 10th percentile of lengths); none: no such rows.",
        metavar="L|auto|none",
        rich_help_panel=_WHAT,
    ),
]

Deciles = Annotated[
    Path | None,
    typer.Option(
        "--deciles",
        help="Add Diversity Deciles among texts of equal length, from a map of score --save-deciles.",
        metavar="FILE",
        rich_help_panel=_WHAT,
    ),
]

ClusterCut = Annotated[
    float,
    typer.Option(
        "--cluster-cut",
        min=0.0,
        max=2.0,
        help="Cosine distance up to which texts are alike; 0.20 suits minilm.",
        rich_help_panel=_WHAT,
    ),
]

Partition = Annotated[
    Literal["linkage", "greedy"],
    typer.Option(
        "--partition",
        help="Classes of distinct_k_nb and utility_k; greedy depends on order.",
        rich_help_panel=_WHAT,
    ),
]

Equivalence = Annotated[
    str | None,
    typer.Option(
        "--equivalence",
        help="Pair classifier that says which texts are one answer, instead of the cut.",
        metavar="NAME",
        rich_help_panel=o.MODEL,
    ),
]

Quality = Annotated[
    str | None,
    typer.Option(
        "--quality",
        help="Measures of quality beside judge and usable rate, by commas: reward, a score of the records "
        "(scores.KEY), logprob (under the baseline; no quality measure).",
        metavar="A,B,...",
        rich_help_panel=_WHAT,
    ),
]

DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Say how much would be drawn, and how often a judge asked; do neither."),
]

QualityModel = Annotated[
    str | None,
    typer.Option(
        "--quality-model",
        help="Language model of avgout_dullness and perplexity; with --quality reward, the reward model.",
        metavar="NAME",
        rich_help_panel=o.MODEL,
    ),
]

NoGuard = Annotated[
    bool,
    typer.Option(
        "--no-guard",
        help="Leave the task guard out, which else joins a comparison of two models.",
        rich_help_panel=_WHAT,
    ),
]

Adjust = Annotated[
    Literal["holm", "bh"],
    typer.Option(
        "--adjust",
        help="Correction over the headline rows of all tasks and runs: Holm, or Benjamini-Hochberg.",
        rich_help_panel=_CHECKS,
    ),
]

Margin = Annotated[
    list[str] | None,
    typer.Option(
        "--margin",
        help="Largest loss of a quality measure that counts as none, repeatable: usable_rate=0.02.",
        metavar="NAME=VALUE",
        rich_help_panel=_CHECKS,
    ),
]

FailUnder = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-under",
        help="Bound that every run must meet, else exit 3; repeatable. FIELD: value, ci_low, delta, "
        "delta_ci_low (ci_high and delta_ci_high where lower is more diverse).",
        metavar="TASK.METRIC[.FIELD]=VALUE",
        rich_help_panel=_CHECKS,
    ),
]

Require = Annotated[
    Literal["not-worse"] | None,
    typer.Option(
        "--require",
        help="Exit 3 unless the quality of every run is shown to be not worse.",
        rich_help_panel=_CHECKS,
    ),
]

Junit = Annotated[
    Path | None,
    typer.Option(
        "--junit",
        help="Write bounds and quality verdicts as JUnit XML.",
        metavar="FILE",
        rich_help_panel=_CHECKS,
    ),
]

Report = Annotated[
    Path | None,
    typer.Option("--report", help="Write one HTML page with pictures, which opens offline.", metavar="FILE"),
]

UnitValues = Annotated[
    Path | None,
    typer.Option("--unit-values", help="Write the values by prompt behind the measures.", metavar="FILE"),
]
