"""The options of `select` that no other command has.

None stands for the usual value of the method, which its class of options holds; the help names it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from . import options as o

_length = partial(typer.Option, rich_help_panel="Length", show_default=False)
_rule = partial(typer.Option, rich_help_panel="diverse-ns: diversity and quality", show_default=False)
_pool = partial(typer.Option, rich_help_panel="deviation, divpo, marginal: responses of a prompt", show_default=False)
_weight = partial(typer.Option, rich_help_panel="deviation, and --weights deviation", show_default=False)
_divpo = partial(typer.Option, rich_help_panel="divpo", show_default=False)
_subset = partial(typer.Option, rich_help_panel="k-center, possibility, reference-gap", show_default=False)
_model = partial(typer.Option, rich_help_panel=o.MODEL, show_default=False)

MethodName = Annotated[str, typer.Option("--method", help="How to choose; see divtool methods.", metavar="NAME")]

Pairs = Annotated[
    int | None,
    typer.Option(
        "--pairs", help="Most pairs to keep (3000); most a prompt with deviation (all), divpo and marginal (1)."
    ),
]
PerPrompt = Annotated[
    int | None, typer.Option("--per-prompt", help="Most pairs a prompt; each response is used once (1).")
]
Report = Annotated[
    Path | None,
    typer.Option("--report", help="What was found, as one JSON object.", metavar="FILE", dir_okay=False),
]
Audit = Annotated[
    Literal["fail", "warn"], typer.Option("--audit", help="warn: write the pairs even if the length audit fails.")
]
Format = Annotated[
    Literal["divtool", "trl", "llama-factory", "axolotl"],
    typer.Option(
        "--format",
        help="What pairs are written for; TRL reads divtool's own too, trl leaves out what it does not need.",
    ),
]
ShuffleLabels = Annotated[
    bool | None, typer.Option("--shuffle-labels", help="Control: swap sides at random; must train to nothing.")
]
Tokenizer = Annotated[str | None, typer.Option("--tokenizer", help="word, whitespace or char (word).", metavar="NAME")]
QualityMetric = Annotated[
    str | None,
    typer.Option(
        "--quality-metric",
        help="Score that must not fall, or that pairs are made by: a score, a number such as upvotes, "
        "valid_json:KEY,KEY (the first present of reward, judge, upvotes).",
        metavar="NAME",
    ),
]
Pairing = Annotated[
    Literal["cross", "own", "disjoint", "all"] | None,
    typer.Option(
        "--pairing",
        help="diverse-ns: cross (all first with all second turns) or own (each chat's); "
        "deviation: disjoint (each response once, at random) or all.",
    ),
]

LengthTolerance = Annotated[
    float | None,
    _length(
        "--length-tolerance",
        help="Largest difference in length (5; none with deviation and others); possibility: words from the median.",
    ),
]
LengthUnit = Annotated[
    Literal["words", "tokens", "chars"] | None, _length("--length-unit", help="What length is counted in (words).")
]
LengthRelative = Annotated[
    float | None, _length("--length-relative", help="And at most this share of the longer text.")
]
Balance = Annotated[
    bool | None,
    _length("--balance/--no-balance", help="Weigh length against diversity until chosen are no longer (on)."),
]
MinWords = Annotated[int | None, _length("--min-words", help="Leave out shorter responses (50).")]

Diversity = Annotated[str | None, _rule("--diversity", help="Metrics that must all rise, by commas.", metavar="A,B")]
QualityEps = Annotated[float | None, _rule("--quality-eps", help="By how much the quality may fall (0).")]
QualityFloor = Annotated[
    float | None,
    _rule(
        "--quality-floor",
        help="Quantile of the run (possibility: of the prompt) that chosen texts must reach, where judged (0.25).",
    ),
]
Orientation = Annotated[
    Literal["second", "either", "any"] | None,
    _rule("--orientation", help="Chosen is the second turn (usual); the more diverse turn; any response."),
]
Base = Annotated[
    str | None, _rule("--base", help="no-length: the method whose other rules it takes (diverse-ns-lite).")
]

Clean = Annotated[
    bool | None, _pool("--clean/--no-clean", help="Leave out cut, refusing and repetitive sampled texts (on).")
]
MinGap = Annotated[
    float | None,
    _pool("--min-gap", help="deviation: reward gap that is paired first (5 upvotes, else a quarter of the range)."),
]
QualityGap = Annotated[
    float | None,
    _pool("--quality-gap", help="marginal: largest difference in reward, as a share of the prompt's range (0.2)."),
]
MinMargin = Annotated[float | None, _pool("--min-margin", help="marginal: smallest rise in marginal value (0.05).")]

Weights = Annotated[
    Literal["deviation"] | None,
    _weight("--weights", help="divpo, marginal: weigh each pair by the deviation of its winner."),
]
Signals = Annotated[
    str | None,
    _weight(
        "--signals",
        help="Scores that make the deviation, as NAME, NAME:LAMBDA, -NAME (semantic_deviation,style_deviation).",
        metavar="A,B:2,-C",
    ),
]
Combine = Annotated[
    Literal["geometric", "add", "mult"] | None, _weight("--combine", help="How signals are combined (geometric).")
]
RawWeights = Annotated[
    bool | None, _weight("--raw-weights", help="Leave the mean as it is, instead of bringing it to 1.")
]
Contrast = Annotated[
    bool | None, _weight("--contrast", help="deviation: weigh by how much more the winner deviates than the loser.")
]
MinWeight = Annotated[
    str | None,
    _weight("--min-weight", help="Floor of the weights (auto: 0.1; 0.2 in pools of up to 4).", metavar="auto|NUMBER"),
]
PoolChoice = Annotated[
    Literal["all", "pairs"] | None,
    _weight(
        "--pool", help="deviation: signals as scored over the prompt (usual), or anew over the texts of its pairs."
    ),
]

Rho = Annotated[float | None, _divpo("--rho", help="Share of the good and of the bad set, 0 to 0.5 (0.3).")]
RhoMode = Annotated[
    Literal["range", "rank"] | None, _divpo("--rho-mode", help="Share of the range of rewards, or of the responses.")
]
Preset = Annotated[
    Literal["ddpo-baseline"] | None,
    _divpo("--preset", help="The DivPO baseline of the code of arXiv 2503.17126."),
]
Criterion = Annotated[
    str | None,
    _divpo(
        "--criterion",
        help="What is diverse: prob (usual), prob-sum, freq, knn, deviation, judge, a score NAME or -NAME.",
        metavar="NAME",
    ),
]
Attribute = Annotated[
    str | None,
    _divpo(
        "--attribute",
        help="freq: count the values of this key of JSON answers; random: one key a prompt.",
        metavar="KEY",
    ),
]
WithinSet = Annotated[bool | None, _divpo("--within-set", help="Compute freq, knn, deviation inside each set.")]
AllowTies = Annotated[bool | None, _divpo("--allow-ties", help="Take prompts whose rewards are all equal.")]

K = Annotated[
    int | None,
    _subset(
        "-k",
        "--k",
        help="k-center: responses to choose, of each prompt or of all; possibility: most of a prompt (4).",
        metavar="K",
    ),
]
MinK = Annotated[int | None, _subset("--min-k", help="possibility: leave out prompts with fewer (2).", metavar="K")]
Pick = Annotated[
    Literal["spread", "first", "random"] | None,
    _subset("--pick", help="possibility: far apart by the embedder (usual), the earliest, or at random."),
]
InputFormat = Annotated[
    Literal["responses", "dialogue"] | None,
    _subset(
        "--input-format",
        help='possibility: responses or groups (usual), or dialogues {"context": "turn\\nturn", "candidates": [...]}.',
    ),
]
QualityKey = Annotated[
    str | None,
    _subset(
        "--quality-key",
        help="possibility: score of --quality-floor; the best begins the pick (quality).",
        metavar="NAME",
    ),
]
Space = Annotated[
    Literal["embedder", "model"] | None,
    _subset("--space", help="k-center: unit vectors of the embedder (usual), or mean hidden states of the model."),
]
Scope = Annotated[Literal["prompt", "global"] | None, _subset("--scope", help="k-center: by prompt, or over all.")]
Init = Annotated[
    int | None, _subset("--init", help="k-center over all: so many at random to begin with.", metavar="K0")
]
Norm = Annotated[
    Literal["mean", "sum"] | None,
    _subset("--norm", help="reference-gap: log-probability by token (usual), or summed."),
]
Keep = Annotated[float | None, _subset("--keep", help="reference-gap: share of the pairs to keep (0.4).")]
Tail = Annotated[
    Literal["positive", "absolute"] | None,
    _subset("--tail", help="reference-gap: the highest gaps (usual), or the largest of either sign."),
]

Embedder = Annotated[
    str | None, _model("--embedder", help="Sentence embedder: alias, folder or hub id (minilm).", metavar="NAME")
]
StyleEmbedder = Annotated[
    str | None,
    _model(
        "--style-embedder",
        help="Sentence encoder of style vectors, instead of function words and marks.",
        metavar="NAME",
    ),
]
EmbeddingCache = Annotated[
    bool | None, _model("--embedding-cache/--no-embedding-cache", help="Keep sentence vectors on disk (on).")
]
Model = Annotated[
    str | None,
    _model("--model", help="Reference of reference-gap; model of --space model (smollm2-135m).", metavar="NAME"),
]
Adapter = Annotated[str | None, _model("--adapter", help="LoRA adapter to put on the model.", metavar="DIR")]
Dtype = Annotated[
    Literal["auto", "float32", "bfloat16", "float16"] | None, _model("--dtype", help="Number format (auto).")
]
Device = Annotated[str | None, _model("--device", help="auto, cpu, cuda, cuda:1, mps (auto).", metavar="NAME")]
FourBit = Annotated[bool | None, _model("--4bit/--no-4bit", help="Load the weights as NF4 4-bit (bitsandbytes).")]
TrustRemoteCode = Annotated[
    bool | None, _model("--trust-remote-code", help="Let a hub model run code of its own. Read that code first.")
]
