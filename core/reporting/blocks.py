"""What a page is made of: sections of figures, tables and texts. Plain data; the template does the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .canvas import Canvas
from .svg import to_svg
from .text import Excerpt, plural

MAX_ROWS = 400


@dataclass(frozen=True, slots=True)
class Table:
    """A table of strings.

    Attributes:
        head: Column names.
        rows: Cells, as many as columns.
        align: One letter a column: l, r, or t for long text.
        caption: What the rows are.
        folded: Show it behind a click.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    align: str
    caption: str = ""
    folded: bool = False

    @property
    def shown(self) -> Sequence[Sequence[str]]:
        """The rows that are printed."""
        return self.rows[:MAX_ROWS]

    @property
    def left_out(self) -> str:
        """How many rows are not printed, in words; "" where all are."""
        n = len(self.rows) - MAX_ROWS
        return f"{plural(n, 'more row')} left out" if n > 0 else ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture, what it shows, and the numbers behind it.

    Attributes:
        svg: The picture.
        title: Its heading.
        caption: What to look for.
        table: The numbers behind it.
        lead: What it shows in a sentence, above it.
        prompt: The prompt that it is about; "" for none.
        beside: A second table, about what the picture leaves open.
    """

    svg: str
    title: str
    caption: str
    table: Table | None
    lead: str = ""
    prompt: str = ""
    beside: Table | None = None


@dataclass(frozen=True, slots=True)
class Folder:
    """Pictures of one thing behind a click, or open where there are few."""

    title: str
    figures: Sequence[Figure]
    open: bool = False


@dataclass(frozen=True, slots=True)
class Side:
    """One column of an example: who wrote it, facts about it, its texts."""

    label: str
    kind: str
    texts: Sequence[tuple[str, Excerpt]]


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt and the responses to it, side by side; folded behind a click where there are many."""

    title: str
    prompt: Excerpt
    sides: Sequence[Side]
    folded: bool = False


@dataclass(slots=True)
class Section:
    """One section of the page.

    Attributes:
        id: Its anchor.
        title: Its heading.
        lead: What it shows, in a sentence or two.
        figures: Pictures, side by side where there is room.
        tables: Tables below them.
        folders: Further pictures, a click away.
        examples: Texts to read.
    """

    id: str
    title: str
    lead: str = ""
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)


class Drawer:
    """Draws charts and numbers them, so that no two pictures of a page share an id."""

    def __init__(self) -> None:
        self._drawn = 0

    def figure(
        self, chart: Any, title: str, alt: str, *, caption: str = "", table: Table | None = None, lead: str = "",
        prompt: str = "", beside: Table | None = None,
    ) -> Figure:  # fmt: skip
        """A figure from an Altair chart or a canvas.

        Args:
            chart: The chart.
            title: Its heading.
            alt: What a reader who cannot see it must know.
            caption: What to look for.
            table: The numbers behind it.
            lead: What it shows in a sentence.
            prompt: The prompt that it is about.
            beside: A second table.
        """
        self._drawn += 1
        prefix = f"chart{self._drawn}"
        svg = chart.to_svg(alt, prefix) if isinstance(chart, Canvas) else to_svg(chart, alt, prefix)
        return Figure(svg, title, caption, table, lead, prompt, beside)
