"""The output of a run over shards: a file a shard, and beside them what is known of those that are done."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, Literal

import orjson

from .. import places
from ..errors import DivtoolError, UsageError
from ..jsonl import Record, Row, RowReader
from ..packing import is_table
from ..writer import RecordWriter
from .shards import Shard

NOTES = "_divtool"
_RUN = "run.json"
_NAME = re.compile(r"[0-9]{6,}-[0-9]{6,}")
_TRIES = ".tries"
# Ray begins a shard anew for ever when its worker is lost, also where the shard is what kills it.
_MOST_TRIES = 8
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Parts:
    """Where the parts of an output are.

    Attributes:
        target: What the user named: a folder, a pattern with ``*`` for the number, or one file that the parts are
            joined into.
        folder: Where they are.
        form: Their names, with ``*`` for the number.
        single: The parts are joined into `target` and taken away.
    """

    target: str
    folder: str = field(init=False)
    form: str = field(init=False)
    single: bool = field(init=False)

    def __post_init__(self) -> None:
        """Read the name.

        Raises:
            UsageError: It is no name for files.
        """
        name = places.absolute(self.target)
        if self.target == "-":
            raise UsageError(
                "--engine ray writes files: name a folder, a file, or a pattern such as out/part-*.jsonl with -o"
            )
        if not self.target or name.startswith("memory://"):
            raise UsageError(f"-o '{self.target}': no place that other processes see; name a folder or a file")
        folder, _, base = name.rpartition("/")
        if "*" in base:
            if base.count("*") > 1 or "*" in folder or not places.names_records(base):
                raise UsageError(f"-o {self.target}: one * stands for the number of a part, as in out/part-*.jsonl")
            found = folder, base, False
        elif places.names_records(base) and not self.target.endswith("/"):
            if os.path.isdir(name):
                raise UsageError(f"-o {self.target}: this is a folder; end its name in / for a file a shard in it")
            ending = base[base.find(".", 1) :] if base.count(".") > base.startswith(".") else base
            found = f"{name}.parts", f"part-*{ending}", True
        elif "." in base[1:] and not self.target.endswith("/") and not os.path.isdir(name):
            endings = ", ".join(places.RECORD_FILES)
            raise UsageError(f"-o {self.target}: end a folder's name in /, or a file's in one of {endings}")
        else:
            found = name.rstrip("/"), "part-*.jsonl", False
        if is_table(found[1].rpartition(".")[0]):
            raise UsageError(f"-o {self.target}: a Parquet file is packed inside; leave the last ending out")
        for key, value in zip(("folder", "form", "single"), found, strict=True):
            object.__setattr__(self, key, value)

    def part(self, shard: Shard) -> str:
        """The file of a shard."""
        return f"{self.folder}/{self.name(shard)}"

    def name(self, shard: Shard) -> str:
        """The name in the folder of the file of a shard."""
        return self.form.replace("*", shard.name)

    def note(self, name: str) -> str:
        """A file beside the parts."""
        return f"{self.folder}/{NOTES}/{name}"

    @classmethod
    def beside(cls, output: str, scratch: str | None) -> Parts:
        """Where what is found in shards is kept for an output that is written at the end.

        Args:
            output: The output.
            scratch: A folder that the user has named for it, or None for one beside the output.

        Raises:
            UsageError: There is nothing to stand beside.
        """
        if scratch is None and output == "-":
            raise UsageError(
                "--engine ray keeps what it finds beside the output: name a file with -o, or --scratch DIR"
            )
        return cls(f"{scratch or output.rstrip('/') + '.parts'}/")

    def below(self, name: str) -> Parts:
        """A place of its own below this one, for a run of several passes."""
        return Parts(f"{self.folder}/{name}/")

    def clear(self) -> None:
        """Take all of it away, and the folder where nothing else is in it: it may be one that the user has named."""
        head, tail = map(re.escape, self.form.split("*"))
        own = re.compile(rf"{NOTES}|{head}{_NAME.pattern}{tail}|{_NAME.pattern}\..+")
        there = places.names_in(self.folder)
        kept = [name for name in there if own.fullmatch(name)]
        for path in [self.folder] if kept == there else [f"{self.folder}/{name}" for name in kept]:
            places.remove(path)

    def begin(self, identity: Mapping[str, Any], *, resume: bool) -> None:
        """Note what this run is, or check that it is the one to go on with.

        Args:
            identity: Everything that the parts depend on; JSON values.
            resume: Whether it is to go on from what is there.

        Raises:
            DivtoolError: The folder holds something else.
        """
        wanted = json.loads(json.dumps(identity))
        known = self.note(_RUN)
        if not places.exists(known):
            if resume and self.single and places.exists(self.target):
                remedy = "leave --resume out to write it anew, or name another with -o"
                raise DivtoolError(f"{self.target}: is there, and no parts of a run to go on from; {remedy}")
            self._begin(wanted)
            return
        if not resume:
            raise DivtoolError(
                f"{self.folder}: holds the parts of a run; --resume goes on, or remove it, or name another"
            )
        self._compare(read_json(known), wanted)
        self._forget_tries()

    def _forget_tries(self) -> None:
        for name in places.names_in(self.note("").rstrip("/")):
            if name.endswith(_TRIES):
                places.remove(self.note(name))

    def keep_only(self, shards: Iterable[Shard]) -> None:
        """Take the parts of shards away that are no more, since a file has become shorter."""
        head, tail = self.form.split("*")
        expected = {shard.name for shard in shards}
        for folder, before, behind in ((self.folder, head, tail), (self.note("").rstrip("/"), "", ".json")):
            for name in places.names_in(folder):
                number = name.removeprefix(before).removesuffix(behind)
                if _NAME.fullmatch(number) and name == before + number + behind and number not in expected:
                    places.remove(f"{folder}/{name}")

    def _begin(self, identity: Mapping[str, Any]) -> None:
        head, tail = self.form.split("*")
        # A worker that was still at it when its run was given up may have finished a shard afterwards.
        late = {f"{head}{name}{tail}": self.note(f"{name}.json") for name in self.done()}
        there = [name for name in places.names_in(self.folder) if name.startswith(head) and name.endswith(tail)]
        others = [name for name in there if name not in late]
        if others:
            raise DivtoolError(f"{self.folder}: holds {others[0]}, which no run has noted; name another folder with -o")
        for name, note in late.items():
            places.remove(f"{self.folder}/{name}")
            places.remove(note)
        self._forget_tries()
        with places.whole(self.note(_RUN)) as stream:
            stream.write(json.dumps(identity, indent=1).encode() + b"\n")

    def _compare(self, there: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
        for key in (key for key in {**wanted, **there} if there.get(key) != wanted.get(key)):
            was, now = _difference(there.get(key), wanted.get(key))
            what = f"it differs in {key} ({was} there, {now} now)"
            raise DivtoolError(f"{self.folder}: --resume needs the run that was begun there; {what}")

    def abandon(self) -> None:
        """Take away what a run has noted that has finished nothing."""
        if self.done():
            return
        places.remove(self.note("").rstrip("/"))
        if not places.names_in(self.folder):
            places.remove(self.folder)

    def facts(self, shard: Shard, *, skip_bad: bool) -> dict[str, Any] | None:
        """What a shard came to; None where it is not done, or its input or its own files have changed since.

        Args:
            shard: The shard.
            skip_bad: Whether it may be one of which bad lines were left out.
        """
        name = self.note(f"{shard.name}.json")
        found = read_json(name) if places.exists(name) else None
        if found is None or found["stamp"] != shard.stamp or (found.get("skipped") and not skip_bad):
            return None
        written = {f"{self.folder}/{name}": size for name, size in found["written"].items()}
        whole = all(places.exists(path) and places.size(path) == size for path, size in written.items())
        return found if whole else None

    def given(self, rows: Iterable[Row]) -> str:
        """A file beside the parts with these records, for an input that is in no file."""
        name = self.note("given.jsonl")
        # Without a run, those that are there are what another call has left that was refused.
        if not (places.exists(name) and places.exists(self.note(_RUN))):
            with part_writer(name) as writer:
                for row in rows:
                    writer.write(row.data)
        return name

    def attempt(self, shard: Shard) -> None:
        """Count that a shard is begun.

        Raises:
            DivtoolError: It was begun too often: whatever does it is lost each time; or its file is another one.
        """
        shard.check()
        name = self.note(f"{shard.name}{_TRIES}")
        tries = read_json(name)["tries"] if places.exists(name) else 0
        if tries >= _MOST_TRIES:
            remedy = "give workers more memory (--worker-cpus 2 halves their number), or cut smaller (--shard-size)"
            raise DivtoolError(f"{shard}: its worker was lost {tries} times, often for want of memory; {remedy}")
        with places.whole(name) as stream:
            stream.write(orjson.dumps({"tries": tries + 1}))

    def done(self) -> set[str]:
        """The names of the shards that are done, if their files have not changed."""
        names = (name.removesuffix(".json") for name in places.names_in(self.note("").rstrip("/")))
        return {name for name in names if _NAME.fullmatch(name)}

    def finish(self, shard: Shard, facts: Mapping[str, Any], written: Iterable[str]) -> None:
        """Note that a shard is done.

        Args:
            shard: The shard.
            facts: What it came to; JSON values.
            written: The names of its files in the folder, which are whole before.

        Raises:
            InputError: The file has changed while it was read.
        """
        shard.check()
        sizes = {name: places.size(f"{self.folder}/{name}") for name in written}
        with places.whole(self.note(f"{shard.name}.json")) as stream:
            stream.write(orjson.dumps({**facts, "stamp": shard.stamp, "written": sizes}))

    def records(self, shards: Iterable[Shard]) -> Iterator[Record]:
        """The records of the parts of some shards, in order."""
        for name in map(self.part, shards):
            yield from (row.data for row in _Part(name))

    def join(self, shards: Iterable[Shard]) -> None:
        """Make one file of the parts of some shards, where one was named, and take them away."""
        if not self.single:
            return
        target = places.absolute(self.target)
        if is_table(target):
            with part_writer(target) as writer:
                for record in self.records(shards):
                    writer.write(record)
        else:
            # Packed files behind each other are one packed file.
            with places.whole(target) as whole:
                for name in map(self.part, shards):
                    with places.opened(name) as part:
                        shutil.copyfileobj(part, whole, _BLOCK)
        self.clear()


class _Part(RowReader):
    """The records of a part, which may be none."""

    def _found_nothing(self) -> None:
        pass


@contextmanager
def part_writer(name: str) -> Iterator[RecordWriter]:
    """Writes records to one part, which is there under its name only once the block has ended without a fault.

    Args:
        name: The file; what it is packed in goes by its name.
    """
    with tempfile.TemporaryDirectory(prefix="divtool-") as folder:
        scratch = os.path.join(folder, os.path.basename(name))
        with RecordWriter(scratch) as writer:
            yield writer
        with open(scratch, "rb") as part, places.whole(name) as whole:
            shutil.copyfileobj(part, whole, _BLOCK)


class ShardStore:
    """The files of one shard that are no records; a `passes.Store`.

    Args:
        parts: Where parts are.
        shard: The shard.

    Attributes:
        written: The names in the folder of the files that were opened for writing.
    """

    def __init__(self, parts: Parts, shard: Shard) -> None:
        self._folder, self._shard = parts.folder, shard.name
        self.written: list[str] = []

    def open(self, name: str, mode: Literal["rb", "wb"]) -> IO[bytes]:
        """A file of this shard."""
        name = f"{self._shard}.{name}"
        if mode == "wb":
            self.written.append(name)
        return places.opened(f"{self._folder}/{name}", mode)


def read_json(name: str) -> dict[str, Any]:
    """A file that holds one JSON object.

    Raises:
        DivtoolError: It holds something else.
    """
    with places.opened(name) as stream:
        try:
            found: dict[str, Any] = orjson.loads(stream.read())
        except orjson.JSONDecodeError:
            raise DivtoolError(f"{name}: is broken; remove it to have its part done again") from None
    return found


def _difference(there: Any, now: Any) -> tuple[Any, Any]:
    """The first place in which two values differ."""
    if isinstance(there, dict) and isinstance(now, dict):
        key = next(key for key in {**there, **now} if there.get(key) != now.get(key))
        return f"{key} {there.get(key)}", f"{key} {now.get(key)}"
    if isinstance(there, list) and isinstance(now, list):
        place = next((n for n, pair in enumerate(zip(there, now, strict=False)) if pair[0] != pair[1]), None)
        return (f"{len(there)}", f"{len(now)}") if place is None else (there[place], now[place])
    return there, now
