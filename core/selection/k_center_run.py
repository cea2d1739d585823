"""`select --method k-center`: of a prompt's responses, or of the whole input, those that lie farthest apart."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import IO, Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from ..draws import generator
from ..errors import DivtoolError
from ..jsonl import Record, Row, dumps
from ..metrics.supplies import Sources, chat_and_text, open_embedder, open_language_model
from ..passes import Store
from .job import Selected, SelectJob
from .k_center import farthest_first, nearest_to_mean
from .k_center_report import Report
from .kept import keep_state, kept_state
from .model_options import ModelOptions
from .options import refuse_unless
from .pieces import Pieces
from .pools import check_pool, check_pool_response

Vectors = NDArray[Any]
Encode = Callable[[Sequence[Record]], Vectors]

_AT_ONCE = 256
_CHOSEN = "chosen.jsonl"


@dataclass(frozen=True, kw_only=True)
class KCenterOptions(ModelOptions):
    """What `k-center` takes.

    Attributes:
        k: Responses to choose, of each prompt or of the whole input.
        space: Unit vectors of the embedder, or mean hidden states of the model.
        scope: By prompt, or over the whole input.
        init: With the scope `global`, rows drawn at random to begin with.
        embedder: Sentence embedder.
        embedding_cache: Keep sentence vectors on disk.
        seed: For the rows to begin with.
    """

    k: int | None = None
    space: Literal["embedder", "model"] = "embedder"
    scope: Literal["prompt", "global"] = "prompt"
    init: int | None = None
    embedder: str = "minilm"
    embedding_cache: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        refuse_unless((self.k is not None, "k-center needs -k, the number of responses to choose"))
        refuse_unless(
            (self.most >= 1, "-k must be at least 1"),
            (self.init is None or self.scope == "global", "--init goes with --scope global"),
            (self.init is None or 1 <= self.init <= self.most, "--init must be from 1 to -k"),
        )

    @property
    def most(self) -> int:
        """How many to choose."""
        return self.k or 0


def run(job: SelectJob) -> Selected:
    """Choose responses and write them, unchanged but for `kcenter_rank` and `kcenter_distance`.

    Raises:
        DivtoolError: The input cannot be used, or a model cannot be loaded.
    """
    options: KCenterOptions = job.options
    if options.scope == "prompt":
        found = job.first(partial(ByPrompt, options, job.note), check_pool_response, check_pool)
        with closing(found):
            return found.written(job)
    rows = job.rows(check_pool_response)
    return _over_all(job, rows, encoder(options, job.note))


def encoder(options: KCenterOptions, note: Callable[[str], None]) -> Encode:
    """What turns records into vectors; a zero row stands for a text without content.

    Raises:
        DivtoolError: The model cannot be loaded.
    """
    if options.space == "model":
        lm = open_language_model(options.model, options.loading, note)
        from ..models.hidden import mean_states

        return lambda records: mean_states(lm, [chat_and_text(record) for record in records])
    sources = Sources(embedder=options.embedder, embedding_cache=options.embedding_cache, loading=options.loading)
    embedder = open_embedder(options.embedder, sources, note)

    def encode(records: Sequence[Record]) -> Vectors:
        vectors = embedder.encode([record["response"] for record in records])
        vectors[[not record["response"].strip() for record in records]] = 0
        return vectors

    return encode


class ByPrompt:
    """The first pass: chooses among the responses of one prompt after the other.

    Args:
        options: What the user set.
        note: Hears what is opened.
    """

    def __init__(self, options: KCenterOptions, note: Callable[[str], None]) -> None:
        self._options, self._note = options, note
        self._report = Report(options)
        self._lines = Pieces()
        self._encode: Encode | None = None

    def read(self, group: list[Row]) -> None:
        """Choose among the responses of a prompt; the model is loaded with the first.

        Raises:
            DivtoolError: The model cannot be loaded.
        """
        encode = self._encode = self._encode or encoder(self._options, self._note)
        records = [row.data for row in sorted(group, key=_order)]
        vectors = encode(records)
        filled = np.flatnonzero(vectors.any(axis=1))
        self._report.zero(len(records) - len(filled), len(records))
        picked = []
        if len(filled):
            picked = farthest_first(vectors[filled], self._options.most, [nearest_to_mean(vectors[filled])])
        self._report.chosen(len(filled), len(picked))
        told = {id(records[filled[place]]): (rank, far) for rank, (place, far) in enumerate(picked)}
        for row in group:
            if id(row.data) in told:
                self._lines.write(dumps(_told(row.data, *told[id(row.data)])))

    def keep(self, store: Store) -> None:
        """Write what was found: the chosen responses, the counts."""
        self._lines.keep(store, _CHOSEN)
        keep_state(store, {"size": self._lines.size, **self._report.state()})

    def absorb(self, store: Store) -> None:
        """Add what another part has kept."""
        state = kept_state(store)
        self._lines.absorb(store, _CHOSEN, state["size"])
        self._report.absorb(state)

    def written(self, job: SelectJob) -> Selected:
        """Write the chosen responses; what the run has to say."""
        for line in self._lines:
            job.writer.write(orjson.loads(line))
        return self._report.finished(job.method)

    def close(self) -> None:
        """Give the disk space back."""
        self._lines.close()


def _over_all(job: SelectJob, rows: Iterable[Row], encode: Encode) -> Selected:
    """One float32 vector a record in a temporary memory map, the records in a temporary file."""
    options: KCenterOptions = job.options
    report = Report(options)
    with tempfile.TemporaryFile(prefix="divtool-") as spool, tempfile.TemporaryFile(prefix="divtool-") as space:
        numbers, total, width = [], 0, 0
        waiting = iter(rows)
        while batch := list(islice(waiting, _AT_ONCE)):
            records = [row.data for row in batch]
            vectors = np.asarray(encode(records), dtype=np.float32)
            width = vectors.shape[1]
            filled = vectors.any(axis=1)
            space.write(vectors[filled].tobytes())
            numbers.extend((np.flatnonzero(filled) + total).tolist())
            total += len(records)
            for record in records:
                spool.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
        space.flush()
        report.zero(total - len(numbers), total)
        if not numbers:
            raise DivtoolError("no response has content: nothing to choose from")
        vectors = np.memmap(space, dtype=np.float32, mode="r", shape=(len(numbers), width))
        picked = farthest_first(vectors, options.most, _start(options, vectors))
        report.chosen(len(numbers), len(picked))
        told = {numbers[place]: (rank, far) for rank, (place, far) in enumerate(picked)}
        for number, record in enumerate(_read(spool)):
            if number in told:
                job.writer.write(_told(record, *told[number]))
    return report.finished(job.method)


def _start(options: KCenterOptions, vectors: Vectors) -> list[int]:
    if options.init is None:
        return [nearest_to_mean(vectors)]
    draw = generator(options.seed, "k-center")
    places: list[int] = draw.choice(len(vectors), size=min(options.init, len(vectors)), replace=False).tolist()
    return places


def _order(row: Row) -> tuple[int, int, str]:
    return row.data.get("sample_index", -1), row.data["turn"], row.data["response"]


def _told(record: Record, rank: int, distance: float | None) -> Record:
    return record | {"kcenter_rank": rank, "kcenter_distance": distance}


def _read(spool: IO[bytes]) -> Iterator[Record]:
    spool.seek(0)
    return map(orjson.loads, spool)
