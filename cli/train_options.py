"""The options of `train` that no other command has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

_HOW = "How to train"
_LOSS = "The loss"
_LORA = "The adapter"
_DIFFUSE = "Target distributions (diffuse)"
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
    _option("--preset", help="paper: settings of the published code (ddpo, dorpo, sft).", panel=_HOW, metavar="NAME"),
]
Epochs = Annotated[float | None, _option("--epochs", help="Passes over the records (1; diffuse 50).", panel=_HOW)]
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
        "--learning-rate", help="The highest one (5e-6; 2e-4 under 1B parameters; sft 1e-4; diffuse 2e-4).", panel=_HOW
    ),
]
MaxLength = Annotated[
    int | None,
    _option("--max-length", min=1, help="Leave out pairs of more tokens (1024); nothing is cut.", panel=_HOW),
]
SaveSteps = Annotated[
    int | None, _option("--save-steps", min=1, help="Keep a checkpoint every so many steps.", panel=_HOW)
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
        help="One sequence a pair, its prompt once (on a CPU, where that saves a tenth of the tokens).",
        panel=_MACHINE,
    ),
]
