"""A process that has the libraries loaded and serves shells: each `divtool` there runs in a fork of it.

A new process costs seconds of imports wherever a model is at work, and a page of the docs has a dozen of them. Folder,
arguments, environment, standard streams and exit status are those of the caller, pipes included.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

_LIBRARIES = (
    "numpy", "scipy.stats", "scipy.cluster.hierarchy", "torch", "transformers", "transformers.models.llama",
    "transformers.models.bert", "sentence_transformers", "peft", "datasets", "trl.trainer.dpo_trainer", "altair",
    "vl_convert", "jinja2", "rich.progress",
)  # fmt: skip
# The program as the shells see it: it gives its streams away and waits for the status.
_CALLER = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({path!r})
    asked = dict(arguments=sys.argv[1:], folder=os.getcwd(), environment=dict(os.environ))
    socket.send_fds(server, [json.dumps(asked).encode() + b"\\n"], [0, 1, 2])
    sys.exit(int(server.recv(16) or 1))
"""


def serve(folder: Path) -> NoReturn:
    """Put the program into a folder and serve it there; a line on standard output says when that begins."""
    program, path = folder / "divtool", str(folder / "socket")
    program.write_text(_CALLER.format(python=sys.executable, path=path))
    program.chmod(0o755)
    for name in _LIBRARIES:
        with suppress(ImportError):
            importlib.import_module(name)
    importlib.import_module("divtool.cli.main")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()  # Else the first collection of every fork copies all memory.
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("serving", flush=True)  # noqa: T201
        while True:
            caller, _ = listener.accept()
            if not os.fork():
                listener.close()
                _answer(caller)
            caller.close()


def _answer(caller: socket.socket) -> NoReturn:
    """Run what is asked in a further fork, and tell the caller its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    said, streams, _, _ = socket.recv_fds(caller, 1 << 16, 3)
    while not said.endswith(b"\n"):
        said += caller.recv(1 << 16)
    runner = os.fork()
    if not runner:
        caller.close()
        _become(json.loads(said), streams)
    for stream in streams:  # Else a pipe of the program's would not end with it.
        os.close(stream)
    status = os.waitstatus_to_exitcode(os.waitpid(runner, 0)[1])
    caller.sendall(str(status if status >= 0 else 128 - status).encode())
    os._exit(0)


def _become(asked: dict[str, Any], streams: list[int]) -> NoReturn:
    """Be the program. An ordinary exit would take everything apart that is loaded, which costs more than most runs."""
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.argv = ["divtool", *asked["arguments"]]
    status = 1
    try:
        importlib.import_module("divtool.cli.main").main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
