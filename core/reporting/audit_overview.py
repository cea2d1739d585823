"""The overview of an audit: TV of every task in every wording, with the letters of the verdicts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from statistics import fmean

from .audit_grid import TONES, Cell, GridRow, grid
from .audit_rows import LETTERS, AuditRow
from .blocks import Drawer, Figure, Table
from .charts import GREY
from .text import DASH, plural, short

_GRID_ROWS, _GRID_COLUMNS = 30, 5


def cell_text(row: AuditRow) -> str:
    """TV with the letter of its verdict."""
    return f"{short(row.now.tv)} {LETTERS.get(row.now.verdict, '')}".strip()


def overview(rows: Sequence[AuditRow], aside: str, draw: Drawer) -> list[Figure]:
    """Tasks by wordings: a picture for every thirty rows and five columns."""
    names = sorted({row.column for row in rows}, key=lambda name: (not name.startswith("w"), len(name), name))
    cells = {(row.task, row.column): row for row in rows}
    figures = []
    for start in range(0, len(names), _GRID_COLUMNS):
        shown = names[start : start + _GRID_COLUMNS]
        for part in _parts([row for row in rows if row.column in shown]):
            figures.append(_grid_figure(part, shown, cells, aside, draw))
    return figures


def _parts(rows: Sequence[AuditRow]) -> Iterator[list[tuple[str, str]]]:
    """(family, task) in groups of at most thirty lines, headings included."""
    tasks = dict.fromkeys((row.family, row.task) for row in rows)
    families: dict[str, list[str]] = defaultdict(list)
    for family, task in tasks:
        families[family].append(task)
    part: list[tuple[str, str]] = []
    for family, own in families.items():
        for task in own:
            if len(part) + len({name for name, _ in part}) >= _GRID_ROWS - 1:
                yield part
                part = []
            part.append((family, task))
    if part:
        yield part


def _grid_figure(
    part: Sequence[tuple[str, str]],
    names: Sequence[str],
    cells: dict[tuple[str, str], AuditRow],
    aside: str,
    draw: Drawer,
) -> Figure:
    rows, table, family = [], [], None
    for own, task in part:
        if own != family and own:
            rows.append(GridRow(own))
        family = own
        found = [cells.get((task, name)) for name in names]
        rows.append(GridRow(task, [None if row is None else _grid_cell(row) for row in found]))
        table.append((task, own, *(DASH if row is None else cell_text(row) for row in found), *_of_task(found)))
    head = ("Task", "Family", *names, "Mean", "Worst")
    title = f"Total variation by task and wording{aside}"
    numbers = Table(head, table, "ll" + "r" * (len(names) + 1) + "l", title, folded=True)
    worst = max(
        (row for row in cells.values() if row.now.tv is not None), key=lambda row: row.now.tv or 0, default=None
    )
    alt = (
        f"Grid of TV, {plural(len(part), 'task')} by {plural(len(names), 'wording')}, letters P, W and F for verdicts."
    )
    alt += f" Worst: {worst.task}, {worst.column}, {cell_text(worst)}." if worst is not None else ""
    caption = (
        "P pass, W warn, F fail; the stronger the shade, the further from the target. w0 asks without a word of chance."
    )
    return draw.figure(grid(names, rows, ("task", "wording", "TV")), title, alt, caption=caption, table=numbers)


def _grid_cell(row: AuditRow) -> Cell:
    return Cell(cell_text(row), row.now.tv, row.now.tv or 0.0, TONES.get(row.now.verdict, GREY))


def _of_task(rows: Sequence[AuditRow | None]) -> tuple[str, str]:
    """Mean TV over the scored wordings, and the worst of them."""
    known = [(row.now.tv, row.column) for row in rows if row is not None and row.scored and row.now.tv is not None]
    return (short(fmean(tv for tv, _ in known)), max(known)[1]) if known else (DASH, DASH)
