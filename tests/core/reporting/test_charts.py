from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

from divtool.core.errors import DivtoolError
from divtool.core.reporting import charts, dot_charts, plane_chart, svg
from divtool.core.reporting.charts import ForestRow, PanelPoint, SeriesPoint
from divtool.core.reporting.dot_charts import Rate, Share, Strip
from divtool.core.reporting.plane_chart import Axis, Point

_AXES = (Axis("x"), Axis("y"))
HOSTILE = "<script>alert(1)</script>\x00\u202e]]>&amp;{{7*7}}\"'\ufffe"


def _charts(name: str) -> dict[str, svg.Plot]:
    points = [SeriesPoint(i, i * i, f"{name}{i % 2}") for i in range(20)]
    rows = [ForestRow(name, 0.1, 0.05, 0.2, "good"), ForestRow(name, -0.1, None, None, "open", -0.2)]
    return {
        "funnel": charts.funnel([(name, name, 10, 5), (name, name, 5, 0)]),
        "histogram": charts.histogram({name: [1, 2], "b": [2, 1]}, [0, 1, 2], "words", zero=True),
        "forest": charts.forest(rows, name, (-1, 1)),
        "panels": charts.panels([PanelPoint(name, name, i, i, i - 1, i + 1) for i in range(5)], name, [name] * 5),
        "curves": charts.curves(points, name),
        "plane": plane_chart.plane(
            [
                Point(name, 0.5, 0.5, (0.4, 0.6), (0.45, 0.55), "baseline"),
                Point(name, 1e12, -1, hollow=True),
                *(Point(name, i, i, kind="setting", curve=name) for i in range(3)),
            ],
            [(name, 0.4)],
            Axis(name),
            Axis(name, turned=True),
        ),
        "strips": dot_charts.strips(
            [Strip(name, [(name, 0.1), ("b", -0.1)], 0.0, -0.1, 0.1), Strip(name, [])], name, -1, 9
        ),
        "shares": dot_charts.shares([Share(name, name, 0.2), Share("b", f"{name}2", 1.0)], [name, "b"]),
        "rates": dot_charts.rates([Rate(name, 0.2, 0.4), Rate(name, None, 1.0)], (name, "b")),
    }


@pytest.mark.parametrize("name", ["plain", HOSTILE, "", "a.b[0]", "x" * 5000])
@pytest.mark.parametrize(
    "kind", ["funnel", "histogram", "forest", "panels", "curves", "plane", "strips", "shares", "rates"]
)
def test_every_chart_draws_any_name(kind: str, name: str) -> None:
    drawn = _charts(name)[kind].to_svg(name, name, "c1")
    root = ElementTree.fromstring(drawn)
    assert root.get("role") == "img"
    assert {element.tag for element in root.iter()} <= svg._ELEMENTS | {"title", "desc"}
    allowed = svg._ATTRIBUTES | {"role", "aria-labelledby", "aria-describedby", "style"}
    assert {key for element in root.iter() for key in element.attrib} <= allowed
    assert "<script" not in drawn
    assert "\x00" not in drawn
    assert "\u202e" not in drawn
    assert float(root.attrib["viewBox"].split()[2]) <= charts.WIDTH + 40


def test_ids_of_two_pictures_differ() -> None:
    chart = _charts("x")["curves"]
    ids = [set(re.findall(r'id="([^"]+)"', chart.to_svg("t", "a", prefix))) for prefix in ("c1", "c2")]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_references_follow_their_ids() -> None:
    drawn = _charts("x")["curves"].to_svg("t", "a", "c1")
    used = re.findall(r"url\(#([^)]+)\)", drawn)
    assert {*used, "c1-title", "c1-desc"} == set(re.findall(r'id="([^"]+)"', drawn))


def test_text_and_axes_take_the_pages_colour_on_no_ground() -> None:
    root = ElementTree.fromstring(_charts("x")["forest"].to_svg("t", "a", "c1"))
    assert {element.get("fill") for element in root.iter("text")} == {"currentColor"}
    assert not [e for e in root.iter("rect") if e.get("fill") in {"white", "#fff", "#ffffff"}]


def test_rows_of_one_name_stay_apart() -> None:
    root = ElementTree.fromstring(_charts("same")["forest"].to_svg("t", "a", "c1"))
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


def _boxes(places: list[tuple[float, float]], texts: list[str]) -> list[plane_chart.Box]:
    found = plane_chart.set_labels(places, texts)
    widths = [plane_chart._LETTER * len(text) for text in texts]
    return [
        (x, x + width, y - 6, y + 6) if side == "left" else (x - width, x, y - 6, y + 6)
        for (x, y, side), width in zip(found, widths, strict=True)
    ]


def test_labels_of_twelve_points_in_one_corner_stay_apart() -> None:
    places = [(270.0 + i, 120.0 + i % 3) for i in range(12)]
    boxes = _boxes(places, [f"a run {i}" for i in range(12)])
    for i, a in enumerate(boxes):
        assert a[1] <= plane_chart._WIDTH
        for b in boxes[:i]:
            assert min(a[1], b[1]) <= max(a[0], b[0]) or min(a[3], b[3]) <= max(a[2], b[2])


def _texts(chart: svg.Plot) -> dict[str, tuple[float, float]]:
    """Places of the texts in a picture, with the places of all groups above added."""
    found = {}

    def walk(element: ElementTree.Element, x: float, y: float) -> None:
        move = re.match(r"translate\(([-\d.]+),([-\d.]+)\)", element.get("transform", ""))
        x, y = (x + float(move[1]), y + float(move[2])) if move else (x, y)
        if element.text:
            found[element.text] = (x, y)
        for child in element:
            walk(child, x, y)

    walk(ElementTree.fromstring(chart.to_svg("t", "a", "c1")), 0, 0)
    return found


def test_of_many_points_those_that_stand_apart_have_their_names() -> None:
    many = [Point(f"m{i}", 0.5 + i / 1e4, 0.5, hollow=True) for i in range(40)]
    drawn = plane_chart.plane([*many, Point("base", 0.5, 0.5, kind="baseline"), Point("far", 0.9, 0.9)], [], *_AXES)
    names = {name for name in _texts(drawn) if name[0] in "mbf"}
    assert len(names) == plane_chart.MOST_NAMES
    assert {"base", "far"} <= names
    assert len(drawn.sheet.rows) == 42


@pytest.mark.parametrize("turned", [False, True])
def test_a_turned_axis_sets_low_values_up(turned: bool) -> None:
    points = [Point("low", 0.5, 0.1), Point("high", 0.4, 0.9)]
    places = _texts(plane_chart.plane(points, [], Axis("x"), Axis("y", turned)))
    assert (places["low"][1] < places["high"][1]) == turned
    assert places["low"][0] > places["high"][0]


def test_lines_far_from_the_runs_are_left_out() -> None:
    points = [Point("a", 0.5, 0.50), Point("b", 0.6, 0.54)]
    assert plane_chart.near(points, [("floor", 0.0), ("ceiling", 0.6)]) == [("ceiling", 0.6)]
