"""The options of `train` that no other command has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

_HOW = "How to train"
_LOSS = "The loss"
_LORA = "The adapter"
_DIFFUSE = "Target distributions (diffuse)"
_POSSIBILITY = "Numbered responses (possibility)"
_MACHINE = "Memory and speed"


def _option(*flags: str, help: str, panel: str, **more: Any) -> Any:
    return typer.Option(*flags, help=help, rich_help_panel=panel, show_default=False, **more)


Method = Annotated[
    str | None,
    typer.Option("--method", help="Such as diverse-ns, ddpo or sft; see divtool methods.", metavar="NAME"),
]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", help="Folder for the adapter, its log and its card.", metavar="DIR")
]
Preset = Annotated[
    str | None,
    _option(
        "--preset",
        help="paper: settings of the published code (ddpo, dorpo, sft); possibility: small, large, mistral, llama-2.",
        panel=_HOW,
        metavar="NAME",
    ),
]
Epochs = Annotated[
    float | None,
    _option(
        "--epochs", help="Passes over the records (1; diffuse 50; possibility 3 under 500M parameters).", panel=_HOW
    ),
]
MaxSteps = Annotated[int | None, _option("--max-steps", min=1, help="Steps, instead of --epochs.", panel=_HOW)]
BatchSize = Annotated[
    int | None,
    _option("--batch-size", min=1, help="Pairs in one forward pass (4); with diffuse prompts a step (1).", panel=_HOW),
]
GradAccum = Annotated[
    int | None,
    _option(
        "--grad-accum",
        min=1,
        help="Forward passes a step (as many as make 32 pairs; 16 under 1B parameters).",
        panel=_HOW,
    ),
]
LearningRate = Annotated[
    float | None,
    _option(
        "--learning-rate",
        help="The highest one (5e-6; 2e-4 under 1B parameters; sft 1e-4; diffuse 2e-4; possibility 5e-5, 3e-4 under "
        "500M).",
        panel=_HOW,
    ),
]
MaxLength = Annotated[
    int | None,
    _option(
        "--max-length",
        min=1,
        help="Leave out pairs of more tokens (1024); possibility drops the oldest turns first (500).",
        panel=_HOW,
    ),
]
SaveSteps = Annotated[
    int | None,
    _option("--save-steps", min=1, help="Keep a checkpoint every so many steps (possibility 25).", panel=_HOW),
]
Audit = Annotated[
    Literal["fail", "warn", "off"] | None,
    _option("--audit", help="diverse-ns: what pairs that fail the length audit do (fail).", panel=_HOW),
]
HeldOut = Annotated[
    str | None,
    _option(
        "--eval-file", help="Records never trained on; their loss is logged ten times.", panel=_HOW, metavar="FILE"
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; train and write nothing.")]

Loss = Annotated[
    Literal["sigmoid", "sigmoid_norm"] | None,
    _option("--loss", help="DPO's; sigmoid_norm: log-ratios per token.", panel=_LOSS),
]
Beta = Annotated[
    float | None, _option("--beta", help="DPO: tie to the reference (0.1; 5 for sigmoid_norm).", panel=_LOSS)
]
LdAlpha = Annotated[
    float | None,
    _option("--ld-alpha", help="LD-DPO: share of the longer text's tail that counts, 0 to 1.", panel=_LOSS),
]
SftWeight = Annotated[
    float | None,
    _option(
        "--sft-weight",
        help="DPO: how much of the chosen text's likelihood loss is added (0; diverse-ns under 1B parameters 0.2).",
        panel=_LOSS,
    ),
]
Lambda = Annotated[float | None, _option("--lambda", help="ORPO: weight of the odds ratio (0.25).", panel=_LOSS)]
NllSpan = Annotated[
    Literal["response", "full"] | None,
    _option("--nll-span", help="orpo, dorpo, sft: what the likelihood runs over (response).", panel=_LOSS),
]
WeightForm = Annotated[
    Literal["outer", "inner"] | None,
    _option("--weight-form", help="ddpo, dorpo: weight outside of log sigmoid or inside (outer).", panel=_LOSS),
]
WeightNorm = Annotated[
    Literal["none", "mean"] | None,
    _option("--weight-norm", help="ddpo, dorpo: mean divides the weights by their mean (none).", panel=_LOSS),
]
Smoothing = Annotated[
    Literal["ual"] | None,
    _option("--smoothing", help="sft: smooth the labels of a text as its prompt is uncertain.", panel=_LOSS),
]
SmoothingMax = Annotated[
    float | None, _option("--smoothing-max", help="Smoothing of the most uncertain prompt (0.1).", panel=_LOSS)
]
Embedder = Annotated[
    str | None,
    _option(
        "--embedder",
        help="Encoder that tells how uncertain a prompt is, where records do not say (minilm).",
        panel=_LOSS,
        metavar="NAME",
    ),
]

LoraR = Annotated[int | None, _option("--lora-r", min=1, help="Rank (16).", panel=_LORA)]
LoraAlpha = Annotated[int | None, _option("--lora-alpha", min=1, help="Scale (32).", panel=_LORA)]
LoraTargets = Annotated[
    str | None,
    _option("--lora-targets", help="Layers, as q_proj,v_proj (all-linear).", panel=_LORA, metavar="A,B,..."),
]

Builtin = Annotated[
    str | None,
    _option(
        "--builtin",
        help="Built-in targets instead of a file: a preset, a family or family/id, by commas.",
        panel=_DIFFUSE,
        metavar="NAME,...",
    ),
]
HoldOut = Annotated[
    str | None,
    _option("--hold-out", help="Built-in families or ids to leave out.", panel=_DIFFUSE, metavar="NAME,..."),
]
Recipe = Annotated[
    str | None, _option("--recipe", help="paper: settings of the published code.", panel=_DIFFUSE, metavar="NAME")
]
Gamma = Annotated[
    float | None,
    _option("--gamma", help="Open lists: stop once the loss is within this share of its least (0.2).", panel=_DIFFUSE),
]
Anchor = Annotated[
    float | None, _option("--anchor", help="How much KL to the base on everyday answers counts (1).", panel=_DIFFUSE)
]
AnchorEvery = Annotated[
    int | None, _option("--anchor-every", min=1, help="Steps from one anchor text to the next (2).", panel=_DIFFUSE)
]
EndToken = Annotated[
    str | None,
    _option("--end-token", help="Token that ends an answer (the chat template's).", panel=_DIFFUSE, metavar="TOKEN"),
]
MaxPplRatio = Annotated[
    float | None,
    _option(
        "--max-ppl-ratio", help="Exit with status 3 if the perplexity of given texts rises above this.", panel=_DIFFUSE
    ),
]
MaxRows = Annotated[
    int | None, _option("--max-rows", min=1, help="Rows of an answer tree in one pass (by memory).", panel=_DIFFUSE)
]

Arm = Annotated[
    Literal["one-to-one", "one-to-many", "numbered", "possibility"] | None,
    _option(
        "--arm",
        help="One response a prompt, several, several with a number each, or with the unlikelihood loss too "
        "(possibility).",
        panel=_POSSIBILITY,
    ),
]
K = Annotated[int | None, _option("--k", help="Responses a prompt, the first ones (4).", panel=_POSSIBILITY)]
MaxNumber = Annotated[
    int | None,
    _option(
        "--max-number", help="Numbers are drawn from 1 to this (9; --k under 500M parameters).", panel=_POSSIBILITY
    ),
]
NumberScheme = Annotated[
    Literal["random", "rank"] | None,
    _option("--number-scheme", help="rank: response i gets number i (random).", panel=_POSSIBILITY),
]
NumberPrompt = Annotated[
    str | None,
    _option(
        "--number-prompt",
        help="Sentence behind the last user message, with {n} for the number.",
        panel=_POSSIBILITY,
        metavar="TEXT",
    ),
]
UlWeight = Annotated[
    float | None,
    _option("--ul-weight", help="Weight of the unlikelihood loss (0.5); 0 keeps the numbers.", panel=_POSSIBILITY),
]
UlWarmup = Annotated[
    int | None, _option("--ul-warmup", help="Updates before the unlikelihood loss counts (0).", panel=_POSSIBILITY)
]
UlTokens = Annotated[
    Literal["content-first", "all"] | None,
    _option(
        "--ul-tokens",
        help="What it looks at: the first token of each content word, or every token (content-first).",
        panel=_POSSIBILITY,
    ),
]
UlExclude = Annotated[
    Literal["none", "shared", "context"] | None,
    _option(
        "--ul-exclude",
        help="Words it passes over: those of the wanted response too, or of the prompt (none).",
        panel=_POSSIBILITY,
    ),
]
Stopwords = Annotated[
    str | None,
    _option(
        "--stopwords",
        help="Words that are no content words, instead of the English ones.",
        panel=_POSSIBILITY,
        metavar="FILE",
    ),
]
MaxNegatives = Annotated[
    int | None, _option("--max-negatives", min=1, help="Unwanted responses a prompt, drawn (all).", panel=_POSSIBILITY)
]
MaxWords = Annotated[
    int | None,
    _option("--max-words", min=1, help="Words of a response; the rest is cut off (60).", panel=_POSSIBILITY),
]
BatchPositives = Annotated[
    int | None, _option("--batch-positives", min=1, help="Wanted responses an update (8).", panel=_POSSIBILITY)
]
RowsPerChunk = Annotated[
    int | None,
    _option(
        "--rows-per-chunk", min=1, help="Rows of one forward pass (as many as fit 2,048 tokens).", panel=_POSSIBILITY
    ),
]
InputFormat = Annotated[
    Literal["records", "dialogue"] | None,
    _option("--input-format", help="dialogue: context and candidates, as published (records).", panel=_POSSIBILITY),
]
EvalFraction = Annotated[
    float | None,
    _option(
        "--eval-fraction", help="Share of the groups that is only looked at, ten times (0.05).", panel=_POSSIBILITY
    ),
]

GradientCheckpointing = Annotated[
    bool | None,
    _option(
        "--gradient-checkpointing/--no-gradient-checkpointing",
        help="Compute activations twice and hold fewer (on from 1B parameters).",
        panel=_MACHINE,
    ),
]
Head = Annotated[
    Literal["auto", "fused", "compact"] | None,
    _option("--head", help="Output layer: TRL's fused one, or the tokens that count alone (auto).", panel=_MACHINE),
]
Pack = Annotated[
    bool | None,
    _option(
        "--pack/--no-pack",
        help="One sequence a pair, its prompt once (on a CPU, where that saves a tenth of the tokens); possibility: "
        "one a number, its responses as branches (on).",
        panel=_MACHINE,
    ),
]

_SPREAD = "Several GPUs or machines"

Launch = Annotated[
    Literal["accelerate"] | None,
    _option("--launch", help="Start the run in several processes, through accelerate.", panel=_SPREAD),
]
Config = Annotated[
    str | None,
    _option(
        "--config",
        help="How: ddp, fsdp2, deepspeed-zero2, deepspeed-zero3, or a file of accelerate's (ddp).",
        panel=_SPREAD,
        metavar="NAME|FILE",
    ),
]
ProcessCount = Annotated[
    int | None,
    _option("--processes", min=1, help="How many, on all machines (what the file says; one a GPU).", panel=_SPREAD),
]
