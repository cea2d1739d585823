from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from divtool.core.errors import DivtoolError
from divtool.core.reporting import page
from divtool.core.reporting.load import load
from divtool.core.reporting.page import render, write_report

from .conftest import Writer, measure, pair, response, selection, training

HOSTILE = (
    "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "</style></div></details><style>body{display:none}</style><svg onload=alert(1)><iframe src=//example.org></iframe>"
    "]]><!-- --!> {{7*7}} {% raw %} ${7*7} \u202egnp.exe\u2066 \x00\x1b[31m\x7f 'quote' \"quote\" &lt;b&gt;"
    " javascript:alert(1)"
)
OWN_SCRIPTS: tuple[tuple[str, dict[str, str | None]], ...] = (
    ("script", {}),
    ("script", {"type": "application/json", "id": "reader-data"}),
)


class Page(HTMLParser):
    """Elements with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def tags(self) -> set[str]:
        """All but the script of the page and what it searches."""
        return {tag for tag, attrs in self.elements if (tag, attrs) not in OWN_SCRIPTS}


def _infect(value: Any, keep: tuple[str, ...] = ("role", "verdict", "direction")) -> Any:
    """Every string of a record made hostile, keys too where they are free."""
    if isinstance(value, str):
        return HOSTILE
    if isinstance(value, list):
        return [_infect(item) for item in value]
    if isinstance(value, dict):
        infected = {key: item if key in keep else _infect(item) for key, item in value.items()}
        free = not value.keys() & {
            "prompt",
            "content",
            "task",
            "stage",
            "check",
            "funnel",
            "audit",
            "verdict",
            "edges",
            "step",
        }
        return {HOSTILE + key: item for key, item in infected.items()} if free else infected
    return value


@pytest.fixture
def hostile_files(write: Writer, tmp_path: Path) -> list[Path]:
    responses = [response(i, j, scores={"maas": i + j / 3}) for i in range(8) for j in range(2)]
    scores = [record | {"scores": {HOSTILE: record["scores"]["maas"]}} for record in map(_infect_response, responses)]
    files = [
        write("responses.jsonl", scores),
        write("pairs.jsonl", [_infect(pair(i), ()) for i in range(6)]),
        write("measures.jsonl", [_infect(measure()), _infect(measure(role="quality", verdict=HOSTILE))]),
        write("select.jsonl", [_infect(selection(), ())]),
        write("log<script>alert(1)<\u2215script>.jsonl", training()),
    ]
    files.append(write("long.jsonl", [pair(99, chosen="<b>" + "x" * 1_000_000, rejected=HOSTILE * 3000)]))
    return files


def _infect_response(record: dict[str, Any]) -> dict[str, Any]:
    ids = {"prompt_id": record["prompt_id"] + HOSTILE, "run": f"{record['run']}{HOSTILE}"}
    return _infect(record) | ids | {"scores": record["scores"]}


def test_the_page_holds_every_section(stage_files: list[Path]) -> None:
    html = render(load(stage_files), "A title")
    found = Page(html)
    ids = [attrs["id"] for tag, attrs in found.elements if tag == "section"]
    assert ids == [
        "results", "plane", "length", "funnel", "length-bias", "training", "examples", "responses", "run",
        "definitions", "made",
    ]  # fmt: skip
    assert "More diverse on story (semantic distance +0.030 [0.010, 0.050])" in found.text.replace("\n", "")
    for text in (
        "tuned against base",
        "mean delta words",
        "truncated 20",
        "Largest gap: 12",
        "One prompt, 2 runs",
        "A title",
    ):
        assert text in found.text
    assert re.search(r"<td[^>]*><bdi>maas</bdi></td><td[^>]*><bdi>lower is more diverse", html)


def test_every_picture_has_a_label_and_its_numbers(stage_files: list[Path]) -> None:
    html = render(load(stage_files))
    figures = re.findall(r"<figure>.*?</figure>", html, re.DOTALL)
    assert len(figures) >= 7
    for figure in figures:
        assert re.search(r'<svg[^>]* role="img".*?<desc id="[^"]+">[^<]{15,}</desc>', figure)
    with_table = [figure for figure in figures if "<table>" in figure]
    assert len(with_table) >= len(figures) - 1  # the funnel's stands beside it


def test_the_page_is_self_contained_and_runs_one_script(stage_files: list[Path]) -> None:
    html = render(load(stage_files))
    found = Page(html)
    assert not found.tags() & {"script", "link", "iframe", "object", "embed", "img", "base"}
    assert [tag for tag, _ in found.elements].count("script") == 2
    policy = next(
        a["content"] for t, a in found.elements if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    script = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'")
    for _, attrs in found.elements:
        assert not [name for name in attrs if name.startswith("on")]
        assert all(
            value is None or value.startswith(("#", "data:text/csv"))
            for name, value in attrs.items()
            if name in {"href", "src"}
        )
    assert not re.search(r"@import|url\((?!#)", html)


def test_a_page_without_responses_runs_nothing(write: Writer) -> None:
    html = render(load([write("measures.jsonl", [measure()])]))
    assert "script-src 'none'" in html
    assert "<script" not in html


def test_the_same_inputs_give_the_same_page(stage_files: list[Path]) -> None:
    assert render(load(stage_files)) == render(load(stage_files))


def test_hostile_text_stays_text(hostile_files: list[Path]) -> None:
    html = render(load(hostile_files), HOSTILE)
    found = Page(html)
    assert not found.tags() & {"script", "img", "iframe"}
    assert html.count("<style>") == 1
    assert html.count("</style>") == 1
    assert not [name for _, attrs in found.elements for name in attrs if name.startswith("on")]
    assert "{{7*7}}" in found.text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", html)
    assert "\u27e8U+202E\u27e9gnp.exe" in found.text
    assert len(html) < 2_000_000
    assert "characters" in found.text  # the cut is said


def test_elements_close_where_they_should(hostile_files: list[Path], stage_files: list[Path]) -> None:
    for files in (hostile_files, stage_files):
        html = render(load(files))
        for tag in ("div", "section", "figure", "table", "details", "svg", "article", "bdi"):
            assert len(re.findall(rf"<{tag}[\s>]", html)) == html.count(f"</{tag}>"), tag


@pytest.mark.parametrize("kinds", [["prompts"], ["pairs"], ["measures"], ["log"], ["select"], ["responses"]])
def test_any_single_kind_makes_a_page(kinds: list[str], write: Writer) -> None:
    records = {
        "prompts": [{"prompt": "x"}],
        "pairs": [pair(0)],
        "measures": [{"task": "t", "metric": "m", "value": None}],
        "log": [{"step": 1, "loss": 0.7}],
        "select": [{"funnel": "none", "audit": []}],
        "responses": [{"prompt": "x", "response": ""}],
    }
    found = Page(render(load([write(f"{kind}.jsonl", records[kind]) for kind in kinds])))
    assert [attrs["id"] for tag, attrs in found.elements if tag == "section"][-1] == "made"
    assert "h1" in found.tags()


def test_extreme_numbers_are_drawn_or_left_out(write: Writer) -> None:
    rows = [response(i, 0, scores={"a": 1e14 * (-1) ** i, "b": 1e-300 * i, "c": 5}) for i in range(20)]
    wide = measure(delta=1e14, delta_ci_low=-1e15, delta_ci_high=1e300)
    log = [{"step": 10**12 * i, "loss": -1e14 * i} for i in range(5)]
    render(load([write("a.jsonl", rows), write("b.jsonl", [wide]), write("c.jsonl", log)]))


def test_write_report_replaces_whole(stage_files: list[Path], tmp_path: Path) -> None:
    output = tmp_path / "out" / "report.html"
    output.parent.mkdir()
    output.write_text("old")
    write_report(stage_files, output, "T")
    assert output.read_text(encoding="utf-8").endswith("</html>")
    assert [path.name for path in output.parent.iterdir()] == ["report.html"]


def test_a_failed_run_leaves_the_old_page(write: Writer, tmp_path: Path) -> None:
    output = tmp_path / "report.html"
    output.write_text("old")
    with pytest.raises(DivtoolError):
        write_report([write("bad.jsonl", [{"x": 1}])], output)
    assert output.read_text() == "old"


def test_bad_lines_are_left_out_and_counted(write: Writer, tmp_path: Path) -> None:
    source = write("mixed.jsonl", [response(0, 0), {"x": 1}, response(1, 0)])
    with source.open("a") as file:
        file.write("no json\n")
    written = write_report([source], tmp_path / "r.html", skip_bad=True)
    assert written.skipped == {"mixed.jsonl": 2}
    assert "2 responses and 2 bad lines left out" in Page((tmp_path / "r.html").read_text()).text


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DivtoolError, match="cannot be written"):
        page.write("x", tmp_path / "absent" / "report.html")


def test_importing_the_report_loads_nothing_heavy() -> None:
    code = (
        "import sys, divtool.core.reporting.page; "
        "print(sorted({'altair', 'jinja2', 'vl_convert', 'scipy', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
