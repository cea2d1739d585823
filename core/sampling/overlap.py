"""Several batches at a time, for a backend that draws for several callers."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Protocol, TypeVar, runtime_checkable

from ..errors import DivtoolError
from .backend import Backend, Decoding, Draw, Request, ignore_tokens

_Batch = TypeVar("_Batch")
_Result = TypeVar("_Result")
_WINDOW = 4  # batches begun for each that can be at work: what one slow batch may keep back


@runtime_checkable
class Waiting(Protocol):
    """A backend whose draws take time elsewhere, and may be asked for from several threads."""

    def begin(self, each: int, most: int | None) -> int:
        """How many calls of `draw` it can have under way at a time.

        Args:
            each: Responses a call.
            most: Responses that may be drawn together; None leaves it to the backend.
        """

    def cancel(self) -> None:
        """Give up what is under way."""

    def progress(self) -> str:
        """What went wrong so far, in a few words; empty where nothing did."""

    def conclude(self) -> list[str]:
        """What there is to say at the end."""


class Overlap:
    """Lets the batches of a sampler wait for their draws side by side.

    Each batch has a thread, and one thread at a time has the baton: the sampler's code needs to know nothing of the
    others, since it gives the baton away only where it waits for draws.

    Args:
        backend: Where draws come from.
        waiting: The same backend.
        each: Responses a batch.
        most: Responses that may be drawn together; None leaves it to the backend.
    """

    def __init__(self, backend: Backend, waiting: Waiting, each: int, most: int | None) -> None:
        self.name, self.parameters = backend.name, backend.parameters
        self._backend, self._waiting = backend, waiting
        # A few more than can be under way, so that one is ready whenever another has ended.
        calls = waiting.begin(each, most)
        workers = calls + calls // 4 + 1
        self._window = _WINDOW * workers
        self._free = threading.Semaphore(workers)
        self._baton = threading.Lock()
        self._failed = self._closed = False

    def draw(
        self, requests: Sequence[Request], decoding: Decoding, on_tokens: Callable[[int], None] = ignore_tokens
    ) -> list[Draw]:
        """The backend's draws; the baton is given away until they are there."""
        counts: list[int] = []
        self._baton.release()
        try:
            return self._backend.draw(requests, decoding, counts.append)
        finally:
            self._baton.acquire()
            on_tokens(sum(counts))

    def map(self, work: Callable[[_Batch], _Result], batches: Iterable[_Batch]) -> Iterator[tuple[_Batch, _Result]]:
        """Each batch with what the work makes of it, in order.

        A batch that fails ends the run in its turn: those in front of it are finished, and no further one is begun.
        """
        begun: deque[tuple[_Batch, Future[_Result]]] = deque()
        try:
            for batch in batches:
                self._free.acquire()
                if self._failed:
                    break
                begun.append((batch, self._begin(work, batch)))
                while begun and (begun[0][1].done() or len(begun) >= self._window):
                    first, result = begun.popleft()
                    yield first, result.result()
            for batch, result in begun:
                yield batch, result.result()
        finally:
            self._closed = True  # Those that wait for the baton begin nothing any more.
            self._waiting.cancel()

    def _begin(self, work: Callable[[_Batch], _Result], batch: _Batch) -> Future[_Result]:
        future: Future[_Result] = Future()

        def run() -> None:
            try:
                with self._baton:
                    if self._closed:
                        raise DivtoolError("given up")
                    future.set_result(work(batch))
            except BaseException as error:
                self._failed = True
                future.set_exception(error)
            finally:
                self._free.release()

        threading.Thread(target=run, daemon=True).start()
        return future
