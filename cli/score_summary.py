"""The end of a run of `divtool score`: what was collected is written, and what was done is said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import console
from .layout import Column
from .marks import histogram

if TYPE_CHECKING:
    from ..core.metrics.distribution import Distribution


def finish(stage: Any, planned: Any, sha256: str, save_deciles: Path | None, report: Path | None) -> None:
    """Write what was collected, and say what was done."""
    summary = stage.summary
    console.note(f"{summary.responses:,} responses scored: {', '.join(stage.names)}")
    if summary.empty:
        console.note(f"{summary.empty:,} of them without a word: most of their scores are null")
    for name, share in summary.often_null().items():
        console.warn(f"{name} is null for {share:.0%} of the responses ({_null_rule(name)})")
    if stage.judge is not None:
        console.note(stage.judge.summary())
    if save_deciles is not None:
        for warning in stage.builder.warnings:
            console.warn(warning)
        made = stage.builder.build(planned.definitions, tokenizer=planned.tokenizer, sha256=sha256)
        _write_json(save_deciles, made)
        console.note(f"wrote {save_deciles}: {stage.builder.coverage(made)}")
    if stage.distributions is not None:
        show_distributions(stage.distributions.report(), summary.responses)
    if report is not None:
        from ..core.provenance import account
        from .length_table import show_length_bias

        found = stage.length_bias.report()
        for name, metric in found["metrics"].items():
            metric["definition"] = planned.definitions.get(name)
        _write_json(report, found | account(console.command_line()))
        show_length_bias(found)


def show_distributions(found: Sequence[Distribution], responses: int) -> None:
    """A row a score: where its values lie, what they look like, whether they follow length.

    Args:
        found: The scores.
        responses: How many were scored in all.
    """
    from ..core.metrics.distribution import QUANTILES

    columns = (
        Column("score"),
        Column("dir", drop=5),
        Column("null", drop=4),
        Column("mean"),
        Column("sd", drop=1),
        Column("min", drop=6),
        Column("25 %", drop=9),
        Column("median", drop=7),
        Column("75 %", drop=8),
        Column("max", drop=6),
        Column("min to max", drop=2, kind="whole"),
        Column("Spearman with length", drop=10),
        Column("favours", drop=3, kind="words"),
    )
    rows = [
        (
            one.name,
            one.direction,
            one.missing,
            one.mean,
            one.sd,
            *(one.quantiles or [None] * len(QUANTILES)),
            histogram(one.counts),
            None if one.spearman is None else f"{one.spearman:+.2f}",
            one.follows.removeprefix("favours "),
        )
        for one in found
    ]
    console.table(f"Scores of {responses:,} responses", columns, rows)


def _write_json(path: Path, value: object) -> None:
    import orjson

    from ..core.output import replacing

    with replacing(path) as temporary:
        temporary.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _null_rule(name: str) -> str:
    from ..core.metrics.catalog import METRICS

    return METRICS["dd_<metric>" if name.startswith("dd_") else name].null
