"""Write docs/reference.md from the code: every command with its options, every method, task, prompt set and metric."""

from __future__ import annotations

import sys
from pathlib import Path

import typer.main

from divtool.cli.main import app
from divtool.core.catalog import METHODS, PROMPT_SETS, STRATEGIES, TASKS, Entry
from divtool.core.metrics.catalog import METRICS, PRESETS

PLACE = Path(__file__).with_name("reference.md")


def reference() -> str:
    """The page."""
    parts = ["# Reference\n\nWritten by `python docs/reference.py` from the code.\n"]
    commands = typer.main.get_command(app).commands
    parts.append("## Commands\n")
    for name, command in commands.items():
        parts.append(f"### `divtool {name}`\n\n{' '.join((command.help or '').split())}\n")
        rows = [_option(parameter) for parameter in command.params]
        parts.append(_table(("option", "default", "what"), rows))
    for title, table in (
        ("Methods", METHODS),
        ("Tasks", TASKS),
        ("Prompt sets", PROMPT_SETS),
        ("Strategies", STRATEGIES),
    ):
        parts.append(f"## {title}\n")
        parts.append(_table(("name", "commands", "what", "source"), [_entry(entry) for entry in table.values()]))
    parts.append("## Metrics\n")
    parts.append(
        "Presets: " + "; ".join(f"`{name}`: {', '.join(members)}" for name, members in PRESETS.items()) + ".\n"
    )
    rows = [
        (f"`{m.name}`", m.level, m.direction, m.formula, m.range, m.takes, m.null, m.source) for m in METRICS.values()
    ]
    parts.append(
        _table(("name", "level", "direction", "formula", "range", "computed from", "null when", "source"), rows)
    )
    return "\n".join(parts)


def _option(parameter: object) -> tuple[str, str, str]:
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])  # type: ignore[attr-defined]
    default = parameter.default  # type: ignore[attr-defined]
    return f"`{names}`", "" if default is None else f"`{default}`", parameter.help or ""  # type: ignore[attr-defined]


def _entry(entry: Entry) -> tuple[str, str, str, str]:
    return f"`{entry.name}`", ", ".join(entry.commands), entry.summary, entry.source


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [" | ".join(columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines) + "\n"


if __name__ == "__main__":
    PLACE.write_text(reference(), encoding="utf-8")
    sys.stderr.write(f"wrote {PLACE.name}\n")
