"""A process that has the libraries loaded, and forks a run of the program from itself for every request.

A new process costs seconds of imports wherever a model is at work. A fork has them already, and is otherwise a process
like any: its streams, folder, environment and exit status are its own. What it does not show is which modules a
command loads, what libraries say while they are loaded, another hash seed, and the interpreter's own end; tests of
these start a new process.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

_SECONDS = 300


def serve() -> None:
    """Answer each line of standard input, a request, with the process's number, and at its end the exit status."""
    requests, replies = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w", buffering=1)
    importlib.import_module("divtool.cli.main")
    for line in requests:
        request = json.loads(line)
        gc.freeze()  # Else the first collection of every fork copies all memory.
        child = os.fork()
        if not child:
            _become(request)
        replies.write(f"{child}\n")
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        _load(Path(request["modules"]))
        replies.write(f"{status}\n")


def _become(request: dict[str, Any]) -> NoReturn:
    """Be the program. An ordinary exit would take everything apart that is loaded, which costs more than most runs."""
    signal.alarm(_SECONDS)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for number, path in enumerate(request["streams"]):
        os.dup2(os.open(path, os.O_WRONLY if number else os.O_RDONLY), number)
    status = 1
    try:
        status = _run(request["arguments"])
    except BaseException:
        traceback.print_exc()
    Path(request["modules"]).write_text("\n".join(sys.modules))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _run(arguments: list[str]) -> int:
    sys.argv = ["divtool", *arguments]
    try:
        importlib.import_module("divtool.cli.main").main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _load(names: Path) -> None:
    """Import what the last fork had to; the package's own modules are for every fork to import anew."""
    for name in names.read_text().splitlines():
        if name not in sys.modules and not name.startswith(("divtool", "__mp_main__")):
            with suppress(Exception):
                importlib.import_module(name)


if __name__ == "__main__":
    serve()
