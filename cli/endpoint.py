"""Drawing from a server: how it is asked, what is shown of it, how a run that it ended can go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError
from . import console

if TYPE_CHECKING:
    from ..core.models.options import LoadOptions, ServerOptions
    from ..core.sampling.backend import Backend
    from ..core.sampling.run import Sampler
    from ..core.writer import RecordWriter

_LOCAL_MODEL = "smollm2-135m"


def server(
    url: str | None,
    key_env: str | None,
    concurrency: int | None,
    requests_per_minute: float | None,
    timeout: float | None,
    tries: int | None,
    completions: bool,
    *,
    skip: bool,
) -> ServerOptions | None:
    """How to ask the server; None where none is named.

    Args:
        url: As the options, like those that follow.
        key_env: None where it was not given, like all of them.
        concurrency: Requests at a time.
        requests_per_minute: Above 0.
        timeout: Above 0.
        tries: At least 1.
        completions: Plain text.
        skip: Leave out what the server refuses.

    Raises:
        UsageError: A number that cannot be, or an option of a server without one.
    """
    from ..core.models.options import ServerOptions

    for name, value in (("--requests-per-minute", requests_per_minute), ("--timeout", timeout)):
        if value is not None and not 0 < value < float("inf"):
            raise UsageError(f"{name} {value:g}: give a number above 0")
    if url is None:
        given = {
            "--key-env": key_env, "--concurrency": concurrency, "--requests-per-minute": requests_per_minute,
            "--timeout": timeout, "--tries": tries, "--completions": completions or None,
        }  # fmt: skip
        for flag in (flag for flag, value in given.items() if value is not None):
            raise UsageError(f"{flag} needs --endpoint URL")
        return None
    usual = ServerOptions(url=url, key_env=key_env, per_minute=requests_per_minute, plain=completions, skip=skip)
    numbers: dict[str, Any] = {"at_once": concurrency, "timeout": timeout, "tries": tries}
    return replace(usual, **{name: value for name, value in numbers.items() if value is not None})


def opened(name: str, model: str | None, loading: LoadOptions) -> Backend:
    """The backend that was asked for; a server, where one is named.

    Raises:
        DivtoolError: It cannot be used.
    """
    from ..core.sampling.open import open_backend

    if name == "auto":
        name = "transformers" if loading.server is None else "endpoint"
    usual = "" if name == "endpoint" else _LOCAL_MODEL
    return open_backend(name, usual if model is None else model, loading, console.note)


def troubles(source: Backend) -> Callable[[], str]:
    """What goes wrong with a server, in a few words; says nothing of other backends."""
    from ..core.sampling.overlap import Waiting

    return source.progress if isinstance(source, Waiting) else str


def conclusions(source: Backend, sampler: Sampler) -> list[str]:
    """What there is to say of the server at the end.

    Raises:
        EndpointError: It has refused everything.
    """
    from ..core.sampling.overlap import Waiting

    notes = source.conclude() if isinstance(source, Waiting) else []
    if sampler.gaps:
        notes.append(f"{sampler.gaps:,} chats that the earlier run left out stay out")
    return notes


@contextmanager
def resumable(output: str, writer: RecordWriter, loading: LoadOptions) -> Iterator[None]:
    """Say with a failure of the server how to go on."""
    if loading.server is None or output == "-":
        yield
        return
    from ..core.endpoint.faults import EndpointError

    try:
        yield
    except EndpointError as error:
        goes_on = ", --resume goes on" if writer.resumes else ""
        raise EndpointError(f"{error}; {writer.written:,} responses were written{goes_on}") from None
