"""Starts `accelerate launch` for the same command line, and ends as it ends. Free of torch until then."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from importlib import resources
from pathlib import Path
from types import FrameType
from typing import Any

import yaml

from ...errors import DivtoolError, InputError, UsageError, reason, require_extra, unknown_name
from ..processes import COMMAND, INPUT, check_readable, here

# The options of `train` that the processes themselves are started without.
_OWN = ("--launch", "--config", "--processes")
# Names of the configurations that come with the package.
CONFIGS = ("ddp", "fsdp2", "deepspeed-zero2", "deepspeed-zero3")


class Ended(DivtoolError):
    """A process failed, and has said why; or it was killed, which nobody has said.

    Args:
        status: The status that the first of them ended with, or minus the signal that killed it.
        rank: Which it was.
    """

    def __init__(self, status: int, rank: int = 0) -> None:
        killed = f"process {rank} was killed by {signal.Signals(-status).name}" if status < 0 else ""
        super().__init__(f"{killed}; perhaps memory ran out; --resume goes on" if killed else "")
        self.exit_code = status if status > 0 else 128 - status


def launch(
    config: str, processes: int | None, arguments: Sequence[str], source: str, held_out: str | None = None
) -> None:
    """Run a command line of `train` in several processes, to their end.

    Args:
        config: A file for accelerate, or one of `CONFIGS`.
        processes: How many, on all machines together; None is what the file says, or one a GPU.
        arguments: The command line behind `divtool`, this launch's own options included.
        source: What the run reads; standard input is read here, once.
        held_out: What it reads besides.

    Raises:
        UsageError: The processes are started already, it is not known how many to start, or they cannot read a source.
        DivtoolError: The configuration cannot be used, or a package is missing.
        Ended: A process failed.
    """
    if here().several:
        raise UsageError("--launch: this is one of several processes already; leave --launch and --config out")
    check_readable(None if source == "-" else source, held_out)
    with ExitStack() as stack:
        path = str(stack.enter_context(_file(config)))
        known = _read(path)
        for module in ("torch", "accelerate"):
            require_extra(module, "train")
        count, machines = _count(known, processes), known.get("num_machines") or 1
        # A process that is killed takes nothing away: what it has left goes with this folder.
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="divtool-", ignore_cleanup_errors=True))
        environment = {COMMAND: _joined(arguments), "TMPDIR": folder}
        if known.get("use_cpu"):
            environment["CUDA_VISIBLE_DEVICES"] = ""  # What the processes pick by themselves is a GPU.
        if source == "-":
            environment[INPUT] = _spooled(folder)
        options = ["--config_file", path, "--num_processes", str(count), "--module", "--log_dir", folder]
        if _of_cpu(known) and count > 1:
            options.append("--multi_gpu")  # Without it accelerate starts processes on a CPU through MPI alone.
        if machines == 1 and known.get("main_process_port") is None:
            options += ["--main_process_port", "0"]  # A free one.
        _run([*options, "divtool", *without(arguments)], _threads(count // machines) | environment)


def without(arguments: Sequence[str]) -> list[str]:
    """A command line without the options of the launch."""
    left: list[str] = []
    rest = iter(arguments)
    for word in rest:
        name = word.partition("=")[0]
        if name not in _OWN:
            left.append(word)
        elif "=" not in word:
            next(rest, None)
    return left


def _joined(arguments: Sequence[str]) -> str:
    import shlex

    return shlex.join(["divtool", *arguments])


@contextmanager
def _file(config: str) -> Iterator[Path]:
    """The file behind a name, one that is there before one of ours.

    Raises:
        UsageError: Neither a file nor a known name.
    """
    if Path(config).is_file():
        yield Path(config)
        return
    if config not in CONFIGS:
        if Path(config).suffix in (".yaml", ".yml", ".json") or os.sep in config:
            raise UsageError(f"--config {config}: no such file; known names: {', '.join(CONFIGS)}")
        raise unknown_name("configuration", config, CONFIGS)
    with resources.as_file(resources.files(__package__).joinpath(f"{config}.yaml")) as path:
        yield path


def _read(path: str) -> dict[str, Any]:
    """What a configuration says, looked at before torch is imported.

    Raises:
        InputError: It is no YAML, or no table of settings.
    """
    try:
        known = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(path, f"is no YAML that can be read ({reason(error)})", "see accelerate config") from None
    if not isinstance(known, dict) or "distributed_type" not in known:
        raise InputError(path, "is no configuration of accelerate", f"write one, or use {', '.join(CONFIGS)}")
    for name in ("num_processes", "num_machines", "machine_rank", "main_process_port"):
        if not isinstance(known.get(name), int | None):
            raise InputError(path, f"'{name}' is {known[name]!r}, and not a whole number", "mend it")
    if known["distributed_type"] == "DEEPSPEED":
        require_package("deepspeed")
    return known


def require_package(module: str) -> None:
    """Raise `DivtoolError` unless a package is there that no extra brings."""
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise DivtoolError(f"this configuration needs the package {module}: pip install {module}")


def _of_cpu(known: dict[str, Any]) -> bool:
    return str(known["distributed_type"]) in ("MULTI_CPU", "NO")


def _count(known: dict[str, Any], asked: int | None) -> int:
    """How many processes to start.

    Raises:
        UsageError: Nobody says, or the machines cannot have as many each.
    """
    machines = int(known.get("num_machines") or 1)
    given = asked or known.get("num_processes") or -1
    if given > 0:
        if given % machines:
            raise UsageError(f"{given} processes cannot be spread evenly over {machines} machines: see --processes")
        return int(given)
    import torch

    gpus = 0 if known.get("use_cpu") else torch.cuda.device_count()
    if not gpus:
        raise UsageError("--launch: torch sees no GPU here; say how many processes to start with --processes")
    return gpus * machines


def _spooled(folder: str) -> str:
    """Standard input as a file, which every process can read."""
    path = Path(folder, "input.jsonl")
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return str(path)


def _run(options: Sequence[str], environment: dict[str, str]) -> None:
    """Start the processes and wait for them.

    Raises:
        DivtoolError: accelerate refuses the configuration.
        Ended: A process failed.
    """
    import psutil
    from accelerate.commands.launch import launch_command, launch_command_parser
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    args = launch_command_parser().parse_args(list(options))
    # Ctrl-C is passed on here, once: torch's own way would kill a process that takes long to write its checkpoint.
    args.signals_to_handle = "SIGTERM,SIGHUP,SIGQUIT"
    handler = signal.signal(signal.SIGINT, partial(_pass_on, psutil.Process()))
    logging.disable(logging.CRITICAL)  # A process that failed has said why.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            launch_command(args)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        raise Ended(failure.exitcode, rank) from None
    except SignalException as error:
        raise Ended(128 + int(error.sigval)) from None
    except subprocess.CalledProcessError as error:  # One process is started without torch's launcher.
        raise Ended(error.returncode) from None
    except Exception as error:
        raise DivtoolError(f"--config: accelerate refuses it: {reason(error)}") from error
    finally:
        logging.disable(logging.NOTSET)
        signal.signal(signal.SIGINT, handler)
        for name, value in before.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value


def _threads(count: int) -> dict[str, str]:
    """As many threads a process as there are cores for it; accelerate and torch would take one."""
    if "OMP_NUM_THREADS" in os.environ:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // count))}


def _pass_on(own: Any, number: int, frame: FrameType | None) -> None:
    """Ctrl-C for every process; they are not of the terminal's group.

    Raises:
        KeyboardInterrupt: None has been started yet.
    """
    children = own.children()
    if not children:
        raise KeyboardInterrupt
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGINT)
