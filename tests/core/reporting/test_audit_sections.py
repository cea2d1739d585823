from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from divtool.core.audit.position import position_summary
from divtool.core.audit.record import compare_keys
from divtool.core.audit.score import aggregates
from divtool.core.reporting.charts import BLUE, ORANGE
from divtool.core.reporting.load import load
from divtool.core.reporting.page import render, write_report

from .audits import (
    COUNTRIES,
    NUMBERS,
    WEEKDAYS,
    asked,
    bounds,
    choices,
    exact,
    law,
    paired,
    sampled,
    sweep,
)
from .conftest import Writer, measure, pair, response, training
from .test_page import HOSTILE, Page

Record = dict[str, Any]
UNEVEN = [0.3, 0.05, 0.2, 0.1, 0.15, 0.05, 0.05]  # 0.9 in all


class Shown:
    """One figure of a page."""

    def __init__(self, html: str) -> None:
        self.html = html
        self.svg = ElementTree.fromstring(html[html.index("<svg") : html.index("</svg>") + 6])
        self.text = unescape(re.sub(r"<[^>]+>", " ", html))

    def widths(self, *, pale: bool = False) -> list[float]:
        return [float(r.attrib["width"]) for r in self.bars(pale=pale)]

    def heights(self, *, pale: bool = False) -> list[float]:
        return [float(r.attrib["height"]) for r in self.bars(pale=pale)]

    def bars(self, *, pale: bool) -> list[ElementTree.Element]:
        bars = [r for r in self.svg.iter("rect") if r.get("fill") == BLUE and ("fill-opacity" in r.attrib) == pale]
        return bars[1:]  # the first is the legend's

    def hatched(self) -> list[float]:
        found = [r for r in self.svg.iter("rect") if "hatch" in r.get("fill", "") and r.get("width") != "9"]
        return [float(r.attrib["width"]) for r in found]

    def labels(self) -> list[str]:
        return [element.text or "" for element in self.svg.iter("text")]


def every_kind() -> list[Record]:
    swept = exact(asked(wording="w2"), UNEVEN) | {"decoders": sweep()}
    return [paired(asked(), UNEVEN, law(7, 0.1)), bounds(asked(wording="w3"), UNEVEN, 0.02), *choices(), swept]


def page(write: Writer, records: list[Record], *more: Path) -> str:
    return render(load([write("audit.jsonl", records), *more]))


def shown(html: str, title: str) -> Shown:
    figures = re.findall(r"<figure>.*?</figure>", html, re.DOTALL)
    return next(Shown(figure) for figure in figures if f"<h3><bdi>{title}</bdi>" in figure)


def test_bars_are_as_long_as_the_records_say(write: Writer) -> None:
    figure = shown(page(write, [exact(asked(), UNEVEN)]), "weekday, w1")
    scale = figure.widths()[0] / UNEVEN[0]
    assert figure.widths() == pytest.approx([p * scale for p in UNEVEN], abs=1e-3)
    assert figure.hatched() == pytest.approx([0.1 * scale], abs=1e-3)
    marks = [float(line.attrib["x1"]) for line in figure.svg.iter("line") if line.get("stroke") == ORANGE][1:]
    origin = float(figure.bars(pale=False)[0].attrib["x"])
    assert marks == pytest.approx([origin + scale / 7] * 7, abs=1e-3)
    assert re.search(
        r"<bdi>Monday</bdi></td><td[^>]*><bdi>14.29\u202f%</bdi></td><td[^>]*><bdi>30.00\u202f%", figure.html
    )
    assert re.search(r"<bdi>anything else</bdi></td>.*?10.00\u202f%", figure.html, re.DOTALL)
    assert "Draw one weekday by lot." in figure.text


def test_options_stand_in_their_order_or_by_falling_probability(write: Writer) -> None:
    records = [exact(asked(), UNEVEN), exact(asked(wording="w2", ordinal=False), UNEVEN)]
    html = page(write, records)
    days = [[label for label in shown(html, f"weekday, {w}").labels() if label in WEEKDAYS] for w in ("w1", "w2")]
    assert days[0] == list(WEEKDAYS)
    assert days[1] == ["Monday", "Wednesday", "Friday", "Thursday", "Tuesday", "Saturday", "Sunday"]


