"""The `score` stage: groups of responses in, their scores out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import UsageError, unknown_name
from ..jsonl import Record, Row
from .catalog import ALIASES, METRICS, PER_RESPONSE, PRESETS
from .plain import Calculator, Chunk, PlainMetrics, Values, until_fault
from .registry import Metric
from .supplies import Sources, Supplies, Supply

# Responses that are taken together: groups are small, and models want full batches.
_CHUNK = 256


@dataclass(frozen=True, slots=True)
class Choice:
    """The metrics of a run.

    Attributes:
        metrics: What to compute, in the order asked for.
        skipped: Members of the preset `all` whose needs are not met, each with what is missing.
    """

    metrics: list[Metric]
    skipped: dict[str, str]


def choose_metrics(names: Sequence[str], sources: Sources) -> Choice:
    """The per-response metrics behind names and presets.

    Args:
        names: As the user wrote them.
        sources: What is there; the preset `all` leaves out what has its needs not met.

    Raises:
        UsageError: An unknown name; set metrics are `eval`'s, and deciles come with a map.
    """
    usable = {name: metric for name, metric in METRICS.items() if metric.level in PER_RESPONSE}
    chosen: dict[str, Metric] = {}
    skipped: dict[str, str] = {}
    for name in (ALIASES.get(name, name) for name in names):
        if name not in PRESETS and name not in usable:
            raise _no_metric(name, [*PRESETS, *usable])
        for member in PRESETS.get(name, (name,)):
            missing = sources.unmet(usable[member]) if name == "all" else None
            if missing is None:
                chosen[member] = usable[member]
            else:
                skipped[member] = missing
    if not chosen:
        raise UsageError("no metric named; see divtool metrics")
    return Choice(list(chosen.values()), {name: why for name, why in skipped.items() if name not in chosen})


def _no_metric(name: str, known: Sequence[str]) -> UsageError:
    if name.startswith("dd_"):
        return UsageError(f"'{name}' comes with --deciles FILE, for every metric of that map")
    if name in METRICS:
        return UsageError(f"'{name}' is a number of a whole set of responses; see divtool eval --metrics {name}")
    return unknown_name("metric", name, known)


@dataclass(frozen=True, slots=True)
class Scorer:
    """Computes scores, group by group.

    Attributes:
        metrics: What to compute.
        supplies: What models and tables supply.
        tokenizer: As in `text.tokenizer`.
        settings: Settings of metrics that differ from the usual ones.
        workers: Processes for the metrics that need no model.
    """

    metrics: Sequence[Metric]
    supplies: Supplies = field(default_factory=Supplies)
    tokenizer: str = "word"
    settings: Mapping[str, Any] = field(default_factory=dict)
    workers: int = 1

    def run(self, groups: Iterable[list[Row]]) -> Iterator[list[Record]]:
        """Scored records, group by group, in input order; scores that a record has already stay beside the new ones."""
        plain = PlainMetrics(
            [metric for metric in self.metrics if not self.supplies.needed(metric)],
            self.tokenizer,
            self.settings,
            self.workers,
        )
        modelled = [metric for metric in self.metrics if self.supplies.needed(metric)]
        calculator = Calculator(modelled, self.tokenizer, self.settings)
        for chunk, plain_values in plain.map(_chunks(groups)):
            model_values = self._modelled(chunk, calculator) if modelled else [{}] * len(chunk)
            for group, some, others in zip(chunk, plain_values, model_values, strict=True):
                yield self._scored(group, some | others)

    def _modelled(self, chunk: Chunk, calculator: Calculator) -> list[Values]:
        """The values that need models: each feature for the whole chunk at once."""
        records = [[row.data for row in group] for group in chunk]
        flat = [record for group in records for record in group]
        supplied = {name: supply.prepare(flat) for name, supply in self.supplies.features.items()}
        embed = _rows(self.supplies.embed, flat)
        style_embed = _rows(self.supplies.style_embed, flat)
        return [calculator.values(group, supplied, embed, style_embed) for group in records]

    def _scored(self, group: list[Row], values: Values) -> list[Record]:
        names = [metric.name for metric in self.metrics]
        columns = zip(*(values[name] for name in names), strict=True)
        return [
            {**row.data, "scores": {**(row.data.get("scores") or {}), **dict(zip(names, scores, strict=True))}}
            for row, scores in zip(group, columns, strict=True)
        ]


def _rows(supply: Supply | None, records: Sequence[Record]) -> Callable[[list[str]], Any] | None:
    """A lookup of the vectors of many texts, [texts, d]."""
    if supply is None:
        return None
    import numpy as np

    vectors = supply.prepare(record for record in records if record["response"].strip())
    return lambda texts: np.stack([vectors({"response": text}) for text in texts])


def _chunks(groups: Iterable[list[Row]]) -> Iterator[Chunk]:
    chunk: Chunk = []
    held = 0
    faults: list[Exception] = []
    for group in until_fault(groups, faults):
        chunk.append(group)
        held += len(group)
        if held >= _CHUNK:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk
    if faults:
        raise faults[0]
