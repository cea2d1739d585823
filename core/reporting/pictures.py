"""The pictures of a page as files of their own, for papers and slides, each with its data."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

from ..errors import DivtoolError
from .blocks import Figure, Section
from .sheet import file_stem
from .svg import require_extra

_INK, _GROUND = "#1b1e23", "#ffffff"
_SCALE = 3  # pixels of the PNG for one of the picture


def write_pictures(sections: Sequence[Section], folder: Path) -> int:
    """Write each picture as SVG and as PNG, dark on white, and all its data as CSV, in the order of the page.

    Args:
        sections: Of the page.
        folder: Made where it does not exist; files of the same names are replaced.

    Returns:
        How many pictures there are.

    Raises:
        DivtoolError: The folder cannot be written.
    """
    figures = [(section, figure) for section in sections for figure in _figures(section)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, (section, figure) in enumerate(figures, start=1):
            path = folder / f"{number:03d}-{section.id}-{file_stem(figure.title)}"
            svg = _alone(figure.svg)
            path.with_suffix(".csv").write_bytes(figure.sheet.to_csv())
            path.with_suffix(".svg").write_text(svg, encoding="utf-8")
            path.with_suffix(".png").write_bytes(require_extra("vl_convert").svg_to_png(svg, scale=_SCALE))
    except OSError as error:
        raise DivtoolError(f"{folder}: cannot be written ({error.strerror})") from None
    return len(figures)


def _figures(section: Section) -> list[Figure]:
    return [*section.figures, *(figure for folder in section.folders for figure in folder.figures)]


def _alone(svg: str) -> str:
    """The picture with a size, a ground and an ink of its own."""
    root = ElementTree.fromstring(svg)
    _, _, width, height = root.attrib["viewBox"].split()
    root.attrib |= {"xmlns": "http://www.w3.org/2000/svg", "width": width, "height": height, "color": _INK}
    root.attrib.pop("style", None)
    root.insert(2, ElementTree.Element("rect", {"width": width, "height": height, "fill": _GROUND}))
    return ElementTree.tostring(root, encoding="unicode")
