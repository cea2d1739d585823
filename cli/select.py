"""`divtool select`: scored responses to preference pairs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from . import console
from . import options as o
from .pair_audit import show_audit

if TYPE_CHECKING:
    from ..core.selection.run import Outcome

_length = partial(typer.Option, rich_help_panel="Length")
_rule = partial(typer.Option, rich_help_panel="Diversity and quality")


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
    shuffle_labels: Annotated[
        bool, typer.Option("--shuffle-labels", help="Control: swap sides at random; must train to nothing.")
    ] = False,
    tokenizer: Annotated[str, typer.Option("--tokenizer", help="word, whitespace or char.")] = "word",
    seed: o.Seed = 0,
    regroup: o.Regroup = False,
    on_error: o.OnError = "stop",
    length_tolerance: Annotated[float, _length("--length-tolerance", help="Largest difference in length.")] = 5.0,
    length_unit: Annotated[
        Literal["words", "tokens", "chars"], _length("--length-unit", help="What length is counted in.")
    ] = "words",
    length_relative: Annotated[
        float | None, _length("--length-relative", help="And at most this share of the longer text.")
    ] = None,
    balance: Annotated[
        bool, _length("--balance/--no-balance", help="Weigh length against diversity until chosen are no longer.")
    ] = True,
    min_words: Annotated[int, _length("--min-words", help="Leave out shorter responses.")] = 50,
    diversity: Annotated[
        str | None, _rule("--diversity", help="Metrics that must all rise, by commas.", metavar="A,B")
    ] = None,
    quality_metric: Annotated[
        str | None, _rule("--quality-metric", help="Score that must not fall.", metavar="NAME")
    ] = None,
    quality_eps: Annotated[float, _rule("--quality-eps", help="By how much it may fall.")] = 0.0,
    quality_floor: Annotated[
        float, _rule("--quality-floor", help="Quantile of the run that a chosen text must reach, where it is judged.")
    ] = 0.25,
    orientation: Annotated[
        Literal["second", "either", "any"],
        _rule("--orientation", help="Chosen is the second turn; the more diverse turn; any response."),
    ] = "second",
    pairing: Annotated[
        Literal["cross", "own"], _rule("--pairing", help="All first with all second turns, or each chat's own.")
    ] = "cross",
    base: Annotated[str, _rule("--base", help="no-length: the method whose other rules it takes.")] = "diverse-ns-lite",
) -> None:
    """Choose preference pairs of equal length, and audit them.

    Reads scored responses and writes pairs that TRL's trainers read as they are.
    Nothing is written before the audit has passed.
    """
    from ..core.catalog import split_names
    from ..core.jsonl import RecordWriter, check_distinct
    from ..core.selection.needs import scored_check
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
    check = scored_check(pair_recipe(method, options))
    _check_folder(report)
    source = o.source(scored)
    check_distinct(output, source)
    if report is not None:
        check_distinct(report, source)
    groups = ReadingGroups(source, check, on_error, regroup)
    with RecordWriter(output) as writer:
        outcome = select_pairs(method, groups, options, writer, audit)
        _show(outcome)
        if report is not None:
            write_report(report, {**outcome.report(method, options), "input_sha256": groups.sha256})
        raise_failure(outcome)


def _check_folder(report: Path | None) -> None:
    """Refuse a report that could not be written, before the work."""
    from ..core.errors import UsageError

    if report is not None and not report.absolute().parent.is_dir():
        raise UsageError(f"--report {report}: the folder {report.parent} does not exist")


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
    show_audit(outcome.audit)
    for line in outcome.selection.warnings:
        console.warn(line)
    # A failed audit that ends the run is the error line; one that was waved through must still be heard.
    if outcome.failure is None and outcome.audit.verdict != "pass":
        console.warn(outcome.audit.message)


def _reasons(dropped: list[tuple[str, int]]) -> str:
    return ", ".join(f"{reason} {n:,}" for reason, n in dropped)
