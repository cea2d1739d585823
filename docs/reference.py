"""Write docs/reference.md from the code: every command with its options, every method, task, prompt set and metric."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from inspect import unwrap
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import typer.main

from divtool.cli.main import app
from divtool.core.catalog import METHODS, PROMPT_SETS, STRATEGIES, TASKS, Entry
from divtool.core.metrics.catalog import METRICS, PRESETS

PLACE = Path(__file__).with_name("reference.md")


def reference() -> str:
    """The page."""
    parts = [
        "# Reference\n",
        "Every command with its options, and every name they take. "
        "Written by `python docs/reference.py` from the code.\n",
        "## Commands\n",
    ]
    for name, command in typer.main.get_command(app).commands.items():
        parts.append(f"### `divtool {name}`\n\n{_text(command.help or '')}\n")
        parts += _options(command)
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
        "Direction: `+` higher is more diverse, `-` lower is, `0` no measure of diversity. "
        "`divtool metrics --json` has the same, and what each is computed from.\n"
    )
    members = [(f"`{name}`", ", ".join(f"`{member}`" for member in names)) for name, names in PRESETS.items()]
    parts.append(_table(("preset of `score`", "metrics"), members))
    for level, title in _LEVELS.items():
        rows = [
            (f"`{m.name}`", f"`{m.direction}`", m.formula, m.range, m.null, _linked(m.source))
            for m in METRICS.values()
            if m.level == level
        ]
        parts.append(f"### {title}\n")
        parts.append(_table(("name", "direction", "formula", "range", "null when", "source"), rows))
    return "\n".join(parts)


_LEVELS = {
    "response": "Of one response",
    "group": "Of a response among those of its prompt",
    "decile": "Diversity Deciles: of a response among texts of its length",
    "set": "Of the responses to a prompt",
    "run": "Of a whole run",
}


def _options(command: Any) -> Iterator[str]:
    """A table for each panel of the help, under the panel's name."""
    panels: dict[str, list[tuple[str, ...]]] = {}
    kinds = get_type_hints(unwrap(command.callback))
    for parameter in command.params:
        row = _option(parameter, _choices(kinds[parameter.name]))
        panels.setdefault(getattr(parameter, "rich_help_panel", None) or "", []).append(row)
    for panel, rows in panels.items():
        if panel:
            yield f"**{panel}**\n"
        yield _table(("option", "default", "what"), rows)


def _option(parameter: Any, choices: list[str]) -> tuple[str, str, str]:
    argument = parameter.param_type_name == "argument"
    names = parameter.metavar or parameter.name if argument else ", ".join(parameter.opts + parameter.secondary_opts)
    default = "on" if parameter.default is True else parameter.default
    what = _text(parameter.help or "")
    if choices:
        what += f" {'One of' if choices[1:] else 'Takes'} {', '.join(f'`{choice}`' for choice in choices)}."
    unset = default is None or default is False or default == ""
    return f"`{names}`", "" if unset else f"`{default}`", what


def _choices(kind: Any) -> list[str]:
    """The values of a `Literal`, or of one that may be None."""
    if get_origin(kind) is Literal:
        return [str(value) for value in get_args(kind)]
    return [value for part in get_args(kind) for value in _choices(part)]


def _text(text: str) -> str:
    """A help text in one line, with options and commands as code."""
    line = " ".join(text.split())
    return re.sub(r"(`[^`]*`)|(--[a-z][a-z-]*|divtool [a-z-]+)", lambda found: found[1] or f"`{found[2]}`", line)


def _linked(source: str) -> str:
    """A source, its papers as links."""
    return re.sub(r"(?:arXiv )?(\d{4}\.\d{5})", r"[arXiv \1](https://arxiv.org/abs/\1)", source)


def _entry(entry: Entry) -> tuple[str, str, str, str]:
    return f"`{entry.name}`", ", ".join(entry.commands), _text(entry.summary), _linked(entry.source)


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [" | ".join(columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines) + "\n"


if __name__ == "__main__":
    PLACE.write_text(reference(), encoding="utf-8")
    sys.stderr.write(f"wrote {PLACE.name}\n")