def test_before_and_after_on_one_axis(write: Writer) -> None:
    before = [0.4, 0.1, 0.05, 0.02, 0.01, 0.01, 0.01]
    html = page(write, [paired(asked(), law(7, 0.995), before)])
    figure = shown(html, "weekday, w1")
    scale = figure.widths()[0] / (0.995 / 7)
    assert figure.widths(pale=True) == pytest.approx([p * scale for p in before], abs=1e-3)
    assert figure.hatched() == pytest.approx([0.4 * scale, 0.005 * scale], abs=1e-3)
    assert "TV 0.66 → 0.005, effective options 3.0 → 7.0 of 7" in figure.text
    assert "fail → pass" in figure.text
    assert "TV to the target 0.66 \u2192 0.005 on average over 1 prompt" in html
    assert "Audit of tiny against base" in html


def test_a_bar_that_dwarfs_the_others_is_cut_and_says_so(write: Writer) -> None:
    figure = shown(page(write, [exact(asked(), law(7, 0.001))]), "weekday, w1")
    assert "anything else is 99.9\u202f%" in figure.text
    assert "cut" in figure.text
    assert "of valid answers" in figure.labels()  # the rings
    assert len(list(figure.svg.iter("circle"))) == 8
    assert '"Sure,\\n"' in figure.text
    assert "What is said instead" in figure.text


def test_intervals_are_drawn_for_bounds_and_samples(write: Writer) -> None:
    records = [bounds(asked(), UNEVEN, 0.02), sampled(asked(wording="w2"), [30, 40, 10, 20, 30, 60, 10], 12)]
    html = page(write, records)
    for record, title in zip(records, ("weekday, w1", "weekday, w2"), strict=True):
        figure = shown(html, title)
        lines = [line for line in figure.svg.iter("line") if line.get("stroke-width") == "1.2"]
        flat = [line for line in lines if line.get("y1") == line.get("y2")]
        assert len(flat) == 8
        scale = figure.widths()[0] / record["options"][0]["p"]
        spans = [float(line.attrib["x2"]) - float(line.attrib["x1"]) for line in flat[:7]]
        wanted = [option["p_high"] - option["p_low"] for option in record["options"]]
        assert spans == pytest.approx([span * scale for span in wanted], abs=2e-3)
    assert "TV from 0.301 to 0.321" in shown(html, "weekday, w1").text
    assert "Someday" in shown(html, "weekday, w1").text
    assert "212 responses, a perfect sampler's TV" in shown(html, "weekday, w2").text


def test_long_lists(write: Writer) -> None:
    names = asked(COUNTRIES, task="country", ordinal=False)
    numbers = asked(NUMBERS, task="int-1-100")
    p = law(100, 0.9, 2.0)
    html = page(write, [exact(names, law(60, 0.9, 3.0)), paired(numbers, p, law(100, 0.9))])
    figure = shown(html, "country, w1")
    assert len(figure.widths()) == 21
    assert "other (40)" in figure.labels()
    assert "The bar of the 40 others is cut." in figure.text
    assert figure.html.count("<bdi>Country ") == 60  # the table has them all
    columns = shown(html, "int-1-100, w1")
    assert columns.heights() == pytest.approx([x * columns.heights()[0] / p[0] for x in p], abs=1e-3)
    assert len(columns.heights(pale=True)) == 100
    assert len(columns.hatched()) == 2
    assert len(list(columns.svg.iter("path"))) == 1  # the target


