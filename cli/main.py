"""The command table, and the one place where errors become exit statuses."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from typing import Annotated

import typer

from .. import __version__
from ..core.errors import EXTRA_OF, DivtoolError, Interrupted, extra_missing
from . import console, ranks
from .cleaning import Guard, Said
from .eval import evaluate
from .interrupts import STATUS as INTERRUPTED
from .interrupts import Interrupts
from .listing import methods, metrics, prompt_sets, strategies, tasks
from .merge import merge
from .prompts import prompts
from .random_audit import random_audit
from .report import report
from .sample import sample
from .score import score
from .select import select
from .train import train

_PIPE = "The pipe"
_LISTS = "What there is"

app = typer.Typer(
    name="divtool",
    help="Measure and train the [bold]diversity[/bold] of language-model output, "
    "at equal length and equal quality.\n\n"
    "One pipe of JSON Lines: [cyan]sample | score | select | train | eval[/cyan], "
    "and one page at the end: [cyan]report[/cyan]. "
    "Each command reads a file or standard input and writes records to standard output or to [cyan]-o FILE[/cyan]; "
    "what people read goes to standard error.",
    epilog="Try: divtool sample --builtin scenes --count 2 --backend echo | divtool score | head -1",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for name, command, panel in (
    ("sample", sample, _PIPE),
    ("score", score, _PIPE),
    ("select", select, _PIPE),
    ("train", train, _PIPE),
    ("merge", merge, _PIPE),
    ("eval", evaluate, _PIPE),
    ("random-audit", random_audit, _PIPE),
    ("report", report, _PIPE),
    ("methods", methods, _LISTS),
    ("metrics", metrics, _LISTS),
    ("tasks", tasks, _LISTS),
    ("prompt-sets", prompt_sets, _LISTS),
    ("strategies", strategies, _LISTS),
    ("prompts", prompts, _LISTS),
):
    app.command(name, rich_help_panel=panel)(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"divtool {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; works behind a command too.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; a `DivtoolError` becomes one line on standard error and its exit status."""
    interrupts = Interrupts()
    interrupts.listen()
    # Taken out here, so that it works in front of a command and behind it.
    debug = "--debug" in sys.argv
    sys.argv[1:] = [argument for argument in sys.argv[1:] if argument != "--debug"]
    ranks.begin()
    _guard()
    try:
        try:
            status = app(standalone_mode=False)
        finally:
            interrupts.end()
        raise SystemExit(status)
    except BaseException as raised:
        error = ranks.end(raised)
        silent = isinstance(error, DivtoolError) and not str(error)
        if debug and not silent and not isinstance(error, (SystemExit, Interrupted)):
            raise
        _conclude(_lacking(error), interrupts.heard)


def _lacking(error: BaseException) -> BaseException:
    """The error, or where it is a missing module of an extra, the one that says how to install it."""
    module = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    return extra_missing(module) if module in EXTRA_OF else error


def _conclude(error: BaseException, interrupted: bool) -> None:
    """Say what ended the run, and end with its status; what is no matter of the user's is raised again."""
    status = _status(error)
    if isinstance(error, Interrupted):
        console.note(str(error))
    elif isinstance(error, DivtoolError):
        if str(error):
            console.error(str(error))
    elif status == INTERRUPTED or (interrupted and status):
        console.note("interrupted")
    elif (said := _wrong_usage(error)) is not None:
        if said:
            console.error(said)
    elif isinstance(error, OSError):
        # One that nothing below could say more of: a full disk, a lost mount.
        console.error(f"{error}; --debug shows where")
    else:
        raise error
    _leave(INTERRUPTED if interrupted else status)


def _status(error: BaseException) -> int:
    """The exit status of what ended the run."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    status = getattr(error, "exit_code", 1)
    return status if isinstance(status, int) else 1


def _wrong_usage(error: BaseException) -> str | None:
    """What typer says of a command line that it cannot read, and where help is; None for any other error.

    Empty where it has shown the help.
    """
    message = getattr(error, "format_message", None)
    if message is None:
        return None
    said, context = message().rstrip("."), getattr(error, "ctx", None)
    return f"{said}; see {context.command_path} --help" if said and context is not None else said


def _guard() -> None:
    """Let nothing reach standard error that has not been cleaned, whoever writes it."""
    if sys.stderr is None:
        return
    sys.stderr = Guard(sys.stderr)
    logging.lastResort = Said(console.warn)
    warnings.showwarning = _warned


def _warned(message: Warning | str, *_: object, **__: object) -> None:
    """A warning of Python's as one line, without a place in the code."""
    console.warn(str(message))


def _leave(status: int) -> None:
    """End at once: at an ordinary exit, Python would flush a closed standard output and complain."""
    sys.stderr.flush()
    os._exit(status)
