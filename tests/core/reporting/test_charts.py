from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

from divtool.core.errors import DivtoolError
from divtool.core.reporting import charts, svg
from divtool.core.reporting.charts import ForestRow, PanelPoint, SeriesPoint

HOSTILE = "<script>alert(1)</script>\x00\u202e]]>&amp;{{7*7}}\"'\ufffe"


def _charts(name: str) -> dict[str, object]:
    points = [SeriesPoint(i, i * i, f"{name}{i % 2}") for i in range(20)]
    rows = [ForestRow(name, 0.1, 0.05, 0.2, "good"), ForestRow(name, -0.1, None, None, "open", -0.2)]
    return {
        "funnel": charts.funnel([(name, name, 10, 5), (name, name, 5, 0)]),
        "histogram": charts.histogram({name: [1, 2], "b": [2, 1]}, [0, 1, 2], "words", zero=True),
        "forest": charts.forest(rows, name, (-1, 1)),
        "panels": charts.panels([PanelPoint(name, name, i, i, i - 1, i + 1) for i in range(5)], name),
        "curves": charts.curves(points),
    }


@pytest.mark.parametrize("name", ["plain", HOSTILE, "", "a.b[0]", "x" * 5000])
@pytest.mark.parametrize("kind", ["funnel", "histogram", "forest", "panels", "curves"])
def test_every_chart_draws_any_name(kind: str, name: str) -> None:
    drawn = svg.to_svg(_charts(name)[kind], alt=name, prefix="c1")
    root = ElementTree.fromstring(drawn)
    assert root.get("role") == "img"
    assert {element.tag for element in root.iter()} <= svg._ELEMENTS
    allowed = svg._ATTRIBUTES | {"role", "aria-label", "style"}
    assert {key for element in root.iter() for key in element.attrib} <= allowed
    assert "<script" not in drawn
    assert "\x00" not in drawn
    assert "\u202e" not in drawn
    assert float(root.attrib["viewBox"].split()[2]) <= charts.WIDTH + 40


def test_ids_of_two_pictures_differ() -> None:
    chart = _charts("x")["curves"]
    ids = [set(re.findall(r'id="([^"]+)"', svg.to_svg(chart, "a", prefix))) for prefix in ("c1", "c2")]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_references_follow_their_ids() -> None:
    drawn = svg.to_svg(_charts("x")["curves"], "a", "c1")
    assert set(re.findall(r"url\(#([^)]+)\)", drawn)) == set(re.findall(r'id="([^"]+)"', drawn))


def test_text_and_axes_take_the_pages_colour_on_no_ground() -> None:
    root = ElementTree.fromstring(svg.to_svg(_charts("x")["forest"], "a", "c1"))
    assert {element.get("fill") for element in root.iter("text")} == {"currentColor"}
    assert not [e for e in root.iter("rect") if e.get("fill") in {"white", "#fff", "#ffffff"}]


def test_rows_of_one_name_stay_apart() -> None:
    root = ElementTree.fromstring(svg.to_svg(_charts("same")["forest"], "a", "c1"))
    heights = {
        e.get("transform") for e in root.iter("text") if (e.text or "").startswith("same\u200b") or e.text == "same"
    }
    assert len(heights) >= 2


def _contrast(a: str, b: str) -> float:
    def luminance(color: str) -> float:
        channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("ground", ["#fcfcfa", "#14171b"])
def test_marks_have_contrast_on_both_grounds(ground: str) -> None:
    assert all(_contrast(color, ground) >= 3 for color in charts.COLORS)  # WCAG 1.4.11


def test_a_missing_extra_says_what_to_install() -> None:
    with pytest.raises(DivtoolError, match=r"pip install 'divtool\[report\]'"):
        svg.require_extra("divtool_no_such_package")
