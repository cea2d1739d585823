"""What a reader needs who sees little, uses no mouse, or prints: computed from the page and its style sheet."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from divtool.core.reporting import charts
from divtool.core.reporting.load import load
from divtool.core.reporting.page import _template, render

from .audits import asked, choices, exact, law, paired
from .conftest import Writer, evaluation, response, unit_values
from .test_decile_section import decile_map, scored

SCHEMES = ("light", "dark")


def variables(scheme: str) -> dict[str, str]:
    """The colours of the style sheet."""
    light, dark = re.findall(r":root \{(.*?)\}", _template("report.css"), re.DOTALL)
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light))
    return found | (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", dark)) if scheme == "dark" else {})


def channels(color: str) -> list[float]:
    return [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def contrast(a: str, b: str, opacity: float = 1.0) -> float:
    """The ratio of WCAG 2 between a colour, laid over a ground, and that ground."""

    def luminance(color: list[float]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    mixed = [opacity * x + (1 - opacity) * y for x, y in zip(channels(a), channels(b), strict=True)]
    high, low = sorted((luminance(mixed), luminance(channels(b))), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_measure_of_contrast() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)
    assert contrast("#000000", "#ffffff", 0.0) == 1


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("ground", ["ground", "card", "wash"])
def test_text_can_be_read(scheme: str, ground: str) -> None:
    colors = variables(scheme)
    for name in ("ink", "soft", "good"):  # "good" is the colour of links
        assert contrast(colors[name], colors[ground]) >= 4.5, name
    assert contrast(colors["ink"], colors[ground], 0.8) >= 4.5  # the palest label of a picture


@pytest.mark.parametrize("scheme", SCHEMES)
def test_marks_can_be_seen(scheme: str) -> None:
    colors = variables(scheme)
    for ground in ("ground", "card"):
        for name in ("good", "bad", "open"):
            assert contrast(colors[name], colors[ground]) >= 3, name
        assert all(contrast(color, colors[ground]) >= 3 for color in charts.COLORS)


@pytest.fixture
def html(stage_files: list[Path], write: Writer) -> str:
    audits = [*choices(), exact(asked(), law(7, 0.8, 2.0)), paired(asked(task="day"), law(7, 0.9), law(7, 0.5, 3.0))]
    responses = [response(i, j, run=run) for run in ("base", "tuned") for i in range(8) for j in range(2)]
    more = [
        write("audits.jsonl", audits), write("units.jsonl", unit_values()), write("m.jsonl", evaluation()),
        write("r.jsonl", responses), write("dd.jsonl", scored("base")), write("map.json", [decile_map()]),
    ]  # fmt: skip
    return render(load([*stage_files, *more]))


def test_every_picture_has_a_name_a_description_and_its_numbers(html: str) -> None:
    figures = re.findall(r"<figure>.*?</figure>", html, re.DOTALL)
    assert len(figures) > 25
    for figure in figures:
        name, description = (re.search(rf'aria-{key}="([^"]+)"', figure) for key in ("labelledby", "describedby"))
        assert name is not None
        assert description is not None
        assert 'role="img"' in figure
        assert re.search(rf'<title id="{name[1]}">[^<]+</title>', figure)
        assert re.search(rf'<desc id="{description[1]}">[^<]{{15,}}</desc>', figure)
        assert "<table>" in figure or "<h3><bdi>diverse-ns-lite" in figure  # the funnel's stands beside it
        assert "CSV" in figure


def test_headings_leave_no_level_out(html: str) -> None:
    levels = [int(level) for level in re.findall(r"<h([1-6])[ >]", html)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_ids_are_met_once_and_every_reference_is_met(html: str) -> None:
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(set(ids)) == len(ids)
    used = {name for names in re.findall(r'aria-(?:labelledby|describedby)="([^"]+)"', html) for name in names.split()}
    used |= set(re.findall(r'href="#([^"]+)"', html))
    assert used <= set(ids)


def test_the_keyboard_gets_everywhere(html: str) -> None:
    scrolling = re.findall(r'<(?:div|pre)[^>]*class="(?:scroll|text|commands)[^>]*>', html)
    assert len(scrolling) > 30
    assert all('tabindex="0"' in tag for tag in scrolling)
    assert re.search(r"<body>\s*<a class=\"skip\" href=\"#content\">", html)
    assert '<main id="content" tabindex="-1">' in html
    assert ":focus-visible { outline: 2px solid" in _template("report.css")
    assert "outline: none" not in _template("report.css")


def test_language_landmarks_motion_and_print(html: str) -> None:
    assert '<html lang="en">' in html
    for tag in ("header", "nav", "main", "footer"):
        assert len(re.findall(rf"<{tag}[ >]", html)) == 1
    assert len(re.findall(r"<section ", html)) == len(re.findall(r'<section [^>]*aria-labelledby="', html))
    assert "@media (prefers-reduced-motion: reduce)" in _template("report.css")
    assert "@media print" in _template("report.css")


def test_links_and_folds_tell_what_they_open(html: str) -> None:
    assert len(set(re.findall(r'aria-label="(CSV: [^"]+)"', html))) > 20
    assert not re.findall(r"<summary>\s*</summary>", html)
    assert not re.findall(r"<summary>The numbers</summary>", html)
