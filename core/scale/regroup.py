"""Lines of a prompt that stand apart, in one file or in several, brought together by Ray Data's shuffle."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from .. import places
from ..errors import DivtoolError, reason
from ..jsonl import Row, short_hash
from .cluster import Cluster, quiet, rows_of
from .parts import Parts, part_writer, read_json
from .shards import MADE, Shard, ShardRows, cut, told
from .spread import Spread

_LIST = "regrouped.json"
_FAULT = "fault.json"
_FILE = re.compile(r"regrouped-[0-9]+\.jsonl")
Work = Callable[[Any], dict[str, Any]]


def regrouped(
    cluster: Cluster, spread: Spread, shards: Sequence[Shard], check: Callable[[Row], None]
) -> tuple[list[Shard], int]:
    """Shards of files in which each prompt's lines stand together, and how many bad lines were left out.

    The files are beside the parts; an interrupted run finds them there. Each holds the prompts of one range of hashes,
    in the order of their first lines.

    Args:
        cluster: Where the work is done.
        spread: The input and the output.
        shards: The input as it is.
        check: Raises for a record that the stage cannot use.

    Raises:
        DivtoolError: A record is bad.
    """
    known = spread.parts.note(_LIST)
    stamps = [[shard.path, shard.stamp] for shard in shards]
    there = read_json(known) if places.exists(known) else {"input": None}
    if there["input"] != stamps or (there["skipped"] and not spread.skip_bad):
        cluster.connect()
        spread.note(f"bringing the lines of each prompt together, {len(shards):,} shards")
        found = {"input": stamps, **_exchanged(spread, shards, check)}
        with places.whole(known) as stream:
            stream.write(json.dumps(found).encode())
    listed = read_json(known)
    stamp = f"{MADE}{short_hash(stamps):016x}"
    files = [(name, size, stamp) for name, size in listed["files"]]
    return cut(files, max([spread.size, *(size for _, size, _ in files)])), int(listed["skipped"])


def forget(parts: Parts) -> None:
    """Take the files away once their lines are in the output; what is known of them stays, for a run that goes on."""
    folder = parts.note("").rstrip("/")
    for name in places.names_in(folder):
        if _FILE.fullmatch(name):
            places.remove(f"{folder}/{name}")


def _exchanged(spread: Spread, shards: Sequence[Shard], check: Callable[[Row], None]) -> dict[str, Any]:
    from ray.data import from_items

    quiet()
    buckets = max(1, round(sum(places.size(name) for name in spread.files) / spread.size))
    numbers = from_items([{"place": place} for place in range(len(shards))], override_num_blocks=len(shards))
    fault = spread.parts.note(_FAULT)
    read = _telling(_read(list(shards), check, spread.skip_bad, buckets), fault)
    write = _telling(_write(spread.parts), fault)
    written = numbers.map_batches(read, batch_size=1).groupby("bucket").map_groups(write, batch_format="pyarrow")
    try:
        rows = sorted(rows_of(written), key=lambda row: row["bucket"])
    except DivtoolError:
        if not places.exists(fault):
            raise
        said = read_json(fault)["fault"]
        places.remove(fault)
        raise DivtoolError(said) from None
    return {
        "files": [[_name(spread.parts, row["bucket"]), int(row["size"])] for row in rows if row["size"]],
        "skipped": sum(int(row["skipped"]) for row in rows),
    }


def _telling(work: Work, fault: str) -> Work:
    """The work; a fault is written to a file too, since Ray hands on no more than that there was one."""

    def told(batch: Any) -> dict[str, Any]:
        try:
            return work(batch)
        except Exception as error:
            said = str(error) if isinstance(error, DivtoolError) else f"{type(error).__name__}: {reason(error)}"
            with places.whole(fault) as stream:
                stream.write(orjson.dumps({"fault": said}))
            raise

    return told


def _name(parts: Parts, bucket: int) -> str:
    return parts.note(f"regrouped-{bucket:06d}.jsonl")


def _read(shards: list[Shard], check: Callable[[Row], None], skip_bad: bool, buckets: int) -> Work:
    """What gives the lines of a shard, each with the bucket of its prompt and its place in the whole input."""

    def lines(batch: dict[str, Any]) -> dict[str, Any]:
        import numpy as np

        place = int(batch["place"][0])
        own, starts, lines = [], [], []
        rows = ShardRows(shards[place], check, skip_bad=skip_bad, whole=False)
        with told(rows):
            for row in rows:
                own.append(short_hash(row.data["prompt_id"]) % buckets)
                starts.append(rows.last)
                lines.append(orjson.dumps(row.data))
        # A line without content carries the number of bad ones.
        return {
            "bucket": np.array([*own, 0], dtype=np.int64),
            "shard": np.array([place] * (len(lines) + 1), dtype=np.int64),
            "start": np.array([*starts, rows.skipped], dtype=np.int64),
            "line": np.array([*lines, b""], dtype=object),
        }

    return lines


def _write(parts: Parts) -> Work:
    """What writes the prompts of one bucket to a file."""

    def written(table: Any) -> dict[str, Any]:
        bucket = int(table["bucket"][0].as_py())
        ordered = table.sort_by([("shard", "ascending"), ("start", "ascending")])
        prompts: dict[str, list[bytes]] = {}
        skipped = 0
        for line, start in zip(ordered["line"].to_pylist(), ordered["start"].to_pylist(), strict=True):
            if line:
                prompts.setdefault(orjson.loads(line)["prompt_id"], []).append(line)
            else:
                skipped += start
        name = _name(parts, bucket)
        with part_writer(name) as writer:
            for line in (line for own in prompts.values() for line in own):
                writer.write(orjson.loads(line))
        return {"bucket": [bucket], "size": [places.size(name) if writer.written else 0], "skipped": [skipped]}

    return written
