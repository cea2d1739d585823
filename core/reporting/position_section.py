"""Choices from a list: what the place of an entry does, beside what its content does; and stated chances."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..audit.listed import WEIGHTED
from ..audit.position import position_summary
from ..audit.weighted import weighted_summary
from .audit_charts import Share, share_panels
from .audit_grid import Cell, GridRow, grid
from .audit_rows import AuditRow
from .audit_totals import latest
from .blocks import Drawer, Figure, Folder, Section, Table
from .charts import ORANGE
from .line_charts import Line, lines
from .load import Inputs
from .text import as_number, count, number, percent, plural

_MOST = 200  # prompts that are drawn
_GRID_ROWS, _LINES = 30, 3
_OPEN = 2
_HEAT = ("entry", "place", "share chosen (0 to 1)")
_FIGURES = {
    "position_tv": "Position TV", "content_tv": "Content TV", "order_effect": "Order effect",
    "primacy": "Primacy", "recency": "Recency", "flip_rate": "Flip rate", "information_bits": "Bits told by the order",
    "interaction": "Interaction",
}  # fmt: skip

Summary = Mapping[str, Any]


def positions(inputs: Inputs, draw: Drawer) -> Section:
    """Position against content, the effect of the order, and the curves of stated chances."""
    section = Section("position", "Choosing from a list")
    groups = _groups(inputs.audits)
    rows = [row.plain() for own in groups.values() for row in own]
    found = position_summary(row for row in rows if not row["task"].startswith(f"{WEIGHTED}/"))
    models = {row["model"] for row in rows}
    every = [(_name(one, models), one) for one in found]
    named = [(name, one) for name, one in every if one["position"] is not None][:_MOST]
    if named:
        section.figures += [_grid(named[i : i + _GRID_ROWS], draw) for i in range(0, len(named), _GRID_ROWS)]
        section.tables.append(_table(every))
        for name, one in named:
            own = groups[_key(one)]
            figures = [_bars(name, one, own[0], draw), _heat_map(name, own, draw)]
            section.folders.append(Folder(f"{name}: {_said(one)}", figures, len(named) <= _OPEN))
        section.lead = (
            "The same list in several orders. Position: how often each place is chosen, whatever stands there. "
            "Content: how often each entry is chosen, wherever it stands. Order effect: mean TV between two orders; 0 "
            "is indifferent to the order. Primacy and recency: the first and the last place over their fair share."
        )
    section.figures += _calibrations(weighted_summary(rows), draw)
    return section


def _key(one: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(one[key] for key in ("model", "task", "wording", "format"))


def _groups(audits: Sequence[AuditRow]) -> dict[tuple[str, ...], list[AuditRow]]:
    """The orders of each list, all of one length."""
    found: dict[tuple[str, ...], list[AuditRow]] = defaultdict(list)
    for row in latest(audits):
        own = found[_key(row.plain())]
        if row.order is not None and (not own or len(own[0].options) == len(row.options)):
            own.append(row)
    return found


def _name(one: Summary, models: set[str]) -> str:
    parts = [one["task"], "" if one["wording"] == "given" else one["wording"]]
    parts += ["" if one["format"] == "bare" else one["format"], one["model"] if len(models) > 1 else ""]
    return " \u00b7 ".join(part for part in parts if part)


def _said(one: Summary) -> str:
    return f"position TV {number(one['position_tv'], 2)}, content TV {number(one['content_tv'], 2)}"


def _grid(named: Sequence[tuple[str, Summary]], draw: Drawer) -> Figure:
    keys = ("position_tv", "content_tv", "order_effect")
    rows = [
        GridRow(name, [None if one[k] is None else Cell(number(one[k], 2), one[k], one[k], ORANGE) for k in keys])
        for name, one in named
    ]
    worst, summary = max(named, key=lambda pair: pair[1]["position_tv"])
    alt = f"Grid of position TV, content TV and order effect of {plural(len(named), 'prompt')}. "
    alt += f"Most: {worst}, {_said(summary)}."
    title = "Position, content and order"
    chart = grid(("position", "content", "order"), rows, ("prompt", "figure", "value"))
    return draw.figure(
        chart, title, alt, caption="The stronger the shade, the larger the number.", table=_table(named, title)
    )


def _table(named: Sequence[tuple[str, Summary]], title: str = "Every choice from a list") -> Table:
    rows = [(name, count(one["orders"]), *(number(one[key], 3) for key in _FIGURES)) for name, one in named]
    return Table(("Prompt", "Orders", *_FIGURES.values()), rows, "lr" + "r" * len(_FIGURES), title, folded=True)


def _bars(name: str, one: Summary, row: AuditRow, draw: Drawer) -> Figure:
    """Shares of the places beside shares of the entries."""
    size = len(one["options"])
    places: list[Share] = [(f"{i + 1}.", share, 1 / size) for i, share in enumerate(one["position"])]
    contents: list[Share] = [(o.text, share, o.target) for o, share in zip(row.options, one["content"], strict=True)]
    rows = [
        (place[0], percent(place[1], 1), content[0], percent(content[1], 1), percent(content[2], 1))
        for place, content in zip(places, contents, strict=True)
    ]
    table = Table(("Place", "Chosen", "Entry", "Chosen", "Target"), rows, "lrlrr", name, folded=True)
    alt = f"Bars of {name} over {plural(one['orders'], 'order')}: {_said(one)}."
    alt += f" First place {rows[0][1]}, last {rows[-1][1]}."
    caption = f"{plural(one['orders'], 'order')}; {_said(one)}. Orange: the fair share."
    return draw.figure(share_panels(places, contents), f"{name}: place and content", alt, caption=caption, table=table)


def _heat_map(name: str, rows: Sequence[AuditRow], draw: Drawer) -> Figure:
    """How often an entry is chosen where it stands, the mean over the orders that set it there."""
    texts = [option.text for option in rows[0].options]
    size = len(texts)
    sums, met = np.zeros((size, size)), np.zeros((size, size))
    for row in rows:
        for place, entry in enumerate((row.order or ()) if row.valid > 0 else ()):
            sums[entry, place] += row.options[entry].p / row.valid
            met[entry, place] += 1
    means = np.divide(sums, met, out=np.full_like(sums, np.nan), where=met > 0)
    top = float(np.nanmax(means, initial=0.0)) or 1.0
    known = [[as_number(float(value)) for value in line] for line in means]
    drawn = [
        GridRow(text, [None if v is None else Cell(percent(v), v, v / top) for v in line])
        for text, line in zip(texts, known, strict=True)
    ]
    head = [str(i + 1) for i in range(size)]
    cells = [(text, *(percent(v, 1) for v in line)) for text, line in zip(texts, known, strict=True)]
    table = Table(("Entry", *head), cells, "l" + "r" * size, name, folded=True)
    alt = f"Heat map of {name}: share of each entry at each place, at most {percent(top)}."
    caption = "Rows: entries; columns: the place where the entry stood. A strong column is a favoured place."
    return draw.figure(grid(head, drawn, _HEAT), f"{name}: entry by place", alt, caption=caption, table=table)


def _calibrations(curves: Sequence[Summary], draw: Drawer) -> list[Figure]:
    """Stated against read probability, at most three forms of stating it in a picture."""
    groups: dict[tuple[str, str], list[Summary]] = defaultdict(list)
    for one in curves:
        groups[one["model"], one["format"]].append(one)
    figures = []
    for (model, answer_format), forms in groups.items():
        aside = f" ({model}, {answer_format})" if len(groups) > 1 else ""
        for start in range(0, len(forms), _LINES):
            figures.append(_calibration(forms[start : start + _LINES], aside, draw))
    return figures


def _calibration(forms: Sequence[Summary], aside: str, draw: Drawer) -> Figure:
    points = {
        one["wording"]: [(point["stated"], point["p"]) for point in one["curve"] if point["p"] is not None]
        for one in forms
    }
    drawn = [Line("stated", [(0.0, 0.0), (1.0, 1.0)]), *(Line(name, curve) for name, curve in points.items())]
    errors = [
        f"{one['wording']} mean error {number(one['mean_absolute_error'], 3)}, slope {number(one['slope'], 2)}"
        for one in forms
    ]
    stated = sorted({at for curve in points.values() for at, _ in curve})
    known = {name: dict(curve) for name, curve in points.items()}
    rows = [(percent(at), *(percent(curve.get(at), 1) for curve in known.values())) for at in stated]
    title = f"Stated and actual chances{aside}"
    table = Table(("Stated", *known), rows, "r" * (len(known) + 1), title, folded=True)
    alt = f"{title}: {'; '.join(errors)}."
    caption = f"Slopes of logit on logit, 1 is faithful: {'; '.join(errors)}."
    chart = lines(drawn, "stated chance of A (0 to 1)", "read chance of A (0 to 1)")
    return draw.figure(chart, title, alt, caption=caption, table=table)
