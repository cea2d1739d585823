"""The options of `random-audit`, by what they are about."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_WHAT = "What to audit"
_HOW = "How to read it"
_BESIDE = "Compare"
_SERVER = "A server, or responses"

Task = Annotated[
    str | None,
    typer.Option(
        "--task",
        help="Tasks or families in every wording, by commas; * stands for anything. See divtool tasks.",
        metavar="NAME,…",
        rich_help_panel=_WHAT,
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help="quick, standard, full, diffuse, diffuse-quick or diffuse-wide; quick where nothing else is named.",
        metavar="NAME,…",
        rich_help_panel=_WHAT,
    ),
]
Spec = Annotated[
    str | None,
    typer.Option(
        "--spec",
        help="Own tasks: target records (.jsonl), the reference format, or .yaml or .json with a list of tasks.",
        metavar="FILE",
        rich_help_panel=_WHAT,
    ),
]
Format = Annotated[
    str,
    typer.Option(
        "--format", help="How answers are asked for: bare, braces, json or none.", metavar="NAME", rich_help_panel=_WHAT
    ),
]
Prefill = Annotated[
    str, typer.Option("--prefill", help="Begin the assistant's turn so.", metavar="TEXT", rich_help_panel=_WHAT)
]
Arms = Annotated[
    str | None,
    typer.Option(
        "--arms",
        help="Ask every prompt in variations too: system (behind a neutral system prompt), formats, scenarios.",
        metavar="NAME,…",
        rich_help_panel=_WHAT,
    ),
]
Mode = Annotated[
    str,
    typer.Option(
        "--mode",
        help="auto (exact for closed sets, bounds for open ones), exact, bounds or sampled.",
        metavar="NAME",
        rich_help_panel=_HOW,
    ),
]
Variants = Annotated[
    str,
    typer.Option(
        "--variants",
        help="exact: whether other cases of the first letter and a full stop count (on or off).",
        metavar="on|off",
        rich_help_panel=_HOW,
    ),
]
Samples = Annotated[
    int | None,
    typer.Option(
        "-n", "--samples", help="sampled: responses a prompt (1000; for sequences 200).", rich_help_panel=_HOW
    ),
]
Tau = Annotated[
    float | None,
    typer.Option("--tau", help="bounds: stop when so little mass is unexplored (0.01).", rich_help_panel=_HOW),
]
MaxNodes = Annotated[
    int | None,
    typer.Option("--max-nodes", help="bounds: beginnings at most (4096; GPU 20000).", rich_help_panel=_HOW),
]
EndToken = Annotated[
    str | None,
    typer.Option(
        "--end-token", help="The token that ends an answer, or its id.", metavar="TOKEN", rich_help_panel=_HOW
    ),
]
DecoderSweep = Annotated[
    bool,
    typer.Option(
        "--decoder-sweep",
        help="exact: also the law under a grid of temperatures, top-k, top-p and min-p.",
        rich_help_panel=_HOW,
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option("--batch-size", min=1, help="sampled: responses drawn together (64).", rich_help_panel=_HOW),
]
Compare = Annotated[
    str | None,
    typer.Option(
        "--compare",
        help="A model, or a .jsonl file of audit records, to compare each prompt with.",
        metavar="MODEL|FILE",
        rich_help_panel=_BESIDE,
    ),
]
CompareAdapter = Annotated[
    str | None,
    typer.Option(
        "--compare-adapter",
        help="LoRA adapter of the baseline; without --compare, on the same model.",
        metavar="DIR",
        rich_help_panel=_BESIDE,
    ),
]
FailUnder = Annotated[
    float | None,
    typer.Option("--fail-under", help="Status 3 where the score is lower.", metavar="SCORE", rich_help_panel=_BESIDE),
]
Summary = Annotated[
    Path | None,
    typer.Option(
        "--summary",
        help="Write what the records add up to: one JSON object.",
        metavar="FILE",
        rich_help_panel=_BESIDE,
    ),
]
Responses = Annotated[
    str | None,
    typer.Option(
        "--responses",
        help="Audit what divtool sample --builtin audit/… wrote; - for standard input. "
        "FILE@temperature=0.7 takes those of one setting.",
        metavar="FILE",
        rich_help_panel=_SERVER,
    ),
]
Endpoint = Annotated[
    str | None,
    typer.Option(
        "--endpoint",
        help="OpenAI-compatible server that draws the responses; --model is its name there.",
        metavar="URL",
        rich_help_panel=_SERVER,
    ),
]
KeyEnv = Annotated[
    str | None,
    typer.Option(
        "--key-env",
        help="Environment variable that holds the server's key (OPENAI_API_KEY, if set).",
        metavar="VAR",
        rich_help_panel=_SERVER,
    ),
]
Concurrency = Annotated[
    int, typer.Option("--concurrency", min=1, help="Requests under way at a time.", rich_help_panel=_SERVER)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be read, and about how long it takes.")]
