"""Reads any mix of stage files and tells by its keys which kind each record is."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from ..errors import DivtoolError, InputError
from ..jsonl import STDIN_NAME, Record, Row, RowReader
from ..records import check_own_pair
from .audit_rows import AuditRow, audit_row
from .gather import Pairs, Responses
from .group_section import Groups
from .origin import Origin
from .shelf import Shelf
from .text import as_name, cut
from .unit_series import UnitTable

# The first row whose keys a record holds names its kind, so the more telling key sets stand first.
KINDS: tuple[tuple[str, frozenset[str]], ...] = (
    ("training run", frozenset({"format", "method", "settings", "result"})),
    ("selection report", frozenset({"funnel"})),
    ("selection report", frozenset({"method", "audit"})),
    ("length-bias report", frozenset({"format", "resamples", "metrics"})),
    ("pair", frozenset({"prompt", "chosen", "rejected"})),
    ("unit value", frozenset({"task", "metric", "unit_id", "value"})),
    ("measure", frozenset({"task", "metric", "value"})),
    ("audit", frozenset({"task", "mode", "options"})),
    ("scored response", frozenset({"prompt", "response", "scores"})),
    ("audit summary", frozenset({"score", "spread", "verdicts"})),
    ("response", frozenset({"prompt", "response"})),
    ("possibility group", frozenset({"prompt", "responses"})),
    ("possibility manifest", frozenset({"template", "pool", "scheme"})),
    ("target", frozenset({"prompt", "targets"})),
    ("distribution step", frozenset({"step", "pass", "prompt_id"})),
    *(
        ("training step", frozenset({"step", key}))
        for key in ("loss", "learning_rate", "grad_norm", "rewards/margins", "eval_loss", "eval_ce", "epoch")
    ),
    ("training summary", frozenset({"train_runtime"})),
    ("training summary", frozenset({"train_loss"})),
    ("evaluation call", frozenset({"format", "command", "versions"})),
    ("decile map", frozenset({"format", "window", "reference", "metrics"})),
    ("prompt", frozenset({"prompt"})),
)


_ACCOUNTS = {"training run", "selection report", "length-bias report", "audit summary", "evaluation call"}


@dataclass(slots=True)
class SourceFile:
    """One file that the report was made from.

    Attributes:
        name: Its name without the folder, which is nobody's business but the writer's.
        kinds: How many records of each kind it holds.
        origin: What it says of the command that wrote it.
        size: In bytes; None for a stream.
        sha256: Hash of the file as it lies there; of a stream, of what was read.
        skipped: Bad lines that were left out.
    """

    name: str
    kinds: Counter[str] = field(default_factory=Counter)
    origin: Origin = field(default_factory=Origin)
    size: int | None = None
    sha256: str = ""
    skipped: int = 0

    def look(self, path: Path) -> None:
        """Take size and hash of a file."""
        try:
            with path.open("rb") as stream:
                self.sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
                self.size = stream.tell()
        except OSError as error:
            raise InputError(str(path), f"cannot be read ({error.strerror or error})") from None


@dataclass(slots=True)
class Inputs:
    """Everything that the report is drawn from.

    Attributes:
        files: The files, in the order given.
        responses: What is kept of response and scored records.
        pairs: What is kept of preference pairs.
        shelf: Responses and pairs to look through.
        measures: Measure records as they are.
        units: Values by unit.
        selections: Select reports as they are, each with its file's name.
        length_reports: Length-bias reports as they are, each with its file's name.
        logs: Training steps as they are, by file name.
        audits: Audit records made uniform.
        groups: What is kept of groups of responses.
        trained: What finished trainings say of themselves, each with its file's name.
        fits: Steps of training on a target distribution as they are, by file name.
        decile_maps: Maps of Diversity Deciles as they are, each with its file's name.
    """

    files: list[SourceFile] = field(default_factory=list)
    responses: Responses = field(default_factory=Responses)
    pairs: Pairs = field(default_factory=Pairs)
    shelf: Shelf = field(default_factory=Shelf)
    measures: list[Record] = field(default_factory=list)
    units: UnitTable = field(default_factory=UnitTable)
    selections: list[tuple[str, Record]] = field(default_factory=list)
    length_reports: list[tuple[str, Record]] = field(default_factory=list)
    logs: dict[str, list[Record]] = field(default_factory=dict)
    audits: list[AuditRow] = field(default_factory=list)
    fits: dict[str, list[Record]] = field(default_factory=dict)
    groups: Groups = field(default_factory=Groups)
    trained: list[tuple[str, Record]] = field(default_factory=list)
    decile_maps: list[tuple[str, Record]] = field(default_factory=list)


def kind_of(record: Record) -> str | None:
    """The kind of a record by its keys; None where they fit no kind."""
    return next((kind for kind, keys in KINDS if keys <= record.keys()), None)


def load(sources: Sequence[Path | str], *, skip_bad: bool = False) -> Inputs:
    """Read stage files of any kinds; one file may hold several.

    Args:
        sources: Files, or ``-`` for standard input.
        skip_bad: Count lines that cannot be read or told and go on, instead of ending at the first.

    Raises:
        InputError: A file cannot be read, holds nothing, or holds a record of no known kind.
    """
    inputs = Inputs(files=[SourceFile(_name(source)) for source in sources])
    # Values by unit come first: they tell whose responses are worth keeping.
    order = sorted(range(len(sources)), key=lambda i: not _begins_with_units(sources[i]))
    for i in order:
        entry = inputs.files[i]
        rows = _rows(sources[i], skip_bad=skip_bad)
        for row in rows:
            kind = _told(row)
            entry.kinds[kind] += 1
            _keep(inputs, kind, row.data, entry)
        if isinstance(rows, RowReader):
            entry.skipped = rows.skipped
        if Path(sources[i]).is_file():
            entry.look(Path(sources[i]))
        elif isinstance(rows, RowReader):
            entry.sha256 = rows.sha256
        if entry.kinds["unit value"]:
            inputs.responses.want(inputs.units.wanted(), inputs.units.runs())
    return inputs


def _told(row: Row) -> str:
    """The kind of a record; an error where there is none."""
    kind = kind_of(row.data)
    if kind is not None:
        return kind
    check_own_pair(row)
    keys = ", ".join(cut(key, 30) for key in list(row.data)[:6]) or "none"
    raise row.fault(f"cannot tell what kind of record this is (its keys: {keys})", "give files of the stages")


def _check(row: Row) -> None:
    _told(row)


def _name(source: Path | str) -> str:
    return STDIN_NAME if str(source) == "-" else as_name(Path(source).name)


def _begins_with_units(source: Path | str) -> bool:
    """Whether a file's first record is a value of a unit; its faults are left for the reading itself."""
    if not Path(source).is_file():
        return False
    try:
        first = next(iter(_rows(source)), None)
    except DivtoolError:
        return False
    return first is not None and kind_of(first.data) == "unit value"


