"""A Ray cluster: connecting to it, and running work over shards on it through Ray Data.

Ray Data deals the shards out, restarts workers that are lost, and deals their shards out again; what is read and
written never passes through the driver or Ray's object store.
"""

from __future__ import annotations

import io
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from typing import Any, Protocol, Self

import orjson

from ..errors import DivtoolError, UsageError, reason, require_extra
from .shards import Shard

Facts = dict[str, Any]
Run = Callable[[Shard], Facts]

_PROBE_SECONDS = 30
_CONNECT_SECONDS = 5
_PROBE = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False)"
# What Ray says of a lost part of the cluster, and what that means here.
_LOST = {
    "worker died": "a worker was lost; its shard is done again",
    "marked dead": "a machine was lost; its shards are done again",
}


class Work(Protocol):
    """What is done with each shard; it is sent to the machines, and must be small."""

    @property
    def models(self) -> bool:
        """Whether a model is loaded."""

    def open(self) -> Run:
        """Load what is needed, once a worker; the answer does one shard and says what it came to, as JSON values.

        A shard may be done twice, when a machine was lost behind it: the second time must find what the first has left.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOptions:
    """Where the cluster is, and what a worker takes of it.

    Attributes:
        address: host:port of its head; None is the one that ``RAY_ADDRESS`` names, else this machine alone.
        workers: How many at a time; None is as many as there is room for.
        cpus: CPU cores a worker.
        gpus: GPUs a worker, also parts of one; None is 1 for models where the cluster has any, else none.
    """

    address: str | None = None
    workers: int | None = None
    cpus: float = 1.0
    gpus: float | None = None

    def __post_init__(self) -> None:
        """Refuse an address that needs another way in.

        Raises:
            UsageError: It is one of Ray's client.
        """
        if self.address is not None and self.address.startswith("ray://"):
            raise UsageError(
                f"--ray-address {self.address}: give host:port of the head, and run the command on a machine of the "
                "cluster (or with ray job submit)"
            )


class Cluster:
    """A connection to Ray, which ends with the context.

    Args:
        options: Where it is.
        note: Hears of what is lost.
    """

    def __init__(self, options: ClusterOptions, note: Callable[[str], None]) -> None:
        self._options, self._note = options, note
        self._stack = ExitStack()
        self._resources: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def connect(self) -> None:
        """Connect, unless it is done.

        Raises:
            DivtoolError: Ray is not installed, or no cluster answers.
        """
        if self._resources:
            return
        require_extra("ray", "ray")
        # Nothing is told to anybody; what Ray's own code has to say stands in its log files.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
        address = self._options.address or os.environ.get("RAY_ADDRESS")
        if address is not None and address != "auto":
            _check_address(address)
        import ray

        terminated = signal.getsignal(signal.SIGTERM)
        try:
            with _no_stderr():
                ray.init(
                    # Without a name Ray would take any cluster that somebody has started here.
                    address=address or "local",
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    include_dashboard=False if address is None else None,
                )
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise _no_cluster(address, reason(error)) from error
        # Ray's own handling shows where in its compiled part the signal came.
        signal.signal(signal.SIGTERM, terminated)
        self._stack.enter_context(redirect_stdout(_Heard(self._note)))
        self._resources = ray.cluster_resources()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stack.close()
        if kind is None and self._resources:
            import ray

            ray.shutdown()  # After a fault Python's end does it, when the fault has been told.

    @property
    def machines(self) -> int:
        """How many machines there are."""
        import ray

        return sum(node["Alive"] for node in ray.nodes())

    def workers(self, work: Work, shards: int) -> int:
        """How many workers there will be.

        Raises:
            DivtoolError: No machine has room for one: Ray would wait for such a machine for ever.
        """
        import ray

        options, gpus = self._options, self._gpus(work)
        most = min(shards, options.workers or shards)
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        # A worker is on one machine, whatever all of them have together.
        room = sum(_fitting(machine, {"CPU": options.cpus, "GPU": gpus}, most) for machine in machines)
        if room < 1:
            cores, cards = max(((node.get("CPU", 0.0), node.get("GPU", 0.0)) for node in machines), default=(0.0, 0.0))
            raise DivtoolError(
                f"the cluster has no room for a worker of {options.cpus:g} CPU cores and {gpus:g} GPUs: its largest "
                f"machine has {cores:g} and {cards:g}"
            )
        return min(room, most)

    def _gpus(self, work: Work) -> float:
        if self._options.gpus is not None:
            return self._options.gpus
        return 1.0 if work.models and self._resources.get("GPU") else 0.0

    def map(self, work: Work, shards: Sequence[Shard]) -> Generator[tuple[Shard, Facts]]:
        """What each shard came to, as they are done.

        Args:
            work: What to do.
            shards: With what.

        Raises:
            DivtoolError: A shard cannot be done; those done before stay so.
        """
        from ray.data import ActorPoolStrategy, from_items

        quiet()
        count = self.workers(work, len(shards))
        numbers = from_items([{"place": place} for place in range(len(shards))], override_num_blocks=len(shards))
        done = numbers.map_batches(
            _Worker,
            fn_constructor_args=(work, list(shards), os.getcwd()),
            batch_size=1,
            compute=ActorPoolStrategy(size=count),
            num_cpus=self._options.cpus,
            num_gpus=self._gpus(work),
        )
        with closing(rows_of(done)) as rows:
            for row in rows:
                facts: Facts = orjson.loads(row["facts"])
                if "fault" in facts:
                    raise DivtoolError(facts["fault"])
                yield shards[int(row["place"])], facts


def _fitting(machine: dict[str, float], wanted: dict[str, float], most: int) -> int:
    """How many workers a machine has room for, where `most` are enough."""
    return min((int(machine.get(name, 0.0) / amount) for name, amount in wanted.items() if amount), default=most)


def quiet() -> None:
    """Ray Data's own bars and logs play no part here; must be called before a data set is made."""
    from ray.data import DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    for name in ("ray.data", "ray"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def rows_of(dataset: Any) -> Generator[dict[str, Any]]:
    """The rows of a data set as they come.

    Raises:
        DivtoolError: What a worker or Ray itself has to say.
    """
    import ray

    try:
        yield from dataset.iter_rows()
    except ray.exceptions.RayError as error:
        cause = _cause(error)
        gave_up = f"Ray gave up ({type(error).__name__}: {reason(cause)}); its log files say more"
        raise cause if isinstance(cause, DivtoolError) else DivtoolError(gave_up) from error


class _Worker:
    """Does shards in a process of the cluster."""

    def __init__(self, work: Work, shards: list[Shard], folder: str) -> None:
        self._shards = shards
        self._fault = ""
        with suppress(OSError):
            # A name such as ./model means that of the command's folder, not of the one where Ray was started.
            os.chdir(folder)
        try:
            self._run = work.open()
        except Exception as error:
            # An exception here would be tried again for ever.
            said = str(error) if isinstance(error, DivtoolError) else f"{type(error).__name__}: {reason(error)}"
            self._fault = f"{said} (on {socket.gethostname()})"

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        place = int(batch["place"][0])
        return {"place": [place], "facts": [orjson.dumps(self._facts(self._shards[place]))]}

    def _facts(self, shard: Shard) -> Facts:
        if self._fault:
            return {"fault": self._fault}
        try:
            return self._run(shard)
        except DivtoolError as error:
            return {"fault": str(error)}
        except Exception as error:
            return {"fault": f"{shard}: {type(error).__name__}: {reason(error)}"}


class _Heard(io.TextIOBase):
    """What Ray prints to standard output, which is for records: what matters of it is told in a line."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._below = sys.stdout

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, text: str) -> int:
        """Tell of a lost part of the cluster."""
        for said, meaning in _LOST.items():
            if said in text:
                self._note(meaning)
        return len(text)

    def fileno(self) -> int:
        """That of standard output, which records are written to."""
        return self._below.fileno()


@contextmanager
def _no_stderr() -> Iterator[None]:
    """Ray's compiled part greets on the file itself, whatever Python's stream is."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _check_address(address: str) -> None:
    """Try an address in a process of its own: Ray takes minutes to give one up, and ends the process then."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(f"--ray-address {address}: give host:port of the cluster's head, such as 10.0.0.1:6379")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS):
            pass
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, getattr(error, "strerror", None) or str(error)) from None
    with suppress(subprocess.TimeoutExpired):
        done = subprocess.run(
            [sys.executable, "-c", _PROBE, address],
            timeout=_PROBE_SECONDS,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        if done.returncode == 0:
            return
        said = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
        if any("InvalidAuthToken" in line for line in said):
            remedy = "put it into ~/.ray/auth_token, and set RAY_AUTH_MODE=token"
            raise DivtoolError(f"the Ray cluster at {address} wants its token: {remedy}")
        raise _no_cluster(address, said[-1][:200] if said else "it ended the connection")
    raise _no_cluster(address, f"no answer in {_PROBE_SECONDS} seconds: what listens there is no Ray")


def _no_cluster(address: str | None, why: str) -> DivtoolError:
    where = f"no Ray cluster at {address}" if address else "Ray cannot be started on this machine"
    return DivtoolError(f"{where} ({why}); start one with ray start --head, and name its host:port with --ray-address")


def _cause(error: Exception) -> Exception:
    """The innermost exception behind one of Ray's."""
    while isinstance(inner := getattr(error, "cause", None) or error.__cause__, Exception) and inner is not error:
        error = inner
    return error
