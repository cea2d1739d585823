"""Options that several commands share, each spelled once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..core.errors import UsageError
from ..core.packing import NO_RESUME, is_table

Input = Annotated[
    str | None,
    typer.Argument(help="JSON Lines file (.gz, .zst, .parquet too); - or nothing for standard input.", metavar="FILE"),
]
Output = Annotated[
    str,
    typer.Option(
        "-o", "--output", help="Output file (.gz, .zst, .parquet too); - for standard output.", metavar="FILE"
    ),
]
OnError = Annotated[
    Literal["stop", "skip"],
    typer.Option("--on-error", help="What a bad line does: end the run, or be counted and left out."),
]
Regroup = Annotated[
    bool, typer.Option("--regroup", help="Bring the lines of each prompt_id together first, by a sort on disk.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from what the output holds already.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="Fixes everything random.")]

MODEL = "The model"
Model = Annotated[
    str,
    typer.Option("--model", help="Alias, folder, .gguf file or hub id.", rich_help_panel=MODEL, metavar="NAME"),
]
Adapter = Annotated[
    str | None,
    typer.Option("--adapter", help="LoRA adapter to put on the model.", rich_help_panel=MODEL, metavar="DIR"),
]
Embedder = Annotated[
    str,
    typer.Option(
        "--embedder", help="Sentence embedder: alias, folder or hub id.", rich_help_panel=MODEL, metavar="NAME"
    ),
]
StyleEmbedder = Annotated[
    str | None,
    typer.Option(
        "--style-embedder",
        help="Sentence encoder of style vectors, instead of function words and marks.",
        rich_help_panel=MODEL,
        metavar="NAME",
    ),
]
EmbeddingCache = Annotated[
    bool,
    typer.Option(
        "--embedding-cache/--no-embedding-cache",
        help="Keep sentence vectors on disk, for the next run.",
        rich_help_panel=MODEL,
    ),
]
RewardModel = Annotated[
    str | None,
    typer.Option("--reward-model", help="Reward model with one logit.", rich_help_panel=MODEL, metavar="NAME"),
]
Dtype = Annotated[
    Literal["auto", "float32", "bfloat16", "float16"],
    typer.Option(
        "--dtype", help="Number format; auto: bfloat16 on an accelerator, float32 on a CPU.", rich_help_panel=MODEL
    ),
]
Device = Annotated[
    str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.", rich_help_panel=MODEL, metavar="NAME")
]
FourBit = Annotated[
    bool | None,
    typer.Option(
        "--4bit/--no-4bit",
        help="Load the weights as NF4 4-bit (bitsandbytes).",
        rich_help_panel=MODEL,
        show_default=False,
    ),
]
TrustRemoteCode = Annotated[
    bool,
    typer.Option(
        "--trust-remote-code", help="Let a hub model run code of its own. Read that code first.", rich_help_panel=MODEL
    ),
]

_JUDGE = "The judge"
JudgeUrl = Annotated[
    str | None,
    typer.Option("--judge", help="OpenAI-compatible server that rates.", rich_help_panel=_JUDGE, metavar="URL"),
]
JudgeModel = Annotated[
    str | None,
    typer.Option("--judge-model", help="Its model.", rich_help_panel=_JUDGE, metavar="NAME"),
]
JudgeVotes = Annotated[int, typer.Option("--judge-votes", min=1, help="Ratings a response.", rich_help_panel=_JUDGE)]
JudgeKeyEnv = Annotated[
    str | None,
    typer.Option(
        "--judge-key-env",
        help="Environment variable that holds the key (OPENAI_API_KEY, if set).",
        rich_help_panel=_JUDGE,
        metavar="VAR",
    ),
]
JudgeMaxCalls = Annotated[
    int | None, typer.Option("--judge-max-calls", min=0, help="Requests at most.", rich_help_panel=_JUDGE)
]

Tokenizer = Annotated[
    str,
    typer.Option(
        "--tokenizer",
        help="word, whitespace, char (for scripts without spaces) or model:NAME for its subwords.",
        metavar="NAME",
    ),
]

MattrWindow = Annotated[int, typer.Option("--mattr-window", min=1, help="Words a window of mattr.")]

_DECODING = "Decoding"
Temperature = Annotated[
    str | None,
    typer.Option(
        "--temperature",
        help="0 takes the most likely token (1; possibility 0.75; list 0). Several by commas: every prompt at each.",
        metavar="T,...",
        rich_help_panel=_DECODING,
    ),
]
TopP = Annotated[
    str | None,
    typer.Option(
        "--top-p",
        help="Keep the likeliest tokens of this mass (1; sequential 0.95). Several by commas: every prompt at each.",
        metavar="P,...",
        rich_help_panel=_DECODING,
    ),
]
TopK = Annotated[
    int, typer.Option("--top-k", min=0, help="Keep so many tokens; 0 keeps all.", rich_help_panel=_DECODING)
]
MinP = Annotated[
    float,
    typer.Option("--min-p", help="Keep tokens of at least this share of the likeliest.", rich_help_panel=_DECODING),
]
RepetitionPenalty = Annotated[
    float,
    typer.Option(
        "--repetition-penalty",
        help="Above 1, tokens that the prompt or the response holds become less likely.",
        rich_help_panel=_DECODING,
    ),
]
MaxNewTokens = Annotated[
    int | None,
    typer.Option(
        "--max-new-tokens",
        min=1,
        help="Longest response in tokens (512; possibility 64; string-seed 1024, list and verbalized 1024 for all).",
        rich_help_panel=_DECODING,
    ),
]


def source(given: str | None) -> str:
    """The input to read.

    Raises:
        UsageError: Nothing was given, and standard input is a terminal.
    """
    if given is not None:
        return given
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("no input: name a FILE, or pipe records in (- reads the terminal)")
    return "-"


def resumable(output: str, resume: bool) -> Path | None:
    """The file to go on from, or None.

    Raises:
        UsageError: The output is standard output, or a Parquet file.
    """
    if not resume:
        return None
    if output == "-":
        raise UsageError("--resume needs -o FILE: standard output cannot be read back")
    if is_table(output):
        raise UsageError(f"--resume {output}: {NO_RESUME}")
    path = Path(output)
    return path if path.is_file() and path.stat().st_size else None
