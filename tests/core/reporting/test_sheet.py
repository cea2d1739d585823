from __future__ import annotations

import base64
import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

from divtool.core.reporting import blocks
from divtool.core.reporting.blocks import Drawer, Figure
from divtool.core.reporting.line_charts import Line, lines
from divtool.core.reporting.load import load
from divtool.core.reporting.page import render, sections_of
from divtool.core.reporting.sheet import Sheet, file_stem

from .audits import NUMBERS, asked, choices, distribution_log, exact, law, paired, sweep
from .conftest import Writer, evaluation, unit_values


def read(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_numbers_keep_every_digit() -> None:
    rows = [(0.1 + 0.2, -0.5, 3, None), (np.float64(1e-9), -0.0, 2.0, 1.0)]
    assert read(Sheet(("a", "b", "c", "d"), rows).to_csv())[1:] == [
        ["0.30000000000000004", "-0.5", "3", ""], ["1e-09", "0", "2", "1"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["=1+1", "+1+1", "-2+3+cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "  =1", "\n=1", "\uff1d1", "\u200b=1", "-x"]
)
def test_no_text_is_a_formula(text: str) -> None:
    head, row = read(Sheet((text,), [(text,)]).to_csv())
    assert head[0].startswith("'")
    assert row[0] == "'" + text


def test_other_text_is_as_it_was() -> None:
    texts = ["-0.5", "+3", "1e-5", 'a "b", c', "two\nlines", "\u03c1 \u2013 \u6f22", "a=b"]
    assert read(Sheet(("x",), [(text,) for text in texts]).to_csv())[1:] == [[text] for text in texts]


def test_bytes_are_what_a_spreadsheet_reads() -> None:
    assert Sheet(("a", "b"), [("x", 1), ("y", 2)]).to_csv(1) == b"\xef\xbb\xbfa,b\r\nx,1\r\n"


def test_names_of_files_are_harmless() -> None:
    assert file_stem("../../etc/\x00PASSWD <b>") == "etc-passwd-b"
    assert file_stem("\u6f22") == "picture"


@pytest.fixture
def figures(stage_files: list[Path], write: Writer) -> list[Figure]:
    weekday = exact(asked(), law(7, 0.8, 2.0)) | {"decoders": sweep()}
    audits = [*choices(), weekday, paired(asked(NUMBERS, task="number"), law(100, 0.9), law(100, 0.5, 3.0))]
    more = [
        write("audits.jsonl", audits), write("fit.jsonl", distribution_log()), write("units.jsonl", unit_values()),
        write("measures2.jsonl", evaluation("persona")),
    ]  # fmt: skip
    found = sections_of(load([*stage_files, *more]))
    return [f for s in found for f in (*s.figures, *(g for folder in s.folders for g in folder.figures))]


def test_every_picture_brings_its_data(figures: list[Figure]) -> None:
    assert len(figures) > 20
    assert len({figure.file for figure in figures}) == len(figures)
    for figure in figures:
        head, *rows = read(base64.b64decode(figure.download.partition(",")[2]))
        assert rows, figure.title
        assert len(set(head)) == len(head), figure.title
        assert all(len(row) == len(head) for row in rows)
        assert all(head)
        assert not {"nan", "inf"} & {cell for row in rows for cell in row}


def test_the_data_are_those_of_the_records(write: Writer) -> None:
    values = unit_values(value=0.123456789012345, baseline_value=0.1)
    found = sections_of(load([write("units.jsonl", values)]))
    sheet = next(section for section in found if section.id == "prompts").figures[0].sheet
    assert sheet.rows[3][:3] == ("tuned", "p3", 0.123456789012345 - 0.1)


def test_the_page_links_them(stage_files: list[Path]) -> None:
    html = render(load(stage_files))
    links = re.findall(r'<a download="([\w-]+\.csv)" href="data:text/csv;charset=utf-8;base64,([A-Za-z0-9+/=]+)"', html)
    assert len(links) == html.count("<figure>")
    assert b"stage,unit,entered,kept\r\nclean,responses,100,80" in b"".join(base64.b64decode(data) for _, data in links)


def test_long_data_are_cut_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line("a", [(float(i), 0.5) for i in range(6_000)])
    draw = Drawer()
    figure = draw.figure(lines([line], "x"), "Many", "Many points.")
    assert len(read(base64.b64decode(figure.download.partition(",")[2]))) == 5_001
    assert "first 5,000 of 6,000 rows" in figure.download_note
    assert len(read(figure.sheet.to_csv())) == 6_001
    assert len(json.dumps(figure.svg)) < 10_000
    monkeypatch.setattr(draw, "_left", 100)
    figure = draw.figure(lines([line], "x"), "Many", "Many points.")
    assert figure.download == ""
    assert "--pictures" in figure.download_note
    assert blocks._SHEET_CHARACTERS < 10_000_000
