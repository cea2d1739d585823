"""Chart specifications to SVG strings that are safe to inline: no network, known elements only, colours of the page."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from .. import errors
from .sheet import Sheet
from .text import clean

INK = "currentColor"
CONFIG: dict[str, Any] = {
    "aria": False,  # one label on the whole picture; a mark at a time would flood a screen reader
    "background": None,
    "font": "Arial, Helvetica, Liberation Sans, sans-serif",  # the widths that the converter measures with
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK, "titleColor": INK, "domainColor": INK, "tickColor": INK, "gridColor": INK,
        "domainOpacity": 0.35, "tickOpacity": 0.35, "gridOpacity": 0.12,
        "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal", "labelLimit": 150, "titleLimit": 300,
        "titlePadding": 8, "labelOverlap": True,
    },
    "legend": {
        "labelColor": INK, "titleColor": INK, "labelFontSize": 11, "titleFontSize": 11, "orient": "top",
        "labelLimit": 220, "symbolSize": 70, "columns": 2,
    },
    "text": {"color": INK, "fontSize": 11},
    "rule": {"color": INK},
}  # fmt: skip

_ELEMENTS = {"svg", "g", "path", "text", "tspan", "line", "rect", "circle", "defs", "clipPath"}
_ATTRIBUTES = {
    "clip-path", "cx", "cy", "d", "dx", "dy", "fill", "fill-opacity", "font-family", "font-size", "font-style",
    "font-weight", "height", "id", "opacity", "r", "stroke", "stroke-dasharray", "stroke-linecap", "stroke-linejoin",
    "stroke-miterlimit", "stroke-opacity", "stroke-width", "text-anchor", "transform", "viewBox", "width", "x", "x1",
    "x2", "y", "y1", "y2",
}  # fmt: skip


def require_extra(module: str) -> Any:
    """Import a package of the `report` extra.

    Raises:
        DivtoolError: It is not installed.
    """
    errors.require_extra(module, "report")
    return import_module(module)


def require_page_packages() -> None:
    """Import all packages that a page needs.

    Raises:
        DivtoolError: One of them is not installed.
    """
    for module in ("jinja2", "altair", "vl_convert"):
        require_extra(module)


@cache
def _vega_lite_version() -> str | None:
    """The Vega-Lite version that Altair writes, if the converter has it; None for the converter's own latest."""
    wanted = str(require_extra("altair").SCHEMA_VERSION).lstrip("v").rpartition(".")[0]
    known: list[str] = getattr(require_extra("vl_convert"), "get_vegalite_versions", list)()
    return wanted if wanted in known else None


def _cleaned(value: Any) -> Any:
    """The specification with every string cleaned: the converter ends the whole process on a NUL in a label."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {key: _cleaned(item) for key, item in value.items()}
    return [_cleaned(item) for item in value] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class Plot:
    """An Altair chart, and the rows that it is drawn from."""

    chart: Any
    sheet: Sheet

    def to_svg(self, title: str, alt: str, prefix: str) -> str:
        """The chart as an ``<svg>`` element; see `to_svg`."""
        return to_svg(self.chart, title, alt, prefix)


def label(root: ElementTree.Element, title: str, alt: str, prefix: str) -> None:
    """Make an ``<svg>`` element one image with a name and a description, for readers who cannot see it."""
    root.attrib |= {"role": "img", "aria-labelledby": f"{prefix}-title", "aria-describedby": f"{prefix}-desc"}
    for place, (name, text) in enumerate((("title", title), ("desc", alt))):
        element = ElementTree.Element(name, {"id": f"{prefix}-{name}"})
        element.text = clean(text)
        root.insert(place, element)


def to_svg(chart: Any, title: str, alt: str, prefix: str) -> str:
    """Draw a chart.

    Args:
        chart: An Altair chart.
        title: Its name.
        alt: What a reader who cannot see it must know.
        prefix: Unique on the page; keeps the ids of several inlined pictures apart.

    Returns:
        An ``<svg>`` element with a transparent ground, whose text and axes take the page's colour.

    Raises:
        DivtoolError: The `report` extra is not installed.
    """
    raw = require_extra("vl_convert").vegalite_to_svg(
        _cleaned(chart.to_dict()), vl_version=_vega_lite_version(), config=CONFIG, allowed_base_urls=[]
    )
    root = ElementTree.fromstring(raw)
    _strip(root, prefix, {})
    width = root.attrib.pop("width", "0")
    root.attrib.pop("height", None)
    # The width is a ceiling: on a narrow screen the picture shrinks with its column.
    root.attrib["style"] = f"max-width:{float(width):.0f}px"
    label(root, title, alt, prefix)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def _strip(element: ElementTree.Element, prefix: str, ids: dict[str, str]) -> None:
    """Keep known elements and attributes, number ids anew under the prefix, drop what draws nothing."""
    element.tag = element.tag.rpartition("}")[2]
    kept = {name: value for name, value in element.attrib.items() if name in _ATTRIBUTES}
    if "id" in kept:
        kept["id"] = ids.setdefault(kept["id"], f"{prefix}-{len(ids)}")  # the converter's count goes on between charts
    if kept.get("clip-path", "").startswith("url(#"):
        kept["clip-path"] = f"url(#{ids.setdefault(kept['clip-path'][5:-1], f'{prefix}-{len(ids)}')})"
    element.attrib.clear()
    element.attrib.update(kept)
    for child in list(element):
        name = str(child.tag).rpartition("}")[2]
        if name not in _ELEMENTS or child.get("display") == "none" or child.get("class") == "background":
            element.remove(child)
        else:
            _strip(child, prefix, ids)
            if child.tag == "g" and len(child) == 0:
                element.remove(child)