def test_the_overview_has_verdicts_and_the_three_scores(write: Writer) -> None:
    records = [
        exact(asked(), law(7, 0.995)),
        exact(asked(wording="w2"), UNEVEN),
        exact(asked(wording="w0"), law(7, 0.01)),
        exact(asked(("heads", "tails"), task="coin", family="coins-dice"), [0.45, 0.45]),
    ]
    html = page(write, records)
    grid = shown(html, "Total variation by task and wording")
    texts = [f"{record['tv']:.{3 if record['tv'] < 0.01 else 2}f} {record['verdict'][0].upper()}" for record in records]
    assert [text[-1] for text in texts] == ["P", "F", "F", "W"]
    assert set(texts) <= set(grid.labels())
    assert {"w0", "w1", "w2", "weekday", "coin"} <= set(grid.labels())
    assert re.search(r"<bdi>weekday</bdi>.*<bdi>w2</bdi>", grid.html)  # the worst wording is named
    totals = aggregates(records)
    for key in ("score", "spread", "format"):
        assert f"{totals[key]:.1f}</bdi>" in html
    assert f"the score is {totals['habit']['score']:.1f}" in html


def test_models_are_told_apart_and_a_repeated_record_counts_once(write: Writer) -> None:
    rows = [exact(asked(), UNEVEN), exact(asked(), law(7, 0.995)), exact(asked(), UNEVEN, model="other")]
    html = page(write, rows)
    assert html.count("<h3><bdi>weekday, w1</bdi>") == 2
    assert "Audit of tiny" in html
    assert "Audit of other" in html
    assert "weekday (other): w1 TV" in html


def test_many_tasks_are_folded_behind_an_overview(write: Writer) -> None:
    records = [
        exact(asked(task=f"task-{i}", family=f"family {i % 4}", wording=f"w{j}"), UNEVEN)
        for i in range(66)
        for j in range(5)
    ]
    html = page(write, records)
    assert html.count('<details class="folder"><summary>') == 66
    assert html.index("Total variation by task") < html.index('<details class="folder">')
    assert 3 <= html.count("Total variation by task and wording</bdi>") <= 4
    for grid in re.findall(r"<figure>.*?</figure>", html, re.DOTALL)[:3]:
        assert float(Shown(grid).svg.attrib["viewBox"].split()[3]) < 700
    assert len(html) < 6_000_000


def test_every_picture_has_a_table_and_the_page_stays_alone(write: Writer) -> None:
    rows = [
        paired(asked(), UNEVEN, law(7, 0.5)),
        *choices(),
        exact(asked(wording="w2"), UNEVEN) | {"decoders": sweep()},
    ]
    others = [write("pairs.jsonl", [pair(0)]), write("log.jsonl", training()), write("m.jsonl", [measure()])]
    html = page(write, rows, *others, write("r.jsonl", [response(0, 0)]))
    figures = re.findall(r"<figure>.*?</figure>", html, re.DOTALL)
    assert all("<table>" in figure for figure in figures if "<h3><bdi>Reward" not in figure)
    assert all(re.search(r'<desc id="[^"]+">[^<]{15,}</desc>', figure) for figure in figures)
    found = Page(html)
    assert not found.tags() & {"script", "link", "iframe", "object", "embed", "img", "base"}
    assert not re.search(r"https?://|@import|url\((?!#)", html)
    references = set(re.findall(r"url\(#([^)]+)\)", html))
    ids = re.findall(r'id="([^"]+)"', html)
    assert references <= set(ids)
    assert len(ids) == len(set(ids))
    assert {"audit", "position", "decoders", "results", "training"} <= {
        a["id"] for t, a in found.elements if t == "section"
    }


def _infected(record: Record) -> Record:
    options = [option | {"text": HOSTILE + option["text"]} for option in record["options"]]
    leaks = [{"prefix": HOSTILE, "p": 0.2}]
    names = {key: HOSTILE + str(record[key]) for key in ("task", "family", "wording", "prompt", "model")}
    return record | names | {"options": options, "leak_top": leaks, "arm": record["arm"]}


def test_hostile_texts_stay_texts(write: Writer) -> None:
    rows = [
        paired(asked(), UNEVEN, law(7, 0.1)),
        *choices(),
        exact(asked(wording="w2"), UNEVEN) | {"decoders": sweep()},
    ]
    html = page(write, [_infected(row) for row in rows])
    found = Page(html)
    assert not found.tags() & {"script", "img", "iframe"}
    assert html.count("</style>") == 1
    assert not [name for _, attrs in found.elements for name in attrs if name.startswith("on")]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", html)
    for tag in ("details", "figure", "svg", "table", "bdi", "div"):
        assert len(re.findall(rf"<{tag}[\s>]", html)) == html.count(f"</{tag}>"), tag


