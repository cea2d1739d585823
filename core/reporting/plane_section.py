"""Diversity against quality, and against length: a picture a task, a point a run."""

from __future__ import annotations

from collections.abc import Sequence

from .blocks import Drawer, Figure, Section, Table
from .measures import Measure
from .plane_chart import MOST_NAMES, Axis, Ends, Point, near, plane
from .standing import Standing, setting_of, standings
from .text import listing, number, percent, title_words, with_interval


def quality_plane(measures: Sequence[Measure], draw: Drawer) -> Section:
    """Quality to the right, diversity upwards: what is gained, and what it costs."""
    section = Section("plane", "Quality and diversity")
    section.figures = [f for standing in standings(measures) if (f := _figure(standing, "quality", draw))]
    if section.figures:
        section.lead = (
            "To the right: better quality. Up: more diverse, also where the axis is turned for a metric that falls. "
            "Crosses are 95 % intervals. A run above and to the right of another wins both; above and to the left "
            "is a trade."
        )
    return section


def length_plane(measures: Sequence[Measure], draw: Drawer) -> Section:
    """Words to the right, diversity upwards: many metrics move with length alone."""
    section = Section("words", "Diversity and length")
    section.figures = [f for standing in standings(measures) if (f := _figure(standing, "length", draw))]
    if section.figures:
        section.lead = (
            "Longer texts have more room to differ, and more to repeat. Where runs lie far apart to the side, "
            "read the rows ending in _trunc, which compare texts cut to equal length."
        )
    return section


def _figure(standing: Standing, role: str, draw: Drawer) -> Figure | None:
    """The picture of a task; None where it has no diversity or nothing of that role."""
    up, right = standing.first("headline"), standing.first(role)
    if up is None or right is None:
        return None
    points = _points(standing, right.metric, up.metric, hollow=role == "quality")
    if not points:
        return None
    if role == "quality":
        points += _settings(standing, right.metric, up.metric)
    known = standing.references(up.metric)
    lines = [(run, value) for run, value in known.items() if setting_of(run) is None]
    drawn = near(points, lines)
    axes = _axis(right, role), _axis(up, "headline")
    title = title_words(standing.task)
    table = _table(standing, right, up, role)
    shown = [f"{point.label} at {number(point.x)} and {number(point.y)}" for point in points[:8]]
    alt = f"{title}: {axes[0].title} to the right, {axes[1].title} upwards. " + "; ".join(shown) + "."
    placed = {point.label for point in points}
    absent = [run for run in standing.of(up.metric) if run not in placed]
    caption = _caption(points, [line for line in lines if line not in drawn], absent)
    return draw.figure(plane(points, drawn, *axes), title, alt, caption=caption, table=table)


def _axis(row: Measure, role: str) -> Axis:
    if role == "length":
        return Axis("words a response")
    turned = row.direction == "-"
    if role == "quality":
        return Axis(f"{row.name} (turned: lower is better)" if turned else f"{row.name} (higher is better)", turned)
    return Axis(f"{row.name} (turned: up is more diverse)" if turned else f"{row.name} (up is more diverse)", turned)


def _points(standing: Standing, x: str, y: str, *, hollow: bool) -> list[Point]:
    """The baseline first, then the runs in their order; as rings, where wanted, those that are not on the front."""
    right, up = standing.of(x), standing.of(y)
    found: list[Point] = []
    for run, row in up.items():
        beside = right.get(run)
        if row.value is None or beside is None or beside.value is None:
            continue
        base = run == standing.baseline
        kind, ring = "baseline" if base else "run", hollow and row.front is False
        point = Point(run, beside.value, row.value, _ends(beside), _ends(row), kind, ring)
        found.insert(0 if base else len(found), point)
    if standing.baseline and standing.baseline not in up:
        at, height = standing.baseline_value(x), standing.baseline_value(y)
        if at is not None and height is not None:
            found.insert(0, Point(standing.baseline, at, height, kind="baseline"))
    return found


def _ends(row: Measure) -> Ends | None:
    return None if row.ci_low is None or row.ci_high is None else (row.ci_low, row.ci_high)


def _settings(standing: Standing, x: str, y: str) -> list[Point]:
    """The baseline at other settings, in the order of the setting."""
    right, up = standing.references(x), standing.references(y)
    known = [(setting, run) for run in up if run in right and (setting := setting_of(run)) is not None]
    return [
        Point(f"{value:g}", right[run], up[run], kind="setting", curve=name) for (name, value), run in sorted(known)
    ]


def _caption(points: Sequence[Point], left_out: Sequence[tuple[str, float]], absent: Sequence[str]) -> str:
    parts = []
    if any(point.kind == "baseline" for point in points):
        parts.append("Diamond: the baseline.")
    curves = list(dict.fromkeys(point.curve for point in points if point.kind == "setting"))
    if curves:
        parts.append(f"Grey line: the baseline at other values of {listing([title_words(c) for c in curves])}.")
    if any(point.hollow for point in points):
        parts.append("Ring: another run is at least as good on both.")
    if len(points) > MOST_NAMES:
        parts.append(f"{MOST_NAMES} of {len(points)} points have their names; the table has all.")
    if left_out:
        parts.append("Outside of the picture: " + listing([f"{run} at {number(y)}" for run, y in left_out]) + ".")
    if absent:
        parts.append(f"Without a value: {listing(list(absent))}.")
    return " ".join(parts)


def _table(standing: Standing, right: Measure, up: Measure, role: str) -> Table:
    xs, ys = standing.of(right.metric), standing.of(up.metric)
    rows = [
        (
            f"{run} (baseline)" if run == standing.baseline else run,
            _cell(xs.get(run)),
            _cell(row),
            percent(row.front_share),
            row.tradeoff or _words(row),
        )
        for run, row in ys.items()
    ]
    if standing.baseline and standing.baseline not in ys:
        at, height = (number(standing.baseline_value(row.metric)) for row in (right, up))
        rows.insert(0, (f"{standing.baseline} (baseline)", at, height, number(None), ""))
    made = standing.references(up.metric), standing.references(right.metric)
    rows += [(run, number(made[1].get(run)), number(value), number(None), "") for run, value in made[0].items()]
    head = ("Run", f"{right.name} [95 %]", f"{up.name} [95 %]")
    if role == "length":
        return Table(head, [row[:3] for row in rows], "lrr", title_words(standing.task), folded=True)
    return Table((*head, "On the front", "In words"), rows, "lrrrl", title_words(standing.task), folded=True)


def _cell(row: Measure | None) -> str:
    return number(None) if row is None else with_interval(row.value, row.ci_low, row.ci_high)


def _words(row: Measure) -> str:
    return {"more": "more diverse", "less": "less diverse"}.get(row.verdict, row.verdict)