def _keep(inputs: Inputs, kind: str, record: Record, file: SourceFile) -> None:
    """Hand one record to what collects its kind; kinds that no section shows yet are only counted."""
    name = file.name
    if kind in _ACCOUNTS:
        file.origin.state(record)
    else:
        file.origin.add(kind, record)
    if kind in {"response", "scored response"}:
        inputs.shelf.response(record, inputs.responses.add(record, Path(name).stem))
    elif kind == "pair":
        inputs.pairs.add(record)
        inputs.shelf.pair(record)
    elif kind == "possibility group":
        inputs.groups.add(record)
    elif kind == "measure":
        inputs.measures.append(record)
    elif kind == "unit value":
        inputs.units.add(record)
    elif kind == "selection report":
        inputs.selections.append((name, record))
    elif kind == "training run":
        inputs.trained.append((name, record))
    elif kind == "length-bias report":
        inputs.length_reports.append((name, record))
    elif kind == "training step":
        inputs.logs.setdefault(name, []).append(record)
    elif kind == "distribution step":
        inputs.fits.setdefault(name, []).append(record)
    elif kind == "audit":
        inputs.audits.append(audit_row(record))
    elif kind == "decile map":
        inputs.decile_maps.append((name, record))


def _rows(source: Path | str, *, skip_bad: bool = False) -> Iterable[Row]:
    """The records of a file: JSON Lines, or one JSON value where the name ends in .json."""
    path = Path(source)
    if path.suffix == ".json" and path.is_file():
        try:
            value = orjson.loads(path.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            pass  # JSON Lines under another name; the reader below says what is wrong with a line
        else:
            return _checked(value if isinstance(value, list) else [value], str(source))
    return RowReader(str(source), _check, skip_bad=skip_bad)


def _checked(values: Iterable[object], name: str) -> Iterator[Row]:
    empty = True
    for number, value in enumerate(values, start=1):
        empty = False
        if not isinstance(value, dict):
            raise InputError(name, f"item {number} is not a JSON object")
        yield Row(value, f"{name}, item {number}")
    if empty:
        raise InputError(name, "no records")
