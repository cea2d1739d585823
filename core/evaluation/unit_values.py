"""The numbers behind the measure records as records of their own: what an interval can be computed from by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..jsonl import Record
from ..writer import RecordWriter
from .call import Outcome

ROLES = frozenset({"headline", "quality", "guard", "length"})


def unit_records(outcomes: Iterable[Outcome]) -> Iterator[Record]:
    """One record for each unit of each headline, quality, guard and length row, in the order of the rows.

    Values over a whole run have no units, and stand in the measure records only.
    """
    for outcome in outcomes:
        for record, units in zip(outcome.records, outcome.units, strict=True):
            if record["role"] not in ROLES or list(units.names) == [""]:
                continue
            fixed = {key: record[key] for key in ("task", "run", "metric", "role", "direction")}
            against = units.baseline if units.baseline is not None else [None] * len(units.names)
            for name, value, baseline_value in zip(units.names, units.run, against, strict=True):
                yield {
                    **fixed,
                    "unit_id": name,
                    "value": value,
                    "baseline": record.get("baseline"),
                    "baseline_value": baseline_value,
                }


def write_unit_values(path: str, outcomes: Iterable[Outcome]) -> None:
    """Write `unit_records` as JSON Lines.

    Raises:
        DivtoolError: The file cannot be written.
    """
    with RecordWriter(path) as writer:
        for record in unit_records(outcomes):
            writer.write(record)
