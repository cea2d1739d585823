"""The page in a real browser: every picture drawn, nothing fetched, nothing injected, search and sort at work."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from divtool.core.reporting.page import write_report

from .audits import asked, choices, distribution_log, exact, law, paired, sweep
from .conftest import Visit, Writer, evaluation, pair, response, unit_values
from .test_page import HOSTILE, hostile_files  # noqa: F401

Opener = Callable[..., Visit]

# Of every picture: does it have a size, and does anything in it have one?
DRAWN = """() => [...document.querySelectorAll("figure svg")].map((svg) => {
  for (let d = svg.closest("details"); d; d = d.parentElement.closest("details")) d.open = true;
  const box = svg.getBoundingClientRect();
  const marks = [...svg.querySelectorAll("path, rect, circle, line, text")];
  const seen = marks.filter((mark) => { const b = mark.getBoundingClientRect(); return b.width + b.height > 2; });
  return { width: box.width, height: box.height, marks: seen.length, name: svg.textContent.slice(0, 60) };
})"""


@pytest.fixture
def everything(stage_files: list[Path], write: Writer) -> list[Path]:
    """Files of every kind that has pictures."""
    audits = [
        exact(asked(), law(7, 0.9, 2.0)),
        paired(asked(task="day"), law(7, 0.9), law(7, 0.8, 3.0)),
        *choices(),
        exact(asked(task="month"), law(7, 0.8)) | {"decoders": sweep()},
    ]
    return [
        *stage_files,
        write("audit.jsonl", audits),
        write("fit.jsonl", distribution_log()),
        write("all.jsonl", evaluation()),
        write("units.jsonl", unit_values()),
    ]


@pytest.fixture
def page_file(everything: list[Path], tmp_path: Path) -> Path:
    output = tmp_path / "report.html"
    write_report(everything, output, "A run")
    return output


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_every_picture_is_drawn_and_nothing_is_fetched(
    page_file: Path, visit: Opener, width: int, scheme: str, tmp_path: Path
) -> None:
    seen = visit(page_file, width, scheme)
    pictures = seen.page.evaluate(DRAWN)
    assert len(pictures) >= 15
    for picture in pictures:
        assert picture["width"] > 100, picture
        assert picture["height"] > 30, picture
        assert picture["marks"] >= 3, picture
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    ground = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) < 3 * 64) == (scheme == "dark")
    assert seen.faults == []


def test_it_prints(page_file: Path, visit: Opener) -> None:
    printed = visit(page_file).page.pdf(format="A4")
    assert printed.startswith(b"%PDF-")
    assert printed.count(b"/Type /Page\n") >= 5


def test_the_data_behind_a_picture_can_be_saved(page_file: Path, visit: Opener, tmp_path: Path) -> None:
    seen = visit(page_file)
    with seen.page.expect_download() as waiting:
        seen.page.locator("a[download]").first.click()
    waiting.value.save_as(tmp_path / "data.csv")
    lines = (tmp_path / "data.csv").read_text(encoding="utf-8-sig").splitlines()
    assert waiting.value.suggested_filename.endswith(".csv")
    assert len(lines) >= 2
    assert seen.faults == []


STORIES = [
    *(response(0, j, run="base", text=f"The cat number {j} sat " + "on the mat " * j, scores={"ttr": j / 10})
      for j in range(6)),
    response(1, 0, run="base", text="One two three four five six seven", scores={"ttr": 0.95}),
    response(1, 1, run="base", text="one two three four five six seven eight", scores={"ttr": 0.94}),
    response(1, 2, run="base", text="A gr\u00fcner D\u00f6ner \u00df", scores={"ttr": None}),
    *(response(1, j, run="tuned", text=f"Something else {j}", scores={"ttr": 0.5}) for j in range(2)),
]  # fmt: skip


@pytest.fixture
def stories(write: Writer, tmp_path: Path, visit: Opener) -> Visit:
    """A page with eleven responses of two runs to two prompts, and a pair."""
    output = tmp_path / "stories.html"
    made = pair(0, chosen="chosen words of a lion", rejected="rejected words of a lamb")
    write_report([write("responses.jsonl", STORIES), write("pairs.jsonl", [made])], output)
    return visit(output)


def _settled(seen: Visit) -> None:
    """Wait until the list is what the controls ask for: it follows them after a moment."""
    seen.page.wait_for_selector("#reader-list:not([aria-busy])", state="attached")


def _status(seen: Visit, text: str) -> None:
    _settled(seen)
    seen.page.wait_for_function("(text) => document.getElementById('reader-status').textContent === text", arg=text)


def _texts(seen: Visit) -> list[str]:
    _settled(seen)
    return seen.page.locator("#reader-list .side .text").all_inner_texts()


def test_search(stories: Visit) -> None:
    _status(stories, "11 responses and 1 pair to 2 prompts")
    stories.page.get_by_label("Search").fill("MAT number")
    _status(stories, "5 responses to 1 prompt")
    assert stories.page.locator("mark").all_inner_texts()[:2] == ["number", "mat"]
    stories.page.get_by_label("Search").fill("d\u00f6ner")
    _status(stories, "1 response to 1 prompt")
    stories.page.get_by_label("Search").fill("\uff44\u00f6ner")  # full width
    _status(stories, "1 response to 1 prompt")
    assert stories.page.locator("mark").all_inner_texts() == ["D\u00f6ner"]
    stories.page.get_by_label("Search").fill("no such word")
    _status(stories, "Nothing fits. Search for fewer words, or take a choice back.")
    assert _texts(stories) == []
    stories.page.get_by_label("Search").fill("")
    _status(stories, "11 responses and 1 pair to 2 prompts")
    assert stories.faults == []


def test_sort(stories: Visit) -> None:
    stories.page.get_by_label("By prompt").uncheck()
    stories.page.get_by_label("Show").select_option("responses")
    _status(stories, "11 responses to 2 prompts")
    stories.page.get_by_label("Sort by").select_option("words")
    lengths = [len(text.split()) for text in _texts(stories)]
    assert lengths == sorted(lengths)
    stories.page.get_by_label("Largest first").check()
    assert [len(text.split()) for text in _texts(stories)] == sorted(lengths, reverse=True)
    stories.page.get_by_label("Sort by").select_option("ttr")
    first, *_, last = _texts(stories)
    assert first.startswith("One")
    assert last.startswith("A gr\u00fcner")  # it has no score


def test_near_duplicates_runs_and_pairs(stories: Visit) -> None:
    stories.page.locator("select[name=run]").select_option("tuned")
    _status(stories, "2 responses to 1 prompt")
    stories.page.locator("select[name=run]").select_option("all")
    _status(stories, "11 responses and 1 pair to 2 prompts")
    stories.page.get_by_label("Search").fill("three four")
    stories.page.get_by_label("Near-duplicates only").check()
    _status(stories, "2 responses to 1 prompt")
    marks = stories.page.locator(".near").all_inner_texts()
    assert marks == ["\u2248 repeated by 1", "\u2248 nearly sample 0"]
    stories.page.get_by_label("Near-duplicates only").uncheck()
    stories.page.get_by_label("Search").fill("lion")
    _status(stories, "1 pair to 1 prompt")
    first, second = (stories.page.locator(f".pair .{side}").bounding_box() for side in ("chosen", "rejected"))
    assert first is not None
    assert second is not None
    assert (first["y"], first["x"] < second["x"]) == (second["y"], True)


def test_by_keyboard(stories: Visit) -> None:
    stories.page.get_by_label("Search").focus()
    stories.page.keyboard.type("Something")
    _status(stories, "2 responses to 1 prompt")
    stories.page.keyboard.press("Tab")
    stories.page.keyboard.press("ArrowDown")
    assert stories.page.evaluate("document.activeElement.selectedOptions[0].textContent") == "words"


def test_more_comes_with_a_click(write: Writer, tmp_path: Path, visit: Opener) -> None:
    many = [response(0, j) for j in range(60)]
    write_report([write("r.jsonl", [*(response(i, 0) for i in range(1, 45)), *many])], tmp_path / "r.html")
    seen = visit(tmp_path / "r.html")
    cards = seen.page.locator("#reader-list .side")
    assert cards.count() == 24
    seen.page.get_by_role("button", name="Show more (80 left)").click()
    assert cards.count() == 44
    seen.page.get_by_role("button", name="Show more (60 left)").click()
    assert cards.count() == 44 + 24
    assert seen.page.locator("#reader-more").is_hidden()
    seen.page.get_by_role("button", name="Show more to this prompt (36 left)").click()
    seen.page.get_by_role("button", name="Show more to this prompt (12 left)").click()
    assert cards.count() == 104
    assert seen.page.get_by_role("button", name="Show more").count() == 0


def test_hostile_text_does_nothing(hostile_files: list[Path], tmp_path: Path, visit: Opener) -> None:  # noqa: F811
    output = tmp_path / "hostile.html"
    write_report(hostile_files, output, HOSTILE, command=f"divtool report '{HOSTILE}'")
    seen = visit(output)
    title = seen.page.title()
    while seen.page.locator("#reader-more").is_visible():
        seen.page.locator("#reader-more").click()
    seen.page.get_by_label("Search").fill("<img src=x")
    _settled(seen)
    assert seen.page.locator("mark").count()
    assert seen.page.title() == title != "owned"
    assert seen.page.evaluate("document.scripts.length") == 2
    assert seen.page.locator("img, iframe, object, embed, link, base, [onload], [onerror]").count() == 0
    assert seen.page.locator("a:not([href^='#']):not([href^='data:text/csv'])").count() == 0
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 1440
    assert seen.faults == []


def test_no_other_script_can_run(stories: Visit) -> None:
    """Were a way into the page found, its policy would still stop the script."""
    stories.page.evaluate("""() => {
      const script = document.createElement("script");
      script.textContent = "document.title = 'owned'";
      document.body.append(script);
      document.body.insertAdjacentHTML("beforeend", "<img src=x onerror=\\"document.title='owned'\\">");
    }""")
    stories.page.wait_for_timeout(200)
    assert stories.page.title() != "owned"
    assert any("Content Security Policy" in fault for fault in stories.faults)


WORDS = [
    "the",
    "a",
    "river",
    "house",
    "under",
    "mountain",
    "slowly",
    "light",
    "old",
    "found",
    "again",
    "where",
    "nobody",
    "stone",
    "grey",
    "walked",
    "into",
]


def _timed(act: Callable[..., Visit], *given: Any) -> tuple[float, Visit]:
    """How many seconds it takes, and what it gives; the least of some says more of the page than of the machine."""
    began = time.monotonic()
    seen = act(*given)
    return time.monotonic() - began, seen


def _search(seen: Visit, text: str) -> Visit:
    seen.page.get_by_label("Search").fill(text)
    _settled(seen)
    return seen


def test_a_hundred_thousand_responses(tmp_path: Path, visit: Opener) -> None:
    source, output = tmp_path / "many.jsonl", tmp_path / "many.html"
    with source.open("w", encoding="utf-8") as file:
        for i in range(100_000):
            text = " ".join(WORDS[(i * k * k + k) % len(WORDS)] for k in range(1, 120))
            record: dict[str, Any] = response(i // 10, i % 10, run=f"run {i % 2}", text=f"{i} {text} \u00e9<b>")
            file.write(json.dumps(record) + "\n")
    write_report([source], output)
    assert output.stat().st_size < 20_000_000
    opened, seen = min((_timed(visit, output) for _ in range(3)), key=lambda timed: timed[0])
    assert opened < 3, f"{opened:.1f} s"
    lead = seen.page.locator("#responses .lead").inner_text()
    assert "A sample, so that the page stays small" in lead
    assert "of 100,000 responses" in lead
    shown = int(seen.page.locator("#reader-status").inner_text().split()[0].replace(",", ""))
    assert 5_000 < shown < 100_000
    found = min(_timed(_search, seen, text)[0] for text in ("99", "98", "97"))
    assert found < 2, f"{found:.1f} s"
    assert seen.page.locator("mark").count() > 0
    assert seen.faults == []
