"""Pictures drawn by hand: hatched bars, target marks and grids, in a tenth of the time that a chart grammar takes."""

from __future__ import annotations

import math
import unicodedata
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

from .sheet import Sheet
from .svg import CONFIG, INK, label
from .text import clean, cut

_LETTER, _WIDE_LETTER = 6.0, 11.0  # pixels at the font size, of a common and of an East Asian character
_SPACES = str.maketrans({"\n": " ", "\t": " "})


def text_width(text: str) -> float:
    """About how many pixels a label takes."""
    return sum(_WIDE_LETTER if unicodedata.east_asian_width(letter) in "WF" else _LETTER for letter in text)


def fitted(text: str, pixels: float, *, tail: bool = False) -> str:
    """A label, cleaned and cut to about this many pixels, at its end or, for the tail of a path, at its beginning."""
    # Cut first: a name from a file may be of any length.
    most = 4 * int(pixels)
    text = clean(text[-most:] if tail else cut(text, most)).translate(_SPACES)
    while len(text) > 1 and text_width(text) > pixels:
        limit = min(len(text) - 1, max(1, int(len(text) * pixels / text_width(text))))
        text = cut(text[::-1], limit)[::-1] if tail else cut(text, limit)
    return text


def ticks(top: float, most: int = 4) -> list[float]:
    """Round numbers from 0 to at most ``top`` (positive), at most ``most`` steps."""
    step = 10.0 ** math.floor(math.log10(top / most))
    step = next(step * factor for factor in (1, 2, 5, 10) if top / (step * factor) <= most)
    return [i * step for i in range(int(top / step + 1e-9) + 1)]


class Canvas:
    """A picture of rectangles, lines, circles and labels; turned into markup by `to_svg`.

    Args:
        width: In pixels, at most; a narrow screen shrinks it.
        height: In pixels.
        sheet: The rows that it is drawn from.
    """

    def __init__(self, width: float, height: float, sheet: Sheet) -> None:
        self._width, self._height = width, height
        self.sheet = sheet
        self._drawn: list[tuple[str, dict[str, str], str]] = []
        self._hatched = False

    def _add(self, tag: str, text: str = "", **values: float | str | None) -> None:
        known = {name.replace("_", "-"): value for name, value in values.items() if value is not None}
        written = {name: value if isinstance(value, str) else f"{value:.7g}" for name, value in known.items()}
        self._drawn.append((tag, written, text))

    def rect(self, x: float, y: float, width: float, height: float, fill: str, opacity: float | None = None) -> None:
        """A filled rectangle."""
        self._add("rect", x=x, y=y, width=width, height=height, fill=fill, fill_opacity=opacity)

    def pale(self, x: float, y: float, width: float, height: float, fill: str, opacity: float) -> None:
        """A rectangle of a pale fill, within an edge that can be seen on any ground."""
        edge = min(0.9, width / 4, height / 4)
        self._add(
            "rect", x=x, y=y, width=width, height=height, fill=fill, fill_opacity=opacity, stroke=fill,
            stroke_width=max(0.0, edge),
        )  # fmt: skip

    def hatch(self, x: float, y: float, width: float, height: float, opacity: float | None = None) -> None:
        """A hatched rectangle with an outline."""
        self._hatched = True
        self._add(
            "rect", x=x, y=y, width=width, height=height, fill="url(#hatch)", stroke=INK, stroke_width=0.8,
            opacity=opacity,
        )  # fmt: skip

    def line(
        self, x1: float, y1: float, x2: float, y2: float, *, color: str = INK, width: float = 1.0,
        opacity: float | None = None, dash: str | None = None,
    ) -> None:  # fmt: skip
        """A straight line."""
        self._add(
            "line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=color, stroke_width=width, stroke_opacity=opacity,
            stroke_dasharray=dash,
        )  # fmt: skip

    def path(
        self, points: Sequence[tuple[float, float]], *, color: str = INK, width: float = 1.5, dash: str | None = None
    ) -> None:
        """A line through points."""
        d = "M" + "L".join(f"{x:.2f},{y:.2f}" for x, y in points)
        self._add("path", d=d, fill="none", stroke=color, stroke_width=width, stroke_dasharray=dash)

    def ring(self, x: float, y: float, radius: float, color: str = INK) -> None:
        """An empty circle."""
        self._add("circle", cx=x, cy=y, r=radius, fill="none", stroke=color, stroke_width=1.3)

    def dot(self, x: float, y: float, radius: float, color: str = INK) -> None:
        """A full circle."""
        self._add("circle", cx=x, cy=y, r=radius, fill=color)

    def text(
        self, x: float, y: float, text: str, *, anchor: str | None = None, size: float | None = None,
        weight: str | None = None, opacity: float | None = None,
    ) -> None:  # fmt: skip
        """A label, cleaned, whose baseline stands at y."""
        self._add(
            "text", clean(text), x=x, y=y, text_anchor=anchor, font_size=size, font_weight=weight, fill_opacity=opacity
        )

    def to_svg(self, title: str, alt: str, prefix: str) -> str:
        """The picture as an ``<svg>`` element of the page's colours.

        Args:
            title: Its name.
            alt: What a reader who cannot see it must know.
            prefix: Unique on the page; keeps the ids of several inlined pictures apart.
        """
        root = ElementTree.Element("svg", {"viewBox": f"0 0 {self._width:.0f} {self._height:.0f}"})
        root.attrib["style"] = f"max-width:{self._width:.0f}px"
        label(root, title, alt, prefix)
        if self._hatched:
            root.append(_pattern(f"{prefix}-hatch"))
        group = ElementTree.SubElement(root, "g", {"font-family": CONFIG["font"], "font-size": "11", "fill": INK})
        for tag, attributes, text in self._drawn:
            if attributes.get("fill") == "url(#hatch)":
                attributes = {**attributes, "fill": f"url(#{prefix}-hatch)"}
            ElementTree.SubElement(group, tag, attributes).text = text or None
        return ElementTree.tostring(root, encoding="unicode")


def _pattern(name: str) -> ElementTree.Element:
    """Slanted lines in the ink of the page."""
    definitions = ElementTree.Element("defs")
    size = {"width": "5", "height": "5", "patternUnits": "userSpaceOnUse", "patternTransform": "rotate(45)"}
    pattern = ElementTree.SubElement(definitions, "pattern", {"id": name, **size})
    line = {"x1": "0", "y1": "0", "x2": "0", "y2": "5", "stroke": INK, "stroke-width": "1.6", "stroke-opacity": "0.6"}
    ElementTree.SubElement(pattern, "line", line)
    return definitions
