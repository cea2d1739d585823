"""Reading a decile map, a file that may come from anywhere, and scoring with it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from ..errors import InputError
from .catalog import METRICS, PER_RESPONSE
from .deciles import FORMAT, VERSION, diversity_decile

MEAN = "dd_mean"
_REMEDY = "make one with divtool score --save-deciles"
_AGAIN = "make the map again with this setting, or use the setting of the map"
_KINDS: dict[type, str] = {str: "a string", int: "a whole number", dict: "an object", list: "a list"}


@dataclass(frozen=True, slots=True)
class _Table:
    """One metric of a map: its orientation, and nine edges by word count."""

    direction: int
    edges: dict[int, list[float]]

    def decile(self, words: int, value: float | None) -> float | None:
        """The decile of a value among texts of so many words."""
        edges = self.edges.get(words)
        return None if value is None or edges is None else diversity_decile(value, edges, self.direction)


class DecileMap:
    """The edges of a reference population, by metric and word count. Make one with `read`."""

    def __init__(self, tables: Mapping[str, _Table], source: str) -> None:
        self._tables = tables
        self._mean_of = _mean_parts(tables)
        self.source = source
        """Whose deciles they are, for definitions."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that the map needs of a response."""
        return tuple(self._tables)

    @property
    def names(self) -> tuple[str, ...]:
        """The scores that it gives: `dd_<metric>` for each metric, and `dd_mean` where the map has a part of it."""
        return (*(f"dd_{name}" for name in self._tables), *((MEAN,) if self._mean_of else ()))

    @property
    def mean_of(self) -> tuple[str, ...]:
        """The scores that `dd_mean` is the mean of."""
        return self._mean_of

    def scores(self, words: int, scores: Mapping[str, float | None]) -> dict[str, float | None]:
        """The Diversity Deciles of one response.

        Range [1, 10], higher is more diverse. Null where the metric is, or where the map has no row for the length.

        Args:
            words: Its length in words.
            scores: Its metrics, each of `metrics` among them.
        """
        found: dict[str, float | None] = {}
        for name, table in self._tables.items():
            found[f"dd_{name}"] = table.decile(words, scores[name])
        if self._mean_of:
            parts = [part for name in self._mean_of if (part := found[name]) is not None]
            found[MEAN] = sum(parts) / len(parts) if parts else None
        return found

    @classmethod
    def read(cls, path: str | Path, definitions: Mapping[str, str], tokenizer: str) -> DecileMap:
        """The map in a file.

        Args:
            path: The file.
            definitions: How this run computes each metric, by name.
            tokenizer: What this run counts words with.

        Raises:
            InputError: It cannot be read, is no such map, or was made with another tokenizer or definition.
        """
        where = str(path)
        data = _Reader(where, _parsed(where))
        if data.get("format", str) != FORMAT:
            raise InputError(where, f"the key 'format' is not '{FORMAT}'", _REMEDY)
        if (version := data.get("version", int)) != VERSION:
            raise InputError(where, f"the key 'version' is {version}, this program reads {VERSION}", _REMEDY)
        if data.get("unit", str) != "words":
            raise InputError(where, "the key 'unit' is not 'words'", _REMEDY)
        if (made := data.get("tokenizer", str)) != tokenizer:
            raise InputError(where, f"made with tokenizer '{made}', this run uses '{tokenizer}'", _AGAIN)
        tables = data.get("metrics", dict)
        if not tables:
            raise data.fault("metrics", "is empty")
        return cls({name: _table(data, name, definitions) for name in tables}, _source(data))


def _mean_parts(tables: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns of `dd_mean`: two lexical ones and one semantic one."""
    semantic = "dsi" if "dsi" in tables else "dsi_lite"
    return tuple(f"dd_{name}" for name in ("ttr", "word_entropy", semantic) if name in tables)


def _parsed(where: str) -> Any:
    try:
        return orjson.loads(Path(where).read_bytes())
    except OSError as error:
        raise InputError(where, f"the decile map cannot be read ({error.strerror or error})", _REMEDY) from None
    except orjson.JSONDecodeError as error:
        raise InputError(where, f"not valid JSON ({error.msg} at line {error.lineno})", _REMEDY) from None


class _Reader:
    """Typed access to parsed JSON that names file and key in its errors."""

    def __init__(self, where: str, data: Any, key: str = "") -> None:
        self._where, self._key = where, key
        if not isinstance(data, dict):
            raise self.fault("", "is no JSON object")
        self._data = data

    def fault(self, key: str, what: str) -> InputError:
        name = ".".join(filter(None, (self._key, key)))
        return InputError(self._where, f"the key '{name}' {what}" if name else what, _REMEDY)

    def get(self, key: str, kind: type) -> Any:
        if key not in self._data:
            raise self.fault(key, "is missing")
        value = self._data[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.fault(key, f"is not {_KINDS[kind]}")
        return value

    def inside(self, key: str) -> _Reader:
        return _Reader(self._where, self.get(key, dict), ".".join(filter(None, (self._key, key))))

    @property
    def where(self) -> str:
        return self._where


def _table(data: _Reader, name: str, definitions: Mapping[str, str]) -> _Table:
    own = data.inside("metrics").inside(name)
    direction, made = own.get("direction", int), own.get("definition", str)
    if name not in definitions:
        raise own.fault("", "is a metric that this program does not have")
    if made != definitions[name]:
        raise InputError(data.where, f"{name} was made as '{made}', this run computes '{definitions[name]}'", _AGAIN)
    metric = METRICS[name]
    if metric.level not in PER_RESPONSE or not metric.sign:
        raise own.fault("", "is no metric of single responses with a direction")
    if direction != metric.sign:
        raise own.fault("direction", f"is {direction}, and the metric's is {metric.sign}")
    rows = own.get("rows", list)
    edges: dict[int, list[float]] = {}
    for place, row in enumerate(rows):
        if not _is_row(row):
            shape = "is no [word count, half-width, texts, [nine ascending numbers]]"
            raise own.fault(f"rows[{place}]", shape)
        if row[0] in edges:
            raise own.fault(f"rows[{place}]", f"is a second row for {row[0]} words")
        edges[row[0]] = [float(edge) for edge in row[3]]
    if not edges:
        raise own.fault("rows", "is empty")
    return _Table(direction, edges)


def _is_row(row: Any) -> bool:
    if not isinstance(row, list) or len(row) != 4:
        return False
    *head, edges = row
    if not all(_is_number(n, whole=True) for n in head) or head[0] < 1 or head[1] < 0 or head[2] < 1:
        return False
    good = isinstance(edges, list) and len(edges) == 9 and all(_is_number(edge) for edge in edges)
    return good and edges == sorted(edges)


def _is_number(value: Any, *, whole: bool = False) -> bool:
    kinds = int if whole else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value)


def _source(data: _Reader) -> str:
    reference = data.inside("reference")
    n, digest = reference.get("n_responses", int), reference.get("sha256", str)
    return f"{n} reference texts, sha256 {digest[:12]}"
