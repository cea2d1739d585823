"""Decile maps as pictures: the edges of the tenths along the length, and what a map was made of."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from ..jsonl import Record
from .blocks import Drawer, Figure, Folder, Section, Table
from .decile_charts import bounds
from .text import as_list, as_mapping, as_name, as_number, as_text, count, number, title_words

_METRICS = 30  # of a map
_LENGTHS = 4_000  # of a metric
_OPEN = 4

_Row = tuple[float, float | None, float | None, list[float]]  # words, half-width, texts, edges


def maps(given: Sequence[tuple[str, Record]], section: Section, draw: Drawer) -> None:
    """Add to a section the edges of every map, in one folder each, and what they are made of."""
    facts = []
    for name, record in given:
        tables = islice(as_mapping(record.get("metrics")).items(), _METRICS)
        found = {as_name(metric): _rows(as_mapping(table).get("rows")) for metric, table in tables}
        known = {metric: rows for metric, rows in found.items() if rows}
        facts.append(_facts(name, record, known))
        figures = [_figure(metric, rows, draw) for metric, rows in known.items()]
        if figures:
            section.folders.append(Folder(f"The map {name}: edges by length", figures, len(figures) <= _OPEN))
    if facts:
        head = ("Map", "Texts", "Prompts", "Model", "Metrics", "Words from", "to", "Window", "Made of (SHA-256)")
        section.tables.append(Table(head, facts, "lrrlrrrlt", "What the deciles are read off"))


def _rows(given: object) -> list[_Row]:
    """The rows of a metric that are sound, by length."""
    found = []
    for row in as_list(given)[:_LENGTHS]:
        cells = [*as_list(row), None, None, None, None]
        edges = [edge for edge in map(as_number, as_list(cells[3])[:9]) if edge is not None]
        length = as_number(cells[0])
        if len(edges) == 9 and length is not None and edges == sorted(edges):
            found.append((length, as_number(cells[1]), as_number(cells[2]), edges))
    return sorted(found, key=lambda row: row[0])


def _facts(name: str, record: Record, known: dict[str, list[_Row]]) -> tuple[str, ...]:
    reference, window = as_mapping(record.get("reference")), as_mapping(record.get("window"))
    lengths = [row[0] for rows in known.values() for row in rows]
    least, widest = (count(as_number(window.get(key))) for key in ("min_items", "max_halfwidth"))
    return (
        name,
        count(as_number(reference.get("n_responses"))),
        count(as_number(reference.get("n_prompts"))),
        as_name(reference.get("model")),
        count(len(known)),
        count(min(lengths, default=None)),
        count(max(lengths, default=None)),
        f"{least} texts, at most {widest} words away",
        as_text(reference.get("sha256")),
    )


def _figure(metric: str, rows: Sequence[_Row], draw: Drawer) -> Figure:
    title = title_words(metric)
    cells = [
        (count(words), count(width), count(texts), *(number(edge) for edge in edges))
        for words, width, texts, edges in rows
    ]
    head = ("Words", "Half-width", "Texts", *(f"{k}0 %" for k in range(1, 10)))
    table = Table(head, cells, "r" * len(head), f"Edges of {title}", folded=True)
    first, last = rows[0], rows[-1]
    alt = (
        f"Nine lines, the edges of the tenths of {title} along the length: the median is {number(first[3][4])} at "
        f"{count(first[0])} words and {number(last[3][4])} at {count(last[0])} words."
    )
    chart = bounds([(words, edges) for words, _, _, edges in rows], title)
    return draw.figure(chart, title, alt, caption="Where the lines slope, the metric follows length.", table=table)