@pytest.mark.parametrize(
    "odd",
    [
        {"options": []},
        {"options": "none"},
        {"options": [{"text": None, "target": "half", "p": 7}, 3]},
        {"compare": {"p": "x"}},
        {"compare": [1]},
        {"tv": None, "valid_mass": None, "verdict": None, "tv_valid": None},
        {"verdict": "splendid", "mode": "sampled", "n": "many"},
        {"decoders": {"rows": [{"temperature": "hot"}, 3], "spread": []}},
        {"arm": "order-10", "wording": None, "family": None},
        {"leak_top": [1, {"prefix": None, "p": None}], "task": None, "prompt": {"a": 1}},
    ],
)
def test_odd_values_do_not_stop_it(write: Writer, odd: Record) -> None:
    page(write, [exact(asked(), UNEVEN) | odd, exact(asked(wording="w2"), UNEVEN)])


def test_positions_beside_contents(write: Writer) -> None:
    records = choices(first=0.7)
    html = page(write, records)
    summary = position_summary(records)[0]
    assert (summary["position_tv"], summary["content_tv"]) == (pytest.approx(0.45), pytest.approx(0, abs=1e-9))
    figure = shown(html, "choose-4: place and content")
    widths = [float(r.attrib["width"]) for r in figure.svg.iter("rect")]
    scale = widths[0] / 0.7
    assert widths == pytest.approx([x * scale for x in (0.7, 0.1, 0.1, 0.1, *[0.25] * 4)], abs=1e-3)
    heat = shown(html, "choose-4: entry by place")
    assert heat.labels().count("70\u202f%") == 4
    assert heat.labels().count("10\u202f%") == 12
    assert "24 orders; position TV 0.45, content TV 0.00" in figure.text
    assert 'id="audit"' not in html  # one picture for all orders, not one each


def test_the_decoder_sweep(write: Writer) -> None:
    rows = [exact(asked(wording=w), UNEVEN) | {"decoders": sweep(s)} for w, s in (("w1", 1.5), ("w2", None))]
    html = page(write, rows)
    said = "T = 1.5 spreads the valid answers to .95 of the target's entropy and changes valid mass by \u221210.0"
    assert said in unescape(html)
    assert "No temperature tried" in html
    section = html[html.index('<section id="decoders"') :]
    figure = shown(section, "weekday, w1")
    paths = [path.attrib["d"] for path in figure.svg.iter("path")]
    assert [path.count(",") for path in paths] == [5, 5, 5]
    assert figure.html.count("<tr>") == 1 + 6  # top-p has a row in the table and no place on the line
    assert "Mean of 2 prompts" in section


def test_a_compared_file_by_itself(write: Writer) -> None:
    now, before = exact(asked(), law(7, 0.995)), exact(asked(), UNEVEN, model="base")
    html = page(write, [now | {"compare": compare_keys(now, before)}], write("base.jsonl", [before]))
    assert "Audit of tiny against base" in html
    assert "Audit of base" in html


def test_pictures_as_files(write: Writer, tmp_path: Path) -> None:
    hostile = _infected(exact(asked(), UNEVEN))
    written = write_report([write("a.jsonl", [hostile])], tmp_path / "page.html", pictures=tmp_path / "pictures")
    assert written.pictures == 2
    names = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert len(names) == 6
    assert all(re.fullmatch(r"00[12]-audit-[a-z0-9-]+\.(svg|png|csv)", name) for name in names)
    for path in (tmp_path / "pictures").glob("*.svg"):
        root = ElementTree.parse(path).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.get("color") == "#1b1e23"
        assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
        assert path.with_suffix(".csv").read_bytes().startswith(b"\xef\xbb\xbf")
