"""What people see, on terminals wide and narrow, in files, without colour and without anything but ASCII."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from divtool.cli import console, listing, main, measure_table
from divtool.cli.cleaning import MOST, Guard, ascii_only, clean
from divtool.cli.layout import Column, lay_out
from divtool.cli.marks import Bar, Span, histogram
from divtool.core.metrics.distribution import Distributions

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class _Screen(io.TextIOWrapper):
    """Standard error that is a terminal, or is none."""

    def __init__(self, terminal: bool, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, errors="strict")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def said(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)  # type: ignore[attr-defined,no-any-return]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Callable[..., _Screen]:
    """Put a screen in the place of standard error: so many columns, None for a file."""

    def made(columns: int | None, encoding: str = "utf-8", **environment: str) -> _Screen:
        for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
            monkeypatch.delenv(name, raising=False)
        size = {"COLUMNS": str(columns), "LINES": "50"} if columns else {}
        for name, value in {"TERM": "xterm-256color", **size, **environment}.items():
            monkeypatch.setenv(name, value)
        stream = _Screen(columns is not None, encoding)
        monkeypatch.setattr(sys, "stderr", stream)
        console.stderr.cache_clear()
        return stream

    yield made
    console.stderr.cache_clear()


RUN, LONG_NAME = "smollm2-135m+a/long/way/to/the/adapter", "homogenization_rougel_trunc"


def measure(metric: str, value: float, delta: float, low: float, high: float, **own: Any) -> dict[str, Any]:
    return {
        "task": "story", "run": RUN, "metric": metric, "value": value, "baseline": "smollm2-135m", "role": "measure",
        "baseline_value": value - delta, "delta": delta, "delta_ci_low": low, "delta_ci_high": high, "p_value": 0.04,
        "verdict": "", "direction": "+", "note": "", "unit": "prompt", "ci_low": value - 0.1, "ci_high": value + 0.1,
        "p_adjusted": 0.08, "detectable_delta": 0.0421, "family_size": 2, "length_flag": True, "mean_words": 108.2,
        "baseline_mean_words": 93.4,
    } | own  # fmt: skip


MEASURES = [
    measure("semantic_distance", 0.6401, 0.1212, 0.0613, 0.1811, role="headline", verdict="more"),
    measure(LONG_NAME, 0.179, -0.0512, -0.0931, -0.0093, role="headline", verdict="less"),
    measure("words", 108.2, 14.5, -5.172, 33.425, role="length"),
    measure("usable_rate", 1.0, 0.0, 0.0, 0.0, role="quality", verdict="not worse", margin=0.1),
]


@pytest.mark.parametrize("columns", [40, 80, 120, 200, None])
def test_numbers_are_whole_and_lines_fit(screen: Any, columns: int | None) -> None:
    seen = screen(columns)
    measure_table.show([MEASURES])
    plain = ESCAPES.sub("", seen.said())
    for whole in ("0.121", "-0.0512", "14.5", "more diverse", "less", "108"):
        assert whole in plain
    tables = plain.split("\nfor comparison")[0].split("\nwarning: ")[0].splitlines()
    assert max(map(len, tables)) <= (columns or 1000)
    assert not columns or columns >= 120 or "no room for: " in plain
    if columns is None:
        assert LONG_NAME in plain
        assert "…" not in plain
        assert seen.said() == plain
        assert not [line for line in plain.splitlines() if line != line.rstrip()]
    if columns == 40:
        assert re.search(r"homogen\w+…\w+trunc ", plain)


def test_the_interval_is_drawn_on_its_side_of_zero(screen: Any) -> None:
    seen = screen(None)
    measure_table.show([MEASURES])
    rows = {line.split()[0]: line for line in seen.said().splitlines() if "[" in line and "story" not in line}
    assert re.search(r"0\.121 +│ +─+●─+ +\[0\.061, 0\.181\]", rows["semantic_distance"])
    assert re.search(r"-0\.0512 +─+●─+ *│ +\[", rows[LONG_NAME])
    assert re.search(r"14\.5 +─+┼─+●─+ +\[", rows["words"])


@pytest.mark.parametrize(
    ("environment", "colour", "style"), [({}, 1, 1), ({"NO_COLOR": "1"}, 0, 1), ({"TERM": "dumb"}, 0, 0)]
)
def test_colour_can_be_left_out(screen: Any, environment: dict[str, str], colour: bool, style: bool) -> None:
    seen = screen(80, **environment)
    console.table("Audit", ("check", "verdict"), [("length", "pass"), ("pairs", "fail")])
    console.warn("w")
    said = seen.said()
    # Names of the terminal's own colours: they suit a dark one and a light one.
    assert set(re.findall(r"\x1b\[(?:[0-9];)*([34][0-9][0-9;]*)m", said)) == ({"31", "32", "33"} if colour else set())
    assert ("\x1b[" in said) == bool(style)
    assert "pass" in said
    assert "fail" in said


def test_a_file_has_colour_where_it_is_forced(screen: Any) -> None:
    seen = screen(None, FORCE_COLOR="1")
    console.table("Audit", ("check", "verdict"), [("length" * 30, "pass")])
    assert "\x1b[32mpass" in seen.said()
    assert "length" * 30 in seen.said()


@pytest.mark.parametrize("columns", [40, 80, None])
def test_ascii_is_enough(screen: Any, columns: int | None) -> None:
    seen = screen(columns, encoding="ascii")
    measure_table.show([MEASURES])
    rows = [("ä–中", Bar(0.5, 0.75), "20 ± 3"), ("b", Bar(1.0), "↯")]
    console.table("Größe …", ("option", "p", "x"), rows)
    console.note("— “quoted” ×2 " + histogram([0, 1, 9]))
    said = ESCAPES.sub("", seen.said())
    bars = [line.count("#") for line in said.splitlines() if "#" in line][:2]
    assert abs(bars[0] * 2 - bars[1]) <= 1
    assert "\\xe4-\\u4e2d" in said
    assert '- "quoted" x2 .:#' in said
    assert "20 +- 3" in said


@pytest.mark.parametrize("width", [9, 24, 40])
def test_bars_are_proportionate(width: int) -> None:
    room = width - 1
    for share in (0.0, 0.1, 0.25, 0.5, 0.99, 1.0):
        drawn = Bar(share).draw(width)
        eighths = 8 * drawn.count("█") + sum(" ▏▎▍▌▋▊▉".index(c) for c in drawn if c != "█")
        assert abs(eighths - share * room * 8) <= 0.5
        for target in (0.0, 0.5, 1.0):
            assert Bar(share, target).draw(width).index("│") == round(target * room)
    assert Bar(1e-9).draw(width) == "▏"
    assert Bar(7.0, 9.0).draw(width) == "█" * room + "│"


def test_spans_keep_their_side_of_the_mark() -> None:
    assert Span.around_zero(1e-6, 0.5, 1.0).draw(21) == " " * 10 + "│" + "────●─────"
    assert Span.around_zero(-1.0, -0.5, -1e-6).draw(22) == "─────●────│"
    assert Span.around_zero(-1.0, 0.0, 1.0).draw(11) == "─────●─────"
    assert Span(0.25, 0.5, 0.75, 0.0, (0.0, 1.0)).draw(9) == "│ ──●──"


def test_histograms_show_what_is_there() -> None:
    assert histogram([0, 1, 50, 100]) == "·▁▅█"
    assert histogram([]) == ""


def test_wide_characters_keep_the_columns(screen: Any) -> None:
    seen = screen(40)
    console.table("t", ("name", "n"), [("中文" * 30, 1), ("a", 22)])
    one, other = ESCAPES.sub("", seen.said()).splitlines()[3:5]
    assert "…" in one
    assert one.endswith(" 1")
    assert other == "a" + " " * (len(other) - 3) + "22"
    assert sum(2 if c > "\u2fff" else 1 for c in one) == len(other) <= 40


def test_columns_give_way_in_order_and_rows_are_stacked_at_last() -> None:
    columns = [Column("name"), Column("a", drop=1), Column("b", drop=2), Column("words", kind="words")]
    rows = [["n" * 30, "1111111111", "2222222222", "some words to wrap"]]
    assert lay_out(columns, rows, 80).left_out == []
    assert lay_out(columns, rows, 50).left_out == ["b"]
    assert lay_out(columns, rows, 35).left_out == ["b", "a"]
    stacked = lay_out([Column(name) for name in "abc"], [["x", "1" * 20, "2" * 20]], 30)
    assert [line[0].split()[0] for line in stacked.rows] == ["x", "b", "c"]
    assert stacked.rows[1][1] == "1" * 20


def test_clean_text() -> None:
    assert clean("a\x1b[31m\x9b\u202e\ud800\x7fb") == "a\\x1b[31m\\x9b\\u202e\\ud800\\x7fb"
    assert clean(" a\r\n\t b\u2028c\u3000d ") == "a b c d"
    assert clean("naïve 中文 🙂 [red] %s {0}") == "naïve 中文 🙂 [red] %s {0}"
    assert len(clean("x" * 10**6)) == MOST
    assert clean("start" + "x" * 10**6 + "end")[-3:] == "end"
    assert ascii_only("▁█…") == ".#~"


def test_libraries_are_cleaned_too(screen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = screen(None)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setattr(logging, "lastResort", logging.lastResort)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own
    main._guard()
    warnings.warn("a\x1b]0;t\x07\nerror: fake", stacklevel=1)
    logging.getLogger("some.library").warning("b \x9b %s", "\u202e")
    sys.stderr.write("c\x1b[2J\rd\te\n")
    sys.stderr.writelines(["\rbar 1/2\r", "\x1b[A", "\x1b[A\x1b[31mf\n"])
    console.note("g")
    assert seen.said() == (
        "warning: a\\x1b]0;t\\x07 error: fake\nwarning: b \\x9b \\u202e\nc\\x1b[2J\\rd\te\n"
        "\rbar 1/2\r\x1b[A\\x1b[A\\x1b[31mf\ng\n"
    )
    assert isinstance(sys.stderr, Guard)


def test_the_error_of_a_wrong_command_line_is_one_line(divtool: Any) -> None:
    done = divtool("sample", "--nope")
    assert (done.returncode, done.stdout) == (2, b"")
    assert re.fullmatch(rb"error: No such option: --nope .*; see \S.* sample --help\n", done.stderr)
    assert divtool().returncode == 2


def test_scores_are_summed_up(divtool: Any, tmp_path: Path) -> None:
    texts = ["one two three four. " * (1 + n) for n in range(40)]
    rows = [
        {"prompt_id": f"p{n // 4}", "prompt": "a", "response": text, "sample_index": n % 4, "turn": 1}
        for n, text in enumerate(texts)
    ]
    (tmp_path / "r.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    done = divtool("score", "r.jsonl", "--metrics", "words,ttr,mtld", "--summary", "-o", "s.jsonl")
    assert done.returncode == 0
    lines = {line.split()[0]: line.split() for line in done.stderr.decode().splitlines() if line}
    assert lines["words"] == [
        "words",
        "0",
        "0",
        "82.0",
        "46.8",
        "4.00",
        "43.0",
        "82.0",
        "121",
        "160",
        "█" * 10,
        "–",
        "length",
        "itself",
    ]
    assert lines["ttr"][2:5] + lines["ttr"][-2:] == ["0", "0.107", "0.173", "-1.00", "short"]
    whole = done.stderr.split(b"Scores of 40 responses")[1]
    again = divtool("score", "r.jsonl", "--metrics", "words,ttr,mtld", "--summary", "-o", "s.jsonl", "--resume")
    assert again.stderr.split(b"Scores of 40 responses")[1] == whole


def test_distributions_of_nothing_and_of_huge_numbers() -> None:
    found = Distributions(["a", "b", "c"])
    group = [{"prompt_id": "p", "response": "w", "scores": {"a": None, "b": 1e308, "c": n}} for n in (1e308, 1.5e308)]
    found.add(group)
    empty, equal, huge = found.report()
    assert (empty.n, empty.missing, empty.mean, empty.quantiles, empty.counts) == (0, 2, None, None, ())
    assert (equal.sd, equal.counts) == (0.0, (2,))
    assert (huge.mean, huge.counts[0], huge.counts[-1]) == (pytest.approx(1.25e308), 1, 1)
    assert huge.follows == "too few values"


def test_lists_on_a_terminal_and_in_ascii(screen: Any, divtool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = _Screen(True, "utf-8")
    screen(40)
    monkeypatch.setattr(sys, "stdout", shown)
    console.stdout.cache_clear()
    listing.methods()
    console.stdout.cache_clear()
    lines = ESCAPES.sub("", shown.said()).splitlines()
    assert "diverse-ns-lite" in lines
    assert "  commands  select, train" in lines
    assert max(map(len, lines)) <= 40
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = divtool("tasks", "--export", "countries/africa")
    assert done.returncode == 0
    assert "Côte d'Ivoire" in done.stdout.decode()
