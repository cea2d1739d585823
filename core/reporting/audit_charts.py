"""Pictures of an answer distribution: a bar an option, a mark at its target, a hatched bar for anything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .audit_rows import AuditRow, Option
from .canvas import Canvas, fitted, text_width, ticks
from .charts import BLUE, ORANGE, WIDTH
from .sheet import Sheet, Value
from .text import percent, small

LONG = 30  # from more options on, not every one has its bar
HEAVIEST = 20
REST = "anything else"
PALE = 0.4  # the baseline
HEAD = 24.0  # pixels of the legend
_RINGS_BELOW = 0.9  # of valid mass
_DWARFED = 3.0  # times the longest other bar: from here on the bar for anything else is cut
_LABEL, _VALUE, _STEP = 126.0, 46.0, 17.0


@dataclass(frozen=True, slots=True)
class Frame:
    """What the marks of one row share: the row's top, the pixels of its height, the axis.

    Attributes:
        left: Where the axis begins.
        scale: Pixels of probability 1.
        top: The probability at the end of the axis.
        y: The row's upper edge.
        step: Its height.
        paired: Two bars, the baseline's above.
    """

    left: float
    scale: float
    top: float
    y: float
    step: float
    paired: bool

    @property
    def middle(self) -> float:
        """Where the row's own bar has its middle."""
        return self.y + (14 if self.paired else self.step / 2)

    def x(self, share: float) -> float:
        """Where a probability stands, at most at the end of the axis."""
        return self.left + self.scale * min(share, self.top)

    def sides(self, before: float, now: float) -> list[tuple[float, float, float, float | None]]:
        """Value, upper edge, height and opacity of the row's bars."""
        if not self.paired:
            return [(now, self.y + 3, self.step - 6, None)]
        return [(before, self.y + 2, 7.0, PALE), (now, self.y + 10, 8.0, None)]


def bars(row: AuditRow) -> Canvas:
    """A bar an option from top to bottom, and one for anything else; with a baseline, two each."""
    options, paired = shown(row), row.before is not None
    step = _STEP + 5 * paired
    left = min(_LABEL, max(text_width(fitted(text, _LABEL)) for text in (REST, *(o.text for o in options)))) + 8
    top = axis_end(row)
    scale, foot = (WIDTH - left - _VALUE) / top, HEAD + step * (len(options) + 1) + 6
    canvas = Canvas(WIDTH, foot + 22, law_sheet(row))
    draw_legend(canvas, row)
    for at in ticks(top):
        canvas.line(left + scale * at, HEAD - 2, left + scale * at, foot, opacity=0.12)
        canvas.text(left + scale * at, foot + 14, tick_label(at, top), anchor="middle")
    for i, option in enumerate(options):
        frame = Frame(left, scale, top, HEAD + step * i, step, paired)
        share = option.p / row.valid if has_rings(row) else None
        _bar(canvas, option, frame, share)
    _rest_bar(canvas, row, Frame(left, scale, top, HEAD + step * len(options) + 4, step, paired))
    canvas.line(left, HEAD - 2, left, foot, opacity=0.35)
    return canvas


def law_sheet(row: AuditRow) -> Sheet:
    """Every option of a record in the order drawn, and anything else."""
    head = ["option", "target", "p", "p low", "p high", "p before", "p of valid answers"]
    rest, low, high = row.rest
    before = None if row.before is None else row.rest_before
    rows: list[tuple[Value, ...]] = [
        (o.text, o.target, o.p, o.low, o.high, o.before, o.p / row.valid if row.valid > 0 else None) for o in row.drawn
    ]
    return Sheet(head, [*rows, (REST, 0.0, rest, low, high, before, None)])


def shown(row: AuditRow) -> list[Option]:
    """The options with a bar of their own, and the rest of a long list without an order as one."""
    options = row.drawn
    if len(options) <= LONG or row.ordinal:
        return options
    light = options[HEAVIEST:]
    before = sum(option.before or 0.0 for option in light) if row.before is not None else None
    targets, p = sum(option.target for option in light), sum(option.p for option in light)
    return [*options[:HEAVIEST], Option(f"other ({len(light)})", targets, p, before=before)]


def axis_end(row: AuditRow) -> float:
    """The end of the axis: a little beyond all options, and beyond anything else unless that dwarfs them."""
    options = row.drawn
    alone = options if len(shown(row)) == len(options) else options[:HEAVIEST]
    known = [x for o in alone for x in (o.p, o.target, o.high, o.before) if x is not None]
    if has_rings(row):
        known += [option.p / row.valid for option in alone]
    largest = max(known, default=0.0)
    rest = max(row.rest[2], row.rest_before)
    whole = largest if largest > 0 and rest > _DWARFED * largest else max(largest, rest)
    return min(1.0, 1.04 * whole) or 1.0


def has_rings(row: AuditRow) -> bool:
    """Whether the picture shows the shares of valid answers beside the probabilities."""
    return 0 < row.valid < _RINGS_BELOW


def is_cut(row: AuditRow) -> bool:
    """Whether the bar for anything else is longer than the axis."""
    return max(row.rest[2], row.rest_before) > axis_end(row)


def others_cut(row: AuditRow) -> bool:
    """Whether the bar for the rest of a long list is longer than the axis."""
    return len(shown(row)) < len(row.options) and shown(row)[-1].p > axis_end(row)


def tick_label(share: float, top: float) -> str:
    """A share beside the axis."""
    return percent(share, 0 if top >= 0.04 else 1 if top >= 0.004 else 2)


