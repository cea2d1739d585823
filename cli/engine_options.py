"""Options of the commands that can work on a cluster, each spelled once."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..core.errors import UsageError
from . import console

if TYPE_CHECKING:
    from ..core.jsonl import Row
    from ..core.scale.cluster import ClusterOptions
    from ..core.scale.parts import Parts
    from ..core.scale.spread import Spread

_PANEL = "Beyond one machine"
Engine = Annotated[
    Literal["local", "ray"],
    typer.Option(
        "--engine", help="ray: in shards, on a Ray cluster or on all cores of this machine.", rich_help_panel=_PANEL
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        help="Head of the cluster (RAY_ADDRESS; without both, this machine alone).",
        metavar="HOST:PORT",
        rich_help_panel=_PANEL,
    ),
]
RayWorkers = Annotated[
    int | None,
    typer.Option(
        "--ray-workers", min=1, help="Workers at a time (as many as there is room for).", rich_help_panel=_PANEL
    ),
]
WorkerCpus = Annotated[
    float | None, typer.Option("--worker-cpus", help="CPU cores a worker (1).", metavar="N", rich_help_panel=_PANEL)
]
WorkerGpus = Annotated[
    float | None,
    typer.Option(
        "--worker-gpus",
        help="GPUs a worker, 0.5 for two workers a GPU (1 for models, where there are any).",
        metavar="N",
        rich_help_panel=_PANEL,
    ),
]
ShardSize = Annotated[
    str | None,
    typer.Option("--shard-size", help="Bytes of input a shard, such as 32MB.", metavar="SIZE", rich_help_panel=_PANEL),
]
Scratch = Annotated[
    str | None,
    typer.Option(
        "--scratch",
        help="Folder that all machines see, for what shards have found (FILE.parts beside -o).",
        metavar="DIR",
        rich_help_panel=_PANEL,
    ),
]
ResumeShards = Annotated[
    bool,
    typer.Option("--resume", help="With --engine ray, go on from the shards that are done.", rich_help_panel=_PANEL),
]
# The options of this file, as parameters of a command.
NAMES = frozenset(
    {"engine", "ray_address", "ray_workers", "worker_cpus", "worker_gpus", "shard_size", "scratch", "resume"}
)
# What the records do not depend on, in no command.
_ELSEWHERE = NAMES | {
    "output", "workers", "responses", "scored", "prompts", "report", "summary", "save_deciles", "batch_size", "device",
    "embedding_cache", "junit", "unit_values", "on_error",
}  # fmt: skip
# What is to be done where a prompt is in two shards.
_APART = "its lines stand apart: begin anew with --regroup and another -o"
_SORT = "its lines stand apart: sort the input by prompt_id, or leave out --engine ray"
_TWICE = "give it an own prompt_id; for more responses use --samples"
_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_HASHED = 1 << 26  # bytes; of a larger file size and time will do
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) *([A-Za-z]*)")


def on_cluster(context: typer.Context) -> bool:
    """Whether the engine is Ray.

    Raises:
        UsageError: An option of Ray without it.
    """
    if context.params["engine"] == "ray":
        return True
    for name in ("ray_address", "ray_workers", "worker_cpus", "worker_gpus", "shard_size", "scratch"):
        if context.params.get(name) is not None:
            raise UsageError(f"--{name.replace('_', '-')} goes with --engine ray")
    return False


def cluster_options(context: typer.Context) -> ClusterOptions:
    """Where the cluster is, and what a worker takes of it.

    Raises:
        UsageError: A number that cannot be.
    """
    from ..core.scale.cluster import ClusterOptions

    given = context.params
    cpus = 1.0 if given["worker_cpus"] is None else given["worker_cpus"]
    for name, value in (("--worker-cpus", cpus), ("--worker-gpus", given["worker_gpus"] or 0.0)):
        if not 0 <= value < float("inf"):
            raise UsageError(f"{name} {value:g}: give a number of 0 or more")
    return ClusterOptions(
        address=given["ray_address"], workers=given["ray_workers"], cpus=cpus, gpus=given["worker_gpus"]
    )


def spread(
    context: typer.Context,
    source: str,
    parts: Parts,
    *,
    size: str,
    advance: Callable[[int], None],
    depends: Mapping[str, Any] | None = None,
    given: Iterable[Row] | None = None,
) -> Spread:
    """The input and the output of a run on a cluster.

    Args:
        context: The command, whose options the output depends on.
        source: The input: a file, a folder, a pattern or a URL.
        parts: Where the parts go.
        size: Usual size of a shard.
        advance: Hears how many records are done.
        depends: What else the output depends on; JSON values.
        given: Records that are in no file; they are written beside the parts.

    Raises:
        DivtoolError: Names or numbers that cannot be.
    """
    from .. import __version__
    from ..core import places
    from ..core.scale.shards import Shard
    from ..core.scale.spread import Spread

    if source == "-":
        raise UsageError("--engine ray reads files, folders, patterns and URLs: name one, standard input has no shards")
    options = {
        name: value if isinstance(value, (int, float, bool, type(None))) else str(value)
        for name, value in context.params.items()
        if name not in _ELSEWHERE
    }
    named = {name: _stamp(str(value)) for name, value in context.params.items() if name not in _ELSEWHERE and value}
    options |= {f"{name}, its content": stamp for name, stamp in named.items() if stamp}
    most, cluster = _bytes(context.params["shard_size"] or size), cluster_options(context)
    read, part = places.absolute(source).rstrip("/"), parts.part(Shard(0, 0, ""))
    if given is None and (read == parts.folder or fnmatchcase(part, read)):
        raise UsageError(f"{source}: a part such as {part} would be read as well; name another folder with -o")
    # Standard input has been refused, so a name is there unless the records are.
    files = [places.absolute(name) for name in places.files(source)] if given is None else [parts.given(given)]
    return Spread(
        source=source,
        files=files,
        size=most,
        parts=parts,
        identity={"divtool": __version__, "command": context.info_name, "options": options, **(depends or {})},
        resume=bool(context.params.get("resume")),
        regroup=bool(context.params.get("regroup")),
        mend=_TWICE if context.info_name == "sample" else _APART if "regroup" in context.params else _SORT,
        skip_bad=context.params["on_error"] == "skip",
        cluster=cluster,
        note=console.note,
        advance=advance,
    )


def _stamp(name: str) -> str:
    """What changes with the content of a file or folder that an option names; "" where there is none."""
    from ..core import places

    if os.path.isfile(name):
        small = os.path.getsize(name) <= _HASHED
        return hashlib.sha256(Path(name).read_bytes()).hexdigest()[:16] if small else places.stamped(name)[1]
    if not os.path.isdir(name):
        return ""
    inside = [f"{file} {places.stamped(os.path.join(name, file))[1]}" for file in sorted(os.listdir(name))]
    return hashlib.sha256("\n".join(inside).encode()).hexdigest()[:16]


def _bytes(text: str) -> int:
    """A size in bytes.

    Raises:
        UsageError: It is none.
    """
    match = _SIZE.fullmatch(text.strip())
    unit = _UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None or int(float(match[1]) * unit) < 1:
        raise UsageError(f"--shard-size {text}: give a number of bytes, such as 32MB or 500KB")
    return int(float(match[1]) * unit)
