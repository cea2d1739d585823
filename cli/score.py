"""`divtool score`: responses to scored responses."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from . import console
from . import options as o

_WHAT = "What to compute"


def score(
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
    tokenizer: Annotated[
        str,
        typer.Option(
            "--tokenizer", help="word, whitespace, or char for scripts without spaces.", rich_help_panel=_WHAT
        ),
    ] = "word",
    quality: Annotated[
        Literal["none", "perplexity"],
        typer.Option("--quality", help="A quality column beside the metrics.", rich_help_panel=_WHAT),
    ] = "none",
    quality_model: Annotated[
        str, typer.Option("--quality-model", help="Model of the perplexity.", metavar="NAME", rich_help_panel=_WHAT)
    ] = "smollm2-135m",
    embedder: o.Embedder = "minilm",
    dtype: o.Dtype = "auto",
    device: o.Device = "auto",
    four_bit: o.FourBit = None,
    trust_remote_code: o.TrustRemoteCode = False,
    resume: o.Resume = False,
    regroup: o.Regroup = False,
    on_error: o.OnError = "stop",
) -> None:
    """Add diversity, length and quality scores to responses.

    Reads response records and writes them with "scores"; every other key stays. null means undefined for this text.
    """
    from ..core.catalog import split_names
    from ..core.jsonl import RecordWriter, check_distinct
    from ..core.metrics import scoring
    from ..core.metrics.text import tokenizer as find_tokenizer
    from ..core.models.options import LoadOptions
    from ..core.records import check_response
    from ..core.resume import unfinished_groups
    from .streams import ReadingGroups

    wanted = split_names([metrics, *([quality] if quality != "none" else [])])
    chosen = scoring.chosen_metrics(wanted)
    source = o.source(responses)
    check_distinct(output, source)
    tokenize = find_tokenizer(tokenizer)
    old = o.resumable(output, resume)
    groups = ReadingGroups(source, check_response, on_error, regroup)
    with RecordWriter(output, append=old is not None) as writer, console.progress(None, "responses") as advance:
        scorer = scoring.Scorer(
            chosen,
            tokenize,
            scoring.open_embedder(embedder, device, console.note) if scoring.needs_embedder(chosen) else None,
            scoring.open_language_model(
                quality_model,
                LoadOptions(dtype=dtype, device=device, four_bit=bool(four_bit), trust_remote_code=trust_remote_code),
                console.note,
            )
            if scoring.needs_language_model(chosen)
            else None,
        )
        for records in scorer.run(unfinished_groups(groups, old, [metric.name for metric in chosen])):
            for record in records:
                writer.write(record)
            advance(len(records))
    console.note(f"{writer.written:,} responses scored: {', '.join(metric.name for metric in chosen)}")