def draw_legend(canvas: Canvas, row: AuditRow) -> None:
    """What the marks mean, in one line."""
    x = 0.0
    own = "after" if row.before is not None else {"bounds": "at least", "sampled": "share"}.get(row.mode, "p")
    for name, opacity in ((("before", PALE),) if row.before is not None else ()) + ((own, None),):
        bar(canvas, (x, 4, 9, 9), opacity)
        canvas.text(x + 13, 12, name)
        x += 20 + text_width(name)
    canvas.line(x + 4, 3, x + 4, 14, color=ORANGE, width=2)
    canvas.text(x + 10, 12, "target")
    x += 48
    canvas.hatch(x, 4, 9, 9)
    canvas.text(x + 13, 12, REST)
    if has_rings(row):
        canvas.ring(x + 90, 8.5, 3)
        canvas.text(x + 97, 12, "of valid answers")


def bar(canvas: Canvas, place: tuple[float, float, float, float], opacity: float | None) -> None:
    """A bar of a side: x, y, width and height; the baseline's is pale."""
    if opacity is None:
        canvas.rect(*place, BLUE)
    else:
        canvas.pale(*place, BLUE, opacity)


def _bar(canvas: Canvas, option: Option, frame: Frame, share: float | None) -> None:
    canvas.text(frame.left - 6, frame.y + frame.step / 2 + 4, fitted(option.text, frame.left - 8), anchor="end")
    for value, y, height, opacity in frame.sides(option.before or 0.0, option.p):
        bar(canvas, (frame.left, y, frame.x(value) - frame.left, height), opacity)
        if value > frame.top:
            draw_break(canvas, frame.left + 0.8 * frame.scale * frame.top, y + height / 2, height)
    if option.low is not None and option.high is not None:
        _whisker(canvas, frame, option.low, option.high)
    if option.target <= frame.top:
        x = frame.x(option.target)
        canvas.line(x, frame.y + 1, x, frame.y + frame.step - 1, color=ORANGE, width=2)
    if share is not None and share <= frame.top:
        canvas.ring(frame.x(share), frame.middle, 3)
    end = max(option.p, option.high or 0.0, option.target, share or 0.0, option.before or 0.0)
    canvas.text(frame.x(end) + 7, frame.middle + 4, small(option.p))


def _rest_bar(canvas: Canvas, row: AuditRow, frame: Frame) -> None:
    rest, low, high = row.rest
    canvas.text(frame.left - 6, frame.y + frame.step / 2 + 4, REST, anchor="end", opacity=0.8)
    for value, y, height, opacity in frame.sides(row.rest_before, rest):
        canvas.hatch(frame.left, y, frame.x(value) - frame.left, height, opacity)
        if value > frame.top:
            draw_break(canvas, frame.left + 0.8 * frame.scale * frame.top, y + height / 2, height)
    _whisker(canvas, frame, low, high)
    canvas.text(frame.x(max(high, row.rest_before)) + 7, frame.middle + 4, small(rest))


def _whisker(canvas: Canvas, frame: Frame, low: float, high: float) -> None:
    """An interval in the middle of the row."""
    start, end, y = frame.x(low), frame.x(high), frame.middle
    if end > start:
        canvas.line(start, y, end, y, width=1.2)
        canvas.line(start, y - 3, start, y + 3, width=1.2)
        canvas.line(end, y - 3, end, y + 3, width=1.2)


def draw_break(canvas: Canvas, x: float, y: float, across: float, *, flat: bool = False) -> None:
    """Two slanted strokes over a bar that is longer than the axis."""
    reach = across / 2 + 3
    for off in (-2.5, 2.5):
        if flat:
            canvas.line(x - reach, y + off + 3, x + reach, y + off - 3, width=1.4)
        else:
            canvas.line(x + off - 3, y + reach, x + off + 3, y - reach, width=1.4)


Share = tuple[str, float, float]


def share_panels(places: Sequence[Share], contents: Sequence[Share]) -> Canvas:
    """Two panels of bars side by side, each row (label, share, fair share): by place and by content."""
    step, wide = 17.0, (WIDTH - 12) / 2
    sides = (("place", places), ("content", contents))
    rows = [(side, name, share, fair) for side, own in sides for name, share, fair in own]
    sheet = Sheet(("by", "place or entry", "share chosen (0 to 1)", "fair share (0 to 1)"), rows)
    canvas = Canvas(WIDTH, HEAD + step * max(len(places), len(contents)) + 4, sheet)
    largest = max((x for _, *values in (*places, *contents) for x in values), default=0.0) or 1.0
    label = max(text_width(fitted(name, 64)) for name, _, _ in (*places, *contents)) + 6
    scale = (wide - label - 38) / largest  # one for both, or they could not be compared
    for start, (side, own) in zip((0.0, wide + 12), sides, strict=True):
        canvas.text(start, 12, f"by {side}", weight="bold")
        for i, (name, share, fair) in enumerate(own):
            y, left = HEAD + step * i, start + label
            canvas.text(left - 4, y + 12, fitted(name, label - 4), anchor="end")
            canvas.rect(left, y + 3, scale * share, step - 6, BLUE)
            canvas.line(left + scale * fair, y + 1, left + scale * fair, y + step - 1, color=ORANGE, width=2)
            canvas.text(left + scale * max(share, fair) + 4, y + 12, percent(share, 0))
    return canvas
