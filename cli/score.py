"""`divtool score`: responses to scored responses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..core.errors import UsageError
from . import console
from . import engine_options as e
from . import options as o

_WHAT = "What to compute"
_LENGTH = "Length"


def score(
    context: typer.Context,
    responses: o.Input = None,
    output: o.Output = "-",
    metrics: Annotated[
        str,
        typer.Option(
            "--metrics",
            help="Names and presets (lexical, semantic, all), by commas; see divtool metrics.",
            metavar="A,B,...",
            rich_help_panel=_WHAT,
        ),
    ] = "lexical",
    quality: Annotated[
        Literal["none", "perplexity", "reward", "judge"],
        typer.Option("--quality", help="A quality column beside the metrics.", rich_help_panel=_WHAT),
    ] = "none",
    tokenizer: o.Tokenizer = "word",
    mattr_window: o.MattrWindow = 50,
    unigrams: Annotated[
        Path | None,
        typer.Option(
            "--unigrams",
            help="Word counts for word_rarity, a word and its count a line (wordfreq's English).",
            metavar="FILE",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    deciles: Annotated[
        Path | None,
        typer.Option(
            "--deciles",
            help="Add dd_<metric>: the decile among texts of equal length in this map.",
            metavar="FILE",
            rich_help_panel=_LENGTH,
        ),
    ] = None,
    save_deciles: Annotated[
        Path | None,
        typer.Option(
            "--save-deciles", help="Make such a map of these responses.", metavar="FILE", rich_help_panel=_LENGTH
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            help="Length bias of every score, as JSON (and a table).",
            metavar="FILE",
            rich_help_panel=_LENGTH,
        ),
    ] = None,
    summary: Annotated[
        bool,
        typer.Option("--summary", help="Show how each score is distributed: a table at the end."),
    ] = False,
    length_unit: Annotated[
        Literal["words", "tokens", "chars"],
        typer.Option("--length-unit", help="Length in the report.", rich_help_panel=_LENGTH),
    ] = "words",
    embedder: o.Embedder = "minilm",
    style_embedder: o.StyleEmbedder = None,
    embedding_cache: o.EmbeddingCache = True,
    dsi_encoder: Annotated[
        str,
        typer.Option("--dsi-encoder", help="Where BERT-large-uncased is.", metavar="NAME", rich_help_panel=o.MODEL),
    ] = "bert-large-uncased",
    dsi_layers: Annotated[
        str, typer.Option("--dsi-layers", help="Hidden states of dsi.", metavar="A,B", rich_help_panel=o.MODEL)
    ] = "6,7",
    quality_model: Annotated[
        str | None,
        typer.Option(
            "--quality-model",
            help="Language model of the perplexity (smollm2-135m); with --quality reward, the reward model.",
            metavar="NAME",
            rich_help_panel=o.MODEL,
        ),
    ] = None,
    reward_model: o.RewardModel = None,
    judge: o.JudgeUrl = None,
    judge_model: o.JudgeModel = None,
    judge_votes: o.JudgeVotes = 1,
    judge_key_env: o.JudgeKeyEnv = None,
    judge_max_calls: o.JudgeMaxCalls = None,
    dtype: o.Dtype = "auto",
    device: o.Device = "auto",
    four_bit: o.FourBit = None,
    trust_remote_code: o.TrustRemoteCode = False,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes for the metrics that need no model.")] = 1,
    seed: o.Seed = 0,
    resume: o.Resume = False,
    regroup: o.Regroup = False,
    on_error: o.OnError = "stop",
    engine: e.Engine = "local",
    ray_address: e.RayAddress = None,
    ray_workers: e.RayWorkers = None,
    worker_cpus: e.WorkerCpus = None,
    worker_gpus: e.WorkerGpus = None,
    shard_size: e.ShardSize = None,
) -> None:
    """Add diversity, length and quality scores to responses.

    Reads response records and writes them with "scores"; every other key stays. null means undefined for this text.
    """
    from ..core.catalog import split_names
    from ..core.judging.open import judge_options
    from ..core.metrics.definition import Setup
    from ..core.metrics.distribution import Distributions
    from ..core.metrics.stage import ScoreStage, plan
    from ..core.metrics.supplies import Sources
    from ..core.models.options import LoadOptions
    from ..core.records import check_response
    from ..core.resume import Resumption
    from ..core.writer import RecordWriter
    from .score_summary import finish
    from .streams import ReadingGroups, interruptible

    if quality == "reward" and reward_model is None:
        reward_model = quality_model
    quality_model = quality_model or "smollm2-135m"
    judging = judge_options(judge, judge_model, judge_votes, judge_key_env, judge_max_calls)
    sources = Sources(
        embedder=embedder,
        style_embedder=style_embedder,
        dsi_encoder=dsi_encoder,
        dsi_layers=_layers(dsi_layers),
        quality_model=quality_model,
        reward_model=reward_model,
        judge=judging,
        unigrams=unigrams,
        loading=LoadOptions(dtype=dtype, device=device, four_bit=bool(four_bit), trust_remote_code=trust_remote_code),
        embedding_cache=embedding_cache,
    )
    settings = {"window": mattr_window}
    planned = plan(
        split_names([metrics, *([quality] if quality != "none" else [])]),
        sources,
        tokenizer=tokenizer,
        settings=settings,
        deciles=deciles,
        length=save_deciles is not None or report is not None,
        workers=workers,
        setup=Setup(
            tokenizer=tokenizer,
            embedder=embedder,
            style=style_embedder,
            dsi_layers=dsi_layers,
            quality_model=quality_model,
            reward_model=reward_model or "",
            judge=judging.describe() if judging else "",
            word_frequencies=_named(unigrams) if unigrams else "wordfreq, English",
            settings=settings,
        ),
    )
    if planned.skipped:
        console.note("left out: " + "; ".join(f"{name} ({why})" for name, why in planned.skipped.items()))
    source = o.source(responses)
    _check_outputs(output, [save_deciles, report], [source, deciles, unigrams])
    _note_unused(
        planned, judge=judging, reward=reward_model, unigrams=unigrams, length=report or length_unit == "words"
    )
    stage = ScoreStage(planned, _builder(planned, save_deciles), _length_bias(report, length_unit, seed, tokenizer))
    if summary:
        stage.distributions = Distributions(stage.names, tokenizer)
    if e.on_cluster(context):
        from .score_cluster import score_on_cluster

        finish(stage, planned, score_on_cluster(context, stage, planned, source, output), save_deciles, report)
        return
    old = o.resumable(output, resume)
    groups = ReadingGroups(source, check_response, on_error, regroup)
    resumption = Resumption(old, stage.names, stage.observe)
    with (
        RecordWriter(output, append=old is not None, resumes=True) as writer,
        interruptible(writer),
        console.progress(None, "responses") as advance,
    ):
        for records in stage.run(resumption.unfinished(groups), console.note):
            resumption.accept(records)
            for record in records:
                writer.write(record)
            advance(len(records))
    finish(stage, planned, groups.sha256, save_deciles, report)


def _check_outputs(output: str, others: list[Path | None], inputs: list[str | Path | None]) -> None:
    """Every output is a file of its own, and can be written: said before anything is computed."""
    from ..core.output import check_distinct, check_writable

    outputs: list[str | Path] = [output, *(path for path in others if path is not None)]
    read = [name for name in inputs if name is not None]
    for place, name in enumerate(outputs):
        check_distinct(name, *read, *outputs[:place])
        if place:
            check_writable(Path(name))


def _note_unused(planned: Any, *, judge: object, reward: object, unigrams: object, length: object) -> None:
    """Say which options have nothing to do: a missing --quality would be noticed a night later."""
    names = {metric.name for metric in planned.metrics}
    unused = {
        "--judge": judge and "judge" not in names,
        "--reward-model": reward and "reward" not in names,
        "--unigrams": unigrams and "word_rarity" not in names,
        "--length-unit": not length,
    }
    for option, without in unused.items():
        if without:
            console.warn(f"{option} has no effect: nothing that was asked for takes it")


def _named(unigrams: Path) -> str:
    """The name and content of a file of word counts, so that two lists of one name are told apart."""
    import hashlib

    from ..core.errors import InputError

    try:
        return f"{unigrams.name}, sha256 {hashlib.sha256(unigrams.read_bytes()).hexdigest()[:12]}"
    except OSError as error:
        raise InputError(str(unigrams), f"cannot be read ({error.strerror})") from None


def _layers(text: str) -> tuple[int, ...]:
    """The hidden states of dsi.

    Raises:
        UsageError: No list of numbers from 0 to 24.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) <= 24 for part in parts):
        raise UsageError(f"--dsi-layers {text}: give numbers from 0 to 24 by commas, such as 6,7")
    return tuple(dict.fromkeys(int(part) for part in parts))


def _builder(planned: Any, wanted: Path | None) -> Any:
    from ..core.metrics.deciles import DecileBuilder

    return DecileBuilder(planned.metrics) if wanted is not None else None


def _length_bias(wanted: Path | None, unit: Literal["words", "tokens", "chars"], seed: int, tokenizer: str) -> Any:
    if wanted is None:
        return None
    from ..core.metrics.length_bias import LengthBias

    return LengthBias(unit, seed, tokenizer)
