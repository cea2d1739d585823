"""A run over shards: what is done already is kept, the rest is done on a cluster, and all of it is added up."""

from __future__ import annotations

import hashlib
from array import array
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .. import places
from ..errors import DivtoolError, InputError, Interrupted
from ..jsonl import Row, short_hash
from .cluster import Cluster, Facts, Work
from .regroup import forget, regrouped
from .shards import Shard, ShardRows, cut, told
from .spread import Spread

_RECENT = 1 << 16
_TWICE = "{} is in another shard too"


@dataclass(slots=True)
class Totals:
    """What all shards came to.

    Attributes:
        shards: The shards, in order.
        records: Records of the output.
        skipped: Bad lines that were left out.
        counts: Further counts of the work, added up.
        notes: What the first shard has to say.
        sha256: "shards:" and the hash of the hashes of the shards' lines, in order.
    """

    shards: Sequence[Shard]
    records: int = 0
    skipped: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    notes: Sequence[str] = ()
    sha256: str = ""


def facts_of(rows: ShardRows, prompts: array[int], records: int, counts: Mapping[str, int] | None = None) -> Facts:
    """What `run` must know of a shard that is done.

    Args:
        rows: Its records, read to their end.
        prompts: Hashes of its prompts.
        records: How many records were written.
        counts: What else is to be added up.
    """
    return {
        "records": records,
        "skipped": rows.skipped,
        "sha256": rows.sha256,
        "prompts": b64encode(np.array(prompts, dtype="<u8").tobytes()).decode(),
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
    shards, skipped = cut([(name, *places.stamped(name)) for name in spread.files], spread.size), 0
    identity = {**spread.identity, "files": list(spread.files), "shard_size": spread.size}
    spread.parts.begin(identity, resume=spread.resume)
    with Cluster(spread.cluster, spread.note) as cluster, _tidy(spread):
        if spread.regroup:
            shards, skipped = regrouped(cluster, spread, shards, check)
        spread.parts.keep_only(shards)
        found = _Found(shards, spread, check)
        found.go_on()
        found.work(work, cluster)
        for shard in {shard.path: shard for shard in shards}.values():
            shard.check()
        if spread.regroup:
            forget(spread.parts)
        return found.totals(skipped)


@contextmanager
def _tidy(spread: Spread) -> Iterator[None]:
    """After a failure with nothing to go on from, nothing is left behind."""
    try:
        yield
    except BaseException:
        spread.parts.abandon()
        raise


class _Found:
    """What is known of the shards that are done."""

    def __init__(self, shards: Sequence[Shard], spread: Spread, check: Callable[[Row], None]) -> None:
        self._shards, self._spread, self._check = shards, spread, check
        self._prompts = _Prompts()
        self._hashes: dict[str, str] = {}
        self._totals = Totals(shards)

    def go_on(self) -> None:
        """Add up what an interrupted run has done."""
        done = self._spread.parts.done()
        for shard in self._shards:
            known = self._spread.parts.facts(shard, skip_bad=self._spread.skip_bad) if shard.name in done else None
            if known is not None:
                self.add(shard, known)
        if self._hashes:
            self._spread.note(f"{len(self._hashes):,} of {len(self._shards):,} shards were done before")

    def work(self, work: Work, cluster: Cluster) -> None:
        """Do the others on the cluster."""
        shards = [shard for shard in self._shards if shard.name not in self._hashes]
        if not shards:
            return
        try:
            cluster.connect()
            workers = cluster.workers(work, len(shards))
            self._spread.note(f"{len(shards):,} shards, {workers} workers on {cluster.machines} machines")
            # Ray is to be at rest before a fault is told: a connection that ends amid its work may end the process.
            with closing(cluster.map(work, shards)) as done:
                for shard, facts in done:
                    self.add(shard, facts)
        except DivtoolError as error:
            if self._spread.mend not in str(error):
                error.args = (f"{error}{self._goes_on}",)
            raise
        except KeyboardInterrupt:
            raise Interrupted(f"interrupted{self._goes_on}") from None

    @property
    def _goes_on(self) -> str:
        # Also those that were finished behind a fault, and are not added up.
        done = len(self._spread.parts.done())
        if not done:
            return ""
        return f"; {done:,} of {len(self._shards):,} shards are done in {self._spread.parts.folder}, --resume goes on"

    def add(self, shard: Shard, facts: Facts) -> None:
        """Add up a shard; raises `InputError` for a prompt that another one has too."""
        totals = self._totals
        totals.records += facts["records"]
        totals.skipped += facts["skipped"]
        totals.counts.update(facts["counts"])
        if shard is self._shards[0]:
            totals.notes = facts.get("notes", ())
        self._hashes[shard.name] = facts["sha256"]
        self._spread.advance(facts["records"])
        twice = self._prompts.add(np.frombuffer(b64decode(facts["prompts"]), dtype="<u8"))
        if twice is not None:
            with told(rows := ShardRows(shard, self._check, skip_bad=True)):
                raise self._comes_back(rows, twice)

    def _comes_back(self, rows: ShardRows, digest: int) -> InputError:
        for row in rows:
            prompt = row.data["prompt_id"]
            if short_hash(prompt) == digest:
                return row.fault(_TWICE.format(f"prompt_id '{prompt}'"), self._spread.mend)
        return InputError(rows.name, _TWICE.format("a prompt_id"), self._spread.mend)

    def totals(self, skipped: int) -> Totals:
        """All of it.

        Args:
            skipped: Bad lines that were left out before.

        Raises:
            InputError: There was nothing.
        """
        totals = self._totals
        totals.skipped += skipped
        if not totals.records and not totals.counts["read"]:
            what = f"no usable record, {totals.skipped} bad lines skipped" if totals.skipped else "no records"
            self._spread.parts.clear()  # There is nothing to go on from.
            raise InputError(self._spread.source, what)
        joined = "".join(self._hashes[name] for name in sorted(self._hashes))
        totals.sha256 = f"shards:{hashlib.sha256(joined.encode()).hexdigest()}"
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
