"""`score` over shards: the local run's stage, with one load of its models a worker."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..metrics.stage import ScorePlan, ScoreStage, Summary
from ..metrics.supplies import loads_model
from ..records import check_group, check_response
from .cluster import Facts, Run
from .parts import Parts, part_writer
from .run import facts_of
from .shards import Shard, ShardGroups, ShardRows, told


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreWork:
    """Scores the responses of a shard.

    Attributes:
        plan: What to score.
        parts: Where the scored ones go.
        skip_bad: Leave bad lines out and count them.
    """

    plan: ScorePlan
    parts: Parts
    skip_bad: bool

    @property
    def models(self) -> bool:
        """Whether a metric needs one."""
        return loads_model(self.plan.metrics, self.plan.sources)

    def open(self) -> Run:
        """Load the models."""
        stage = ScoreStage(replace(self.plan, workers=1))
        scorer = stage.opened(lambda text: None)

        def run(shard: Shard) -> Facts:
            known = self.parts.facts(shard, skip_bad=self.skip_bad)
            if known is not None:
                return known
            self.parts.attempt(shard)
            stage.summary = Summary()
            rows = ShardRows(shard, check_response, skip_bad=self.skip_bad)
            groups = ShardGroups(rows, check_group)
            with told(rows), part_writer(self.parts.part(shard)) as writer:
                for records in stage.scored(scorer, groups):
                    for record in records:
                        writer.write(record)
            nulls = {f"null {name}": n for name, n in stage.summary.nulls.items()}
            facts = facts_of(rows, groups.ids, writer.written, {"empty": stage.summary.empty, **nulls})
            self.parts.finish(shard, facts, [self.parts.name(shard)])
            return facts

        return run


def summary_of(records: int, counts: dict[str, int]) -> Summary:
    """The summary of a whole run from what its shards have counted."""
    found = Summary(records, counts.get("empty", 0))
    found.nulls.update({name.removeprefix("null "): n for name, n in counts.items() if name.startswith("null ")})
    return found
