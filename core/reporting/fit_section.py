"""Training on a target distribution: TV, valid mass and divergences over the passes, and small lines by prompt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from ..jsonl import Record
from .blocks import Drawer, Figure, Folder, Section, Table
from .line_charts import Line, Points, Small, lines, small_lines, thinned
from .load import Inputs
from .text import as_name, as_number, count, number, plural

_ROWS = 12  # of one picture
_MOST_PROMPTS = 96
_KL = {"kl": "whole", "spread_kl": "spread", "validity_kl": "validity"}
_TABLE = ("kl", "spread_kl", "validity_kl", "tv", "valid_mass", "normalized_entropy")


@dataclass(frozen=True, slots=True)
class Course:
    """One prompt over the passes: values by key, each with its pass; what was read after the last step comes last."""

    prompt: str
    family: str
    values: Mapping[str, Points]

    def last(self, key: str) -> float | None:
        """The last value; None where there is none."""
        return self.values[key][-1][1] if self.values.get(key) else None

    def first(self, key: str) -> float | None:
        """The first value."""
        return self.values[key][0][1] if self.values.get(key) else None


def fits(inputs: Inputs, draw: Drawer) -> Section:
    """Curves of every log of training on targets."""
    section = Section("fit", "Training on the target distribution")
    for name, log in inputs.fits.items():
        aside = f" ({name})" if len(inputs.fits) > 1 else ""
        courses = _courses(log)
        section.figures += _overview(courses, log, aside, draw)
        section.folders += _by_prompt(courses, aside, draw)
        section.tables.append(_ends(courses, name))
    if section.figures:
        section.lead = (
            "Read from the training forward of each prompt, before its update; the last point is after the last step. "
            "TV should fall towards 0 and valid mass rise towards 1. KL in nats: of the answers' spread, and of their "
            "validity; the anchor's says how far everyday answers have moved."
        )
    return section


def _courses(log: Sequence[Record]) -> list[Course]:
    found: dict[tuple[str, str], dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for line in log:
        at = _place(line)
        own = found[as_name(line.get("prompt_id")), as_name(line.get("family"))]
        for key in _TABLE:
            if at is not None and (value := as_number(line.get(key))) is not None:
                own[key].append((at, value))
    return [Course(prompt, family, _sorted(values)) for (prompt, family), values in found.items()]


def _sorted(values: Mapping[str, list[tuple[float, float]]]) -> dict[str, Points]:
    return {key: sorted(points) for key, points in values.items()}


def _place(line: Record) -> float | None:
    """The pass of a line; what was read after the last step stands one further."""
    at = as_number(line.get("pass"))
    return at if at is None or line.get("final") is not True else at + 1


def _over(courses: Sequence[Course], key: str, of: Callable[[list[float]], float]) -> Points:
    """One number a pass from those of all prompts."""
    by_pass: dict[float, list[float]] = defaultdict(list)
    for course in courses:
        for at, value in course.values.get(key, ()):
            by_pass[at].append(value)
    return [(at, of(values)) for at, values in sorted(by_pass.items())]


def _overview(courses: Sequence[Course], log: Sequence[Record], aside: str, draw: Drawer) -> list[Figure]:
    four = [
        Line("TV", _over(courses, "tv", fmean)),
        Line("worst", _over(courses, "tv", max)),
        Line("valid mass", _over(courses, "valid_mass", fmean)),
        Line("lowest", _over(courses, "valid_mass", min)),
    ]
    figures = []
    if any(line.points for line in four):
        title = f"TV and valid mass{aside}"
        caption = f"Means over {plural(len(courses), 'prompt')}, and the prompt that is furthest off."
        chart = lines(four, "pass", "TV, or valid mass (0 to 1)")
        figures.append(draw.figure(chart, title, _alt(title, four), caption=caption, table=_table(four)))
    parts = [Line(name, _over(courses, key, fmean)) for key, name in _KL.items()]
    figures += _curve(f"KL from the target, nats{aside}", parts, draw)
    anchors: dict[float, list[float]] = defaultdict(list)
    for line in log:
        at, value = as_number(line.get("pass")), as_number(line.get("anchor_kl"))
        if at is not None and value is not None:
            anchors[at].append(value)
    anchor = Line("anchor", [(at, fmean(values)) for at, values in sorted(anchors.items())])
    return figures + _curve(f"KL from the base model on everyday answers{aside}", [anchor], draw)


def _curve(title: str, drawn: Sequence[Line], draw: Drawer) -> list[Figure]:
    if not any(line.points for line in drawn):
        return []
    return [draw.figure(lines(drawn, "pass", "nats", least=0.0), title, _alt(title, drawn), table=_table(drawn))]


def _alt(title: str, drawn: Sequence[Line]) -> str:
    ends = [f"{line.name} {number(line.points[0][1])} to {number(line.points[-1][1])}" for line in drawn if line.points]
    return f"{title} over the passes: {'; '.join(ends)}."


def _table(given: Sequence[Line]) -> Table:
    drawn = [Line(line.name, thinned(line.points)) for line in given]
    places = sorted({at for line in drawn for at, _ in line.points})
    values = [dict(line.points) for line in drawn]
    rows = [(number(at), *(number(known.get(at), 4) for known in values)) for at in places]
    return Table(("Pass", *(line.name for line in drawn)), rows, "r" * (len(drawn) + 1), "By pass", folded=True)


def _by_prompt(courses: Sequence[Course], aside: str, draw: Drawer) -> list[Folder]:
    """Small lines of each prompt, those with the largest TV where there are too many."""
    worst = sorted(courses, key=lambda course: -(course.last("tv") or 0.0))[:_MOST_PROMPTS]
    known = [course for course in courses if course in worst]
    figures = []
    for start in range(0, len(known), _ROWS):
        part = known[start : start + _ROWS]
        rows = [Small(c.prompt, c.values.get("tv", ()), c.values.get("valid_mass", ())) for c in part]
        ends = [[x for key in ("tv", "valid_mass") for x in (course.first(key), course.last(key))] for course in part]
        cells = [(c.prompt, *(number(x, 3) for x in values)) for c, values in zip(part, ends, strict=True)]
        title = f"{part[0].prompt} to {part[-1].prompt}" if len(part) > 1 else part[0].prompt
        table = Table(("Prompt", "TV first", "last", "Valid first", "last"), cells, "lrrrr", title, folded=True)
        alt = f"Small lines of TV and valid mass over the passes, {title}. Last TV: "
        alt += ", ".join(f"{cell[0]} {cell[2]}" for cell in cells) + "."
        figures.append(draw.figure(small_lines(rows), title, alt, table=table))
    shown = f", the {count(len(known))} furthest off" if len(known) < len(courses) else ""
    return [Folder(f"By prompt{aside}: {plural(len(courses), 'prompt')}{shown}", figures, len(courses) <= _ROWS)]


def _ends(courses: Sequence[Course], name: str) -> Table:
    rows = [
        (
            course.prompt,
            course.family,
            count(len(course.values.get("tv", ()))),
            *(number(course.last(k), 4) for k in _TABLE),
        )
        for course in courses
    ]
    head = ("Prompt", "Family", "Points", "KL", "spread", "validity", "TV", "Valid mass", "Normalised entropy")
    return Table(head, rows, "ll" + "r" * 7, f"{name}: last values of each prompt", folded=True)
