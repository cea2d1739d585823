"""What a page is made of: sections of figures, tables and texts. Plain data; the template does the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .canvas import Canvas
from .sheet import Sheet, file_stem
from .svg import Plot
from .text import Excerpt, count, plural

MAX_ROWS = 400
_SHEET_ROWS = 5_000  # of one picture, in the page
_SHEET_CHARACTERS = 6_000_000  # of all pictures of a page


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
        sheet: All rows that it is drawn from.
        download: Those rows as the address of a link; "" where the page has no room for them.
        download_note: What the link lacks; "" for nothing.
        file: The name of the downloaded file.
    """

    svg: str
    title: str
    caption: str
    table: Table | None
    lead: str = ""
    prompt: str = ""
    beside: Table | None = None
    sheet: Sheet = field(kw_only=True)
    download: str = ""
    download_note: str = ""
    file: str = ""


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
        reader: What the page's script searches and sorts, as JSON that may stand in a script element; "" for nothing.
        commands: Command lines, each behind a remark.
    """

    id: str
    title: str
    lead: str = ""
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    reader: str = ""
    commands: list[tuple[str, str]] = field(default_factory=list)


class Drawer:
    """Draws charts and numbers them, so that no two pictures of a page share an id or the name of a download."""

    def __init__(self) -> None:
        self._drawn = 0
        self._left = _SHEET_CHARACTERS

    def figure(
        self, chart: Plot | Canvas, title: str, alt: str, *, caption: str = "", table: Table | None = None,
        lead: str = "", prompt: str = "", beside: Table | None = None,
    ) -> Figure:  # fmt: skip
        """A figure, with the data of its chart to download.

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
        download, note = self._download(chart.sheet)
        return Figure(
            chart.to_svg(title, alt, prefix), title, caption, table, lead, prompt, beside, sheet=chart.sheet,
            download=download, download_note=note, file=f"{self._drawn:03d}-{file_stem(title)}.csv",
        )  # fmt: skip

    def _download(self, sheet: Sheet) -> tuple[str, str]:
        """The rows as a link, as far as the page has room, and what is lacking."""
        link = sheet.link(_SHEET_ROWS)
        if len(link) > self._left:
            return "", "CSV: too large for this page; report --pictures writes it as a file."
        self._left -= len(link)
        if len(sheet.rows) <= _SHEET_ROWS:
            return link, ""
        return link, f"(the first {count(_SHEET_ROWS)} of {plural(len(sheet.rows), 'row')}; report --pictures has all)"
