"""`divtool select`: scored responses to preference pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from . import console
from . import options as o

if TYPE_CHECKING:
    from ..core.selection.run import Outcome

_LENGTH = "Length"
_RULES = "Diversity and quality"


def select(
    scored: o.Input = None,
    output: o.Output = "-",
    method: Annotated[
        str,
        typer.Option(
            "--method", help="diverse-ns, diverse-ns-lite, no-length, quality-only, random; see divtool methods."
        ),
    ] = "diverse-ns-lite",
    pairs: Annotated[int, typer.Option("--pairs", help="Most pairs to keep.")] = 3000,
    per_prompt: Annotated[
        int, typer.Option("--per-prompt", help="Most pairs a prompt; each response is used once.")
    ] = 1,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="Funnel and audit as one JSON object.", metavar="FILE", dir_okay=False),
    ] = None,
    audit: Annotated[
        Literal["fail", "warn"], typer.Option("--audit", help="warn: write the pairs even if the length audit fails.")
    ] = "fail",
    length_tolerance: Annotated[
        float, typer.Option("--length-tolerance", help="Largest difference in length.", rich_help_panel=_LENGTH)
    ] = 5.0,
    length_unit: Annotated[
        Literal["words", "tokens", "chars"],
        typer.Option("--length-unit", help="What length is counted in.", rich_help_panel=_LENGTH),
    ] = "words",
    length_relative: Annotated[
        float | None,
        typer.Option("--length-relative", help="And at most this share of the longer text.", rich_help_panel=_LENGTH),
    ] = None,
    balance: Annotated[
        bool,
        typer.Option(
            "--balance/--no-balance", help="Bring the mean difference in length to zero.", rich_help_panel=_LENGTH
        ),
    ] = True,
    min_words: Annotated[
        int, typer.Option("--min-words", help="Leave out shorter responses.", rich_help_panel=_LENGTH)
    ] = 50,
    diversity: Annotated[
        str | None,
        typer.Option(
            "--diversity", help="Metrics that must all rise, by commas.", metavar="A,B", rich_help_panel=_RULES
        ),
    ] = None,
    quality_metric: Annotated[
        str | None,
        typer.Option("--quality-metric", help="Score that must not fall.", metavar="NAME", rich_help_panel=_RULES),
    ] = None,
    quality_eps: Annotated[
        float, typer.Option("--quality-eps", help="By how much it may fall.", rich_help_panel=_RULES)
    ] = 0.0,
    quality_floor: Annotated[
        float,
        typer.Option(
            "--quality-floor", help="Quantile of the run that a chosen text must reach.", rich_help_panel=_RULES
        ),
    ] = 0.25,
    orientation: Annotated[
        Literal["second", "either", "any"],
        typer.Option(
            "--orientation",
            help="Chosen is the second turn; the more diverse turn; any response.",
            rich_help_panel=_RULES,
        ),
    ] = "second",
    pairing: Annotated[
        Literal["cross", "own"],
        typer.Option("--pairing", help="All first with all second turns, or each chat's own.", rich_help_panel=_RULES),
    ] = "cross",
    base: Annotated[
        str, typer.Option("--base", help="no-length: the method whose other rules it takes.", rich_help_panel=_RULES)
    ] = "diverse-ns-lite",
    shuffle_labels: Annotated[
        bool, typer.Option("--shuffle-labels", help="Control: swap sides at random; must train to nothing.")
    ] = False,
    tokenizer: Annotated[str, typer.Option("--tokenizer", help="word, whitespace or char.")] = "word",
    seed: o.Seed = 0,
    regroup: o.Regroup = False,
    on_error: o.OnError = "stop",
) -> None:
    """Choose preference pairs of equal length, and audit them.

    Reads scored responses and writes pairs that TRL's trainers read as they are. Nothing is written before the audit has passed.
    """
    from ..core.catalog import split_names
    from ..core.jsonl import RecordWriter
    from ..core.records import check_scored
    from ..core.selection.recipe import SelectOptions
    from ..core.selection.run import pair_recipe, raise_failure, select_pairs
    from .streams import ReadingGroups

    options = SelectOptions(
        pairs=pairs,
        length_tolerance=length_tolerance,
        length_unit=length_unit,
        length_relative=length_relative,
        pairing=pairing,
        orientation=orientation,
        diversity=tuple(split_names(diversity)) if diversity else None,
        quality_metric=quality_metric,
        quality_eps=quality_eps,
        quality_floor=quality_floor,
        min_words=min_words,
        per_prompt=per_prompt,
        balance=balance,
        shuffle_labels=shuffle_labels,
        tokenizer=tokenizer,
        seed=seed,
        base=base,
    )
    pair_recipe(method, options)
    groups = ReadingGroups(o.source(scored), check_scored, on_error, regroup)
    with RecordWriter(output) as writer:
        outcome = select_pairs(method, groups, options, writer, audit)
        _show(outcome)
        if report is not None:
            write_report(report, {**outcome.report(method, options), "input_sha256": groups.sha256})
        raise_failure(outcome)


def write_report(path: Path, content: dict[str, object]) -> None:
    """Write the report as one JSON object, whole or not at all."""
    import orjson

    from .. import __version__
    from ..core.jsonl import replacing

    with replacing(path) as scratch:
        scratch.write_bytes(orjson.dumps({**content, "divtool": __version__}, option=orjson.OPT_INDENT_2))


def _show(outcome: Outcome) -> None:
    console.table(
        "Funnel",
        ("stage", "entered", "kept", "counts", "mostly dropped for"),
        [
            (stage.name, stage.entered, stage.kept, stage.unit, _reasons(stage.dropped.most_common(2)))
            for stage in outcome.selection.funnel.stages
        ],
    )
    audit = outcome.audit
    console.table(
        f"Pair audit: {audit.verdict}, {audit.pairs} pairs",
        ("check", "found", "limit", "verdict"),
        [(check.check, check.value, check.limit, check.verdict) for check in audit.checks],
    )
    if audit.pairs:
        _show_figures(audit.as_dict())
    for line in outcome.selection.warnings:
        console.warn(line)
    if audit.verdict == "warn":
        console.warn(audit.message)


def _show_figures(figures: dict[str, object]) -> None:
    lengths = figures["lengths"]
    assert isinstance(lengths, dict)
    rows = [
        (f"{side}, {unit}", *(summary[name] for name in ("mean", "median", "sd", "p5", "p95")))
        for unit, sides in lengths.items()
        for side, summary in sides.items()
    ]
    console.table("Lengths", ("", "mean", "median", "sd", "5 %", "95 %"), rows)
    histogram, cues = figures["delta_histogram"], figures["cue_accuracy"]
    assert isinstance(histogram, dict)
    assert isinstance(cues, dict)
    bars = console.bars(histogram["counts"])
    edge = histogram["edges"][-1]
    console.note(f"words, chosen - rejected: {-edge:+.1f} {bars} {edge:+.1f}")
    console.note(
        "a guess by one cue finds the chosen: " + ", ".join(f"{cue} {share:.0%}" for cue, share in cues.items())
    )


def _reasons(dropped: list[tuple[str, int]]) -> str:
    return ", ".join(f"{reason} {n:,}" for reason, n in dropped)
