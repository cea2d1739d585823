"""Passes over shards: each shard's is kept beside the output, and one on this machine absorbs them all in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ..errors import DivtoolError
from ..jsonl import Row
from ..metrics.supplies import keep_models
from ..passes import Pass
from .cluster import Facts, Run
from .parts import Parts, ShardStore
from .run import Totals, facts_of, run
from .shards import Shard, ShardGroups, ShardRows, resolved, told
from .spread import Spread

Made = TypeVar("Made", bound=Pass)


@dataclass(frozen=True, slots=True, kw_only=True)
class PassWork:
    """Leads a pass through a shard, and keeps what it found.

    Attributes:
        make: Makes an empty pass.
        check: Raises for a record that it cannot use.
        check_group: Likewise for the records of a prompt.
        models: Whether it loads a model.
        parts: Where what was found is kept.
        skip_bad: Leave bad lines out and count them.
    """

    make: Callable[[], Pass]
    check: Callable[[Row], None]
    check_group: Callable[[list[Row]], None]
    models: bool
    parts: Parts
    skip_bad: bool

    def open(self) -> Run:
        """Each pass opens what it needs; a model stays open for the next one."""
        keep_models()

        def run(shard: Shard) -> Facts:
            known = self.parts.facts(shard, skip_bad=self.skip_bad)
            if known is not None:
                return known
            self.parts.attempt(shard)
            rows = ShardRows(shard, self.check, skip_bad=self.skip_bad)
            groups = ShardGroups(rows, self.check_group)
            found, records = self.make(), 0
            with told(rows):
                for group in groups:
                    found.read(group)
                    records += len(group)
                found.keep(store := ShardStore(self.parts, shard))
            facts = facts_of(rows, groups.ids, records)
            self.parts.finish(shard, facts, store.written)
            return facts

        return run


def first_pass(
    spread: Spread,
    make: Callable[[], Made],
    check: Callable[[Row], None],
    check_group: Callable[[list[Row]], None],
    *,
    models: bool,
) -> tuple[Made, Totals]:
    """A pass that has absorbed those over all shards.

    Args:
        spread: The input, and where what shards have found is kept.
        make: Makes an empty pass; can be pickled.
        check: Raises for a record that it cannot use.
        check_group: Likewise for the records of a prompt.
        models: Whether a model is loaded.

    Raises:
        DivtoolError: A shard cannot be read; what was found in others stays.
    """
    work = PassWork(
        make=make, check=check, check_group=check_group, models=models, parts=spread.parts, skip_bad=spread.skip_bad
    )
    totals = run(work, spread, check)
    whole = make()
    try:
        for shard in totals.shards:
            whole.absorb(ShardStore(spread.parts, shard))
    except DivtoolError as error:
        for path in dict.fromkeys(shard.path for shard in totals.shards):
            error.args = (resolved(str(error), path),)
        raise
    return whole, totals
