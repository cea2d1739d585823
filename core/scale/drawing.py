"""`sample` over shards of prompts: the local run's sampler, with one load of the model a worker."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..jsonl import Row, short_hash
from ..records import check_prompt
from ..sampling.backend import Backend
from ..sampling.open import open_sampler
from ..sampling.run import SampleOptions
from ..sampling.strategies import Strategy
from .cluster import Facts, Run
from .parts import Parts, part_writer
from .run import facts_of
from .shards import Shard, ShardRows, told


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleWork:
    """Draws responses to the prompts of a shard.

    Attributes:
        source: Opens the backend.
        strategy: How a prompt becomes chats.
        options: Numbers, seed, decoding.
        models: Whether the backend loads a model.
        parts: Where the responses go.
        skip_bad: Leave bad lines out and count them.
    """

    source: Callable[[], Backend]
    strategy: Strategy
    options: SampleOptions
    models: bool
    parts: Parts
    skip_bad: bool

    def open(self) -> Run:
        """Load the model."""
        backend = self.source()

        def run(shard: Shard) -> Facts:
            known = self.parts.facts(shard, skip_bad=self.skip_bad)
            if known is not None:
                return known
            self.parts.attempt(shard)
            tokens, refused = [0], getattr(backend, "refused", 0)
            sampler = open_sampler(backend, self.strategy, self.options, lambda n: tokens.append(n))
            rows = ShardRows(shard, check_prompt, skip_bad=self.skip_bad)
            prompts = array("Q")
            with told(rows), part_writer(self.parts.part(shard)) as writer:
                for records in sampler.run(_counted(rows, prompts)):
                    for record in records:
                        writer.write(record)
            counts = {"read": len(prompts), "chats": sampler.drawn, "tokens": sum(tokens)}
            # Only servers refuse, and count it over all shards.
            counts["refused"] = getattr(backend, "refused", 0) - refused
            facts = facts_of(rows, prompts, writer.written, counts) | {"notes": sampler.notes}
            self.parts.finish(shard, facts, [self.parts.name(shard)])
            return facts

        return run


def _counted(rows: ShardRows, prompts: array[int]) -> Iterator[Row]:
    """The prompts, their hashes kept."""
    for row in rows:
        prompts.append(short_hash(row.data["prompt_id"]))
        yield row
