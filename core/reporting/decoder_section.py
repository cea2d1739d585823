"""What temperature makes of the answers: valid mass, TV and entropy under each decoder of an exact sweep."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean

from .audit_rows import AuditRow
from .blocks import Drawer, Figure, Folder, Section, Table
from .line_charts import Line, lines
from .load import Inputs
from .text import DASH, as_list, as_mapping, as_number, count, number, percent, plural

_SETTINGS = ("temperature", "top_k", "top_p", "min_p")
_CURVES = {"valid_mass": "valid mass", "tv": "TV", "normalized_entropy": "normalised entropy"}
_MOST_ROWS, _MOST_PICTURES = 200, 200
_OFF = {"top_k": 0.0, "top_p": 1.0, "min_p": 0.0}

Setting = tuple[float | None, ...]
Values = Mapping[str, float | None]


def decoder_sweep(inputs: Inputs, draw: Drawer) -> Section:
    """Curves over temperature: the mean over prompts, and each prompt a click away."""
    section = Section("decoders", "What the decoder makes of it")
    swept = [(row, table) for row in inputs.audits if (table := _table(row))]
    if not swept:
        return section
    section.lead = (
        "Exact, from the same forward pass: temperature acts on each token, then top-k, top-p and min-p cut. A higher "
        "temperature spreads the answers and costs valid mass; TV counts both."
    )
    if len(swept) > 1:
        section.figures.append(_mean_figure([table for _, table in swept], draw))
    drawn = [_figure(row, table, draw) for row, table in swept[:_MOST_PICTURES]]
    if len(drawn) == 1:
        section.figures += drawn
    else:
        section.folders.append(Folder(f"By prompt: {plural(len(drawn), 'sweep')}", drawn))
    section.tables.append(_spreads([row for row, _ in swept]))
    return section


def _table(row: AuditRow) -> dict[Setting, Values]:
    """The values under each decoder."""
    given = as_list(as_mapping(row.record.get("decoders")).get("rows"))[:_MOST_ROWS]
    rows = [{key: as_number(value) for key, value in as_mapping(entry).items()} for entry in given]
    return {tuple(entry.get(key) for key in _SETTINGS): entry for entry in rows if entry.get("temperature") is not None}


def _curves(table: Mapping[Setting, Values]) -> list[Line]:
    """The rows that only set the temperature, as lines over it."""
    plain = {
        s[0]: values for s, values in table.items() if all((s[i + 1] or v) == v for i, v in enumerate(_OFF.values()))
    }
    known = sorted((at, values) for at, values in plain.items() if at is not None)
    return [
        Line(name, [(at, value) for at, values in known if (value := values.get(key)) is not None])
        for key, name in _CURVES.items()
    ]


def _mean_figure(tables: Sequence[Mapping[Setting, Values]], draw: Drawer) -> Figure:
    found: dict[Setting, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for table in tables:
        for setting, values in table.items():
            for key in _CURVES:
                if (value := values.get(key)) is not None:
                    found[setting][key].append(value)
    means = {setting: {key: fmean(every) for key, every in values.items()} for setting, values in found.items()}
    return _drawn(f"Mean of {plural(len(tables), 'prompt')}", means, "", None, draw)


def _figure(row: AuditRow, table: Mapping[Setting, Values], draw: Drawer) -> Figure:
    spread = as_mapping(as_mapping(row.record.get("decoders")).get("spread"))
    return _drawn(f"{row.task}, {row.column}", table, _said(row), as_number(spread.get("temperature")), draw)


def _drawn(title: str, table: Mapping[Setting, Values], lead: str, mark: float | None, draw: Drawer) -> Figure:
    drawn = _curves(table)
    ends = [
        f"{line.name} {number(line.points[0][1], 2)} to {number(line.points[-1][1], 2)}"
        for line in drawn
        if line.points
    ]
    alt = f"Lines over temperature, {title}: {'; '.join(ends)}."
    rows = [
        (*(_setting(value) for value in setting), *(number(values.get(key), 3) for key in _CURVES))
        for setting, values in table.items()
    ]
    head = ("T", "top-k", "top-p", "min-p", *(name.capitalize() if name != "TV" else name for name in _CURVES.values()))
    numbers = Table(head, rows, "r" * len(head), title, folded=True)
    return draw.figure(lines(drawn, "temperature", mark=mark), title, alt, table=numbers, lead=lead)


def _setting(value: float | None) -> str:
    return DASH if value is None else f"{value:g}"


def _said(row: AuditRow) -> str:
    spread = as_mapping(as_mapping(row.record.get("decoders")).get("spread"))
    least, change = as_number(spread.get("temperature")), as_number(spread.get("valid_mass_change"))
    if least is None:
        return "No temperature tried spreads the valid answers to .95 of the target's entropy."
    cost = "" if change is None else f" and changes valid mass by {percent(change, 1, sign=True)}"
    return f"T = {least:g} spreads the valid answers to .95 of the target's entropy{cost}."


def _spreads(rows: Sequence[AuditRow]) -> Table:
    """The least temperature that spreads the answers of each prompt."""
    cells = []
    for row in rows:
        spread = as_mapping(as_mapping(row.record.get("decoders")).get("spread"))
        figures = (as_number(spread.get(key)) for key in ("valid_mass", "valid_mass_change", "tv"))
        valid, change, tv = figures
        cells.append((
            row.task, row.column, _setting(as_number(spread.get("temperature"))), percent(valid, 1),
            percent(change, 1, sign=True), number(tv, 3),
        ))  # fmt: skip
    head = ("Task", "Wording", "Least T", "Valid mass there", "Change from T = 1", "TV there")
    caption = f"Least temperature with .95 of the target's entropy ({count(len(rows))} sweeps)"
    return Table(head, cells, "llrrrr", caption, folded=len(cells) > 8)
