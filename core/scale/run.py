"""A run over shards: what is done already is kept, the rest is done on a cluster, and all of it is added up."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import places
from ..errors import DivtoolError, InputError, Interrupted
from ..jsonl import Row, short_hash
from .cluster import Cluster, ClusterOptions, Facts, Work
from .parts import Parts
from .shards import Shard, ShardGroups, ShardRows, cut

_RECENT = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """An input that is worked on in shards.

    Attributes:
        source: The name of the input, for messages.
        files: Its files.
        size: Most bytes of a plain file in a shard.
        parts: Where the parts of the output go.
        identity: What the parts depend on beside the input; JSON values.
        resume: Whether to go on from the parts that are there.
        cluster: Where to work.
        note: Hears what goes on.
        advance: Hears how many records are done.
    """

    source: str
    files: Sequence[str]
    size: int
    parts: Parts
    identity: Mapping[str, Any]
    resume: bool
    cluster: ClusterOptions
    note: Callable[[str], None]
    advance: Callable[[int], None]


@dataclass(slots=True)
class Totals:
    """What all shards came to.

    Attributes:
        shards: How many there are.
        records: Records of the output.
        skipped: Bad lines that were left out.
        counts: Further counts of the work, added up.
        sha256: Hash of the hashes of the shards' lines, in order.
    """

    shards: int = 0
    records: int = 0
    skipped: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    sha256: str = ""


def facts_of(rows: ShardRows, groups: ShardGroups, records: int, counts: Mapping[str, int] | None = None) -> Facts:
    """What `run` must know of a shard that is done.

    Args:
        rows: Its records, read to their end.
        groups: Its prompts.
        records: How many records were written.
        counts: What else is to be added up.
    """
    return {
        "records": records,
        "skipped": rows.skipped,
        "sha256": rows.sha256,
        "prompts": b64encode(np.array(groups.ids, dtype="<u8").tobytes()).decode(),
        "counts": dict(counts or {}),
    }


def run(work: Work, spread: Spread, check: Callable[[Row], None]) -> Totals:
    """Do every shard that is not done yet.

    Args:
        work: What to do with a shard.
        spread: The input and the output.
        check: That of the records, to name the place of a prompt that comes back.

    Raises:
        DivtoolError: A shard cannot be done, or a prompt is in two of them. What is done stays.
    """
    shards = cut(list(spread.files), spread.size)
    sizes = [[name, places.size(name)] for name in spread.files]
    spread.parts.begin({**spread.identity, "files": sizes, "shard_size": spread.size}, resume=spread.resume)
    found = _Found(shards, spread, check)
    done = spread.parts.done()
    for shard in shards:
        if shard.number in done:
            found.add(shard, spread.parts.facts(shard) or {})
    left = [shard for shard in shards if shard.number not in done]
    if done:
        spread.note(f"{len(done):,} of {len(shards):,} shards were done before")
    if left:
        found.work(work, left)
    return found.totals()


class _Found:
    """What is known of the shards that are done."""

    def __init__(self, shards: Sequence[Shard], spread: Spread, check: Callable[[Row], None]) -> None:
        self._shards, self._spread, self._check = shards, spread, check
        self._prompts = _Prompts()
        self._hashes: dict[int, str] = {}
        self._totals = Totals(len(shards))

    def work(self, work: Work, shards: Sequence[Shard]) -> None:
        """Do shards on the cluster."""
        try:
            with Cluster(self._spread.cluster, self._spread.note) as cluster:
                workers = cluster.workers(work, len(shards))
                self._spread.note(f"{len(shards):,} shards, {workers} workers on {cluster.machines} machines")
                for shard, facts in cluster.map(work, shards):
                    self.add(shard, facts)
        except DivtoolError as error:
            error.args = (f"{error}{self._goes_on}",)
            raise
        except KeyboardInterrupt:
            raise Interrupted(f"interrupted{self._goes_on}") from None

    @property
    def _goes_on(self) -> str:
        done = len(self._hashes)
        if not done:
            return ""
        return f"; {done:,} of {len(self._shards):,} shards are done in {self._spread.parts.folder}, --resume goes on"

    def add(self, shard: Shard, facts: Facts) -> None:
        """Add up a shard; raises `InputError` for a prompt that another one has too."""
        totals = self._totals
        totals.records += facts["records"]
        totals.skipped += facts["skipped"]
        totals.counts.update(facts["counts"])
        self._hashes[shard.number] = facts["sha256"]
        self._spread.advance(facts["records"])
        twice = self._prompts.add(np.frombuffer(b64decode(facts["prompts"]), dtype="<u8"))
        if twice is not None:
            raise self._comes_back(shard, twice)

    def _comes_back(self, shard: Shard, digest: int) -> InputError:
        for row in ShardRows(shard, self._check, skip_bad=True):
            prompt = row.data["prompt_id"]
            if short_hash(prompt) == digest:
                raise row.fault(f"prompt_id '{prompt}' is in another shard too", "use --regroup")
        return InputError(str(shard), "a prompt is in another shard too", "use --regroup")

    def totals(self) -> Totals:
        """All of it.

        Raises:
            InputError: There was nothing.
        """
        totals = self._totals
        if not totals.records and not totals.counts["read"]:
            what = f"no usable record, {totals.skipped} bad lines skipped" if totals.skipped else "no records"
            raise InputError(self._spread.source, what)
        joined = "".join(self._hashes[number] for number in sorted(self._hashes))
        totals.sha256 = hashlib.sha256(joined.encode()).hexdigest()
        return totals


class _Prompts:
    """Which prompts there were, as 64-bit hashes in eight bytes each."""

    def __init__(self) -> None:
        self._known: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)
        self._recent: list[NDArray[np.uint64]] = []
        self._held = 0

    def add(self, digests: NDArray[np.uint64]) -> int | None:
        """Add those of a shard; the answer is one that was there before, or None."""
        new = np.sort(digests)
        for known in (self._known, *self._recent):
            if len(known) and len(new):
                at = np.minimum(known.searchsorted(new), len(known) - 1)
                twice = new[known[at] == new]
                if len(twice):
                    return int(twice[0])
        self._recent.append(new)
        self._held += len(new)
        if self._held >= max(_RECENT, len(self._known) // 4) or len(self._recent) > 64:
            self._known = np.sort(np.concatenate([self._known, *self._recent]))
            self._recent, self._held = [], 0
        return None
