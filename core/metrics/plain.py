"""Metrics that need no model: values of whole groups, computed here or in worker processes."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from threading import Thread
from typing import Any, TypeVar

from ..errors import DivtoolError
from ..jsonl import Record, Row
from .features import GroupFeatures, Lookup, ResponseFeatures
from .registry import Metric
from .text import tokenizer

# By metric, one value a response.
Values = dict[str, list[Any]]
Chunk = list[list[Row]]
Item = TypeVar("Item")

# What plain functions read of a record; prompts and other keys need not travel to the workers.
_READ = ("response", "logprob", "n_tokens")


class Calculator:
    """The metrics as functions, ready to be called on groups.

    Args:
        metrics: What to compute.
        tokenizer_name: As in `text.tokenizer`.
        settings: Settings of metrics that differ from the usual ones.
    """

    def __init__(self, metrics: Sequence[Metric], tokenizer_name: str, settings: Mapping[str, Any]) -> None:
        self._functions = [(metric, metric.load(settings)) for metric in metrics]
        self._tokenize = tokenizer(tokenizer_name)

    def values(
        self,
        group: Sequence[Record],
        supplied: Mapping[str, Lookup] | None = None,
        embed: Callable[[list[str]], Any] | None = None,
        style_embed: Callable[[list[str]], Any] | None = None,
    ) -> Values:
        """The values for the responses of one prompt.

        Args:
            group: The records.
            supplied: Supplied features, see `ResponseFeatures`.
            embed: Sentence vectors, see `GroupFeatures`.
            style_embed: Style vectors, likewise.
        """
        if not any(metric.level == "group" for metric, _ in self._functions):
            return self._one_by_one(group, supplied)
        responses = [ResponseFeatures(record, self._tokenize, supplied) for record in group]
        features = GroupFeatures(responses, embed, style_embed)
        return {
            metric.name: function(features.get(metric.takes))
            if metric.level == "group"
            else [function(response.get(metric.takes)) for response in responses]
            for metric, function in self._functions
        }

    def _one_by_one(self, group: Sequence[Record], supplied: Mapping[str, Lookup] | None) -> Values:
        """The same where no metric looks at the others: the features of one response in memory at a time."""
        values: Values = {metric.name: [] for metric, _ in self._functions}
        for record in group:
            response = ResponseFeatures(record, self._tokenize, supplied)
            for metric, function in self._functions:
                values[metric.name].append(function(response.get(metric.takes)))
        return values


@dataclass(frozen=True, slots=True)
class PlainMetrics:
    """Metrics without a model, over a stream of chunks.

    Attributes:
        metrics: What to compute.
        tokenizer_name: As in `text.tokenizer`.
        settings: Settings of metrics that differ from the usual ones.
        workers: Processes; 1 computes in this one.
    """

    metrics: Sequence[Metric]
    tokenizer_name: str = "word"
    settings: Mapping[str, Any] = field(default_factory=dict)
    workers: int = 1

    def map(self, chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, list[Values]]]:
        """Each chunk with the values of its groups, in order.

        Raises:
            DivtoolError: A worker process died.
        """
        if self.workers > 1 and self.metrics:
            yield from self._spread(chunks)
            return
        calculator = Calculator(self.metrics, self.tokenizer_name, self.settings)
        for chunk in chunks:
            yield chunk, [calculator.values([row.data for row in group]) for group in chunk]

    def _spread(self, chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, list[Values]]]:
        # Spawned, not forked: this process may hold threads by now, of a progress bar or of torch.
        pool = ProcessPoolExecutor(
            self.workers,
            mp_context=get_context("spawn"),
            initializer=_begin,
            initargs=(self.metrics, self.tokenizer_name, self.settings),
        )
        waiting: deque[tuple[Chunk, Future[list[Values]]]] = deque()
        faults: list[Exception] = []
        try:
            for chunk in until_fault(chunks, faults):
                waiting.append((chunk, _submit(pool, [[_read(row) for row in group] for group in chunk])))
                if len(waiting) > 2 * self.workers:  # enough to keep every worker busy, few enough to hold in memory
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
            if faults:
                raise faults[0]
        except BrokenProcessPool:
            raise DivtoolError("a worker process died (out of memory?); try fewer --workers") from None
        finally:
            with suppress(OSError):  # as in _submit
                pool.shutdown(cancel_futures=True)


def until_fault(items: Iterable[Item], faults: list[Exception]) -> Iterator[Item]:
    """The items up to a fault of the input, which is kept for later: what came before it is to be finished first."""
    iterator = iter(items)
    while True:
        try:
            item = next(iterator)
        except StopIteration:
            return
        except (DivtoolError, OSError) as error:
            faults.append(error)
            return
        yield item


def _submit(pool: ProcessPoolExecutor, groups: list[list[Record]]) -> Future[list[Values]]:
    try:
        return pool.submit(_values, groups)
    except (OSError, ValueError):
        # A pool that breaks at this moment has closed its pipes before it calls itself broken; their numbers may be
        # those of other files by then, which no new process can be started with.
        raise BrokenProcessPool from None


def _read(row: Row) -> Record:
    return {key: row.data.get(key) for key in _READ}


_calculator: Calculator | None = None


def _begin(metrics: Sequence[Metric], tokenizer_name: str, settings: Mapping[str, Any]) -> None:
    """Make a worker ready; an interrupt is for the process that reads and writes."""
    global _calculator
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    _calculator = Calculator(metrics, tokenizer_name, settings)


def _end_with_parent() -> None:
    """End at once when the parent is gone, however it went: nobody would read the results."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _values(groups: Sequence[Sequence[Record]]) -> list[Values]:
    assert _calculator is not None
    return [_calculator.values(group) for group in groups]
