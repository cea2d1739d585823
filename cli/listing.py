"""`divtool methods | metrics | tasks | prompt-sets | strategies`: what there is, one line each."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Annotated

import typer

from ..core.errors import ClosedPipe

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, with every field.")]


def methods(as_json: AsJson = False) -> None:
    """List the methods of select and train, with their papers."""
    from ..core.catalog import METHODS

    _entries(METHODS.values(), as_json)


Export = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,...",
        help="Write built-in targets of train --method diffuse as target records instead, to be edited: a preset "
        "(diffuse, diffuse-quick, diffuse-quick-held-out, diffuse-wide, biographies), a family, or family/id.",
    ),
]


def tasks(as_json: AsJson = False, export: Export = None) -> None:
    """List the tasks of eval and random-audit; with --export, write built-in targets as records."""
    if export is not None:
        _export(export)
        return
    from ..core.audit.catalog import entries
    from ..core.catalog import TASKS

    _entries([*TASKS.values(), *entries()], as_json)


def prompt_sets(as_json: AsJson = False) -> None:
    """List the built-in prompt sets of sample."""
    from ..core.catalog import PROMPT_SETS

    _entries(PROMPT_SETS.values(), as_json)


def strategies(as_json: AsJson = False) -> None:
    """List the strategies of sample: how a prompt is asked, with their papers."""
    from ..core.catalog import STRATEGIES

    _entries(STRATEGIES.values(), as_json)


def metrics(as_json: AsJson = False) -> None:
    """List the metrics: formula, direction, when null, source."""
    from ..core.metrics.catalog import METRICS

    rows = [
        {
            "name": m.name,
            "level": m.level,
            "direction": m.direction,
            "formula": m.formula,
            "range": m.range,
            "takes": m.takes,
            "null": m.null,
            "source": m.source,
        }
        for m in METRICS.values()
    ]
    _print(rows, ("name", "level", "direction", "formula", "takes", "null", "source"), as_json)


def _export(names: str) -> None:
    from ..core.targets.builtin import export
    from ..core.writer import RecordWriter

    with RecordWriter("-") as writer:  # in UTF-8, whatever the terminal's encoding
        for record in export(names):
            writer.write(record)


def _entries(entries: Iterable[object], as_json: bool) -> None:
    from ..core.catalog import Entry

    rows = [
        {"name": e.name, "commands": ", ".join(e.commands), "summary": e.summary, "source": e.source}
        for e in entries
        if isinstance(e, Entry)
    ]
    _print(rows, ("name", "commands", "summary", "source"), as_json)


def _print(rows: Sequence[dict[str, str]], columns: Sequence[str], as_json: bool) -> None:
    """To standard output: here the list itself is the result."""
    if as_json:
        import orjson

        _write(orjson.dumps(row).decode() for row in rows)
    elif not sys.stdout.isatty():
        _write("\t".join(row[column] for column in columns) for row in rows)
    else:
        _show(rows, columns)


def _write(lines: Iterable[str]) -> None:
    try:
        for line in lines:
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise ClosedPipe from None


def _show(rows: Sequence[dict[str, str]], columns: Sequence[str]) -> None:
    """On a terminal; names stay whole, to be typed."""
    from . import console
    from .layout import Column

    drops = {"takes": 3, "null": 2, "source": 1}
    heads = [Column(name, drops.get(name, 0), "whole" if name == "name" else "words") for name in columns]
    console.print_table(console.stdout(), "", heads, [[row[name] for name in columns] for row in rows])
