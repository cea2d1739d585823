from __future__ import annotations

import hashlib
import io
import json
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from divtool import __version__
from divtool.cli.main import app
from divtool.core.provenance import account, portable_command
from divtool.core.reporting.load import Inputs, load
from divtool.core.reporting.page import sections_of
from divtool.core.reporting.provenance_section import provenance

from .audits import asked, exact, law
from .conftest import Writer, evaluation, measure, pair, response, selection


def told(inputs: Inputs, command: str = "") -> dict[str, str]:
    return dict(provenance(inputs, command).commands)


def facts(**changes: object) -> dict[str, object]:
    return {
        "format": "divtool-train", "method": "dpo", "settings": {}, "result": {}, "versions": {"torch": "9.9"},
        "command": "divtool train pairs.jsonl --method dpo -o adapter",
    } | changes  # fmt: skip


def test_a_command_loses_paths_and_secrets() -> None:
    made = portable_command("divtool eval /home/me/a.jsonl --judge https://me:pw@host/v1 --work=/tmp/x -o 'my file'")
    assert made == "divtool eval a.jsonl --judge https://host/v1 --work=x -o 'my file'"
    said = account("divtool score")
    assert said["divtool"] == said["versions"]["divtool"] == __version__
    assert said["command"] == "divtool score"


def test_files_have_size_and_hash(write: Writer) -> None:
    path = write("a.jsonl", [response(0, 0)])
    name, records, size, digest = provenance(load([path]), "").tables[0].rows[0]
    assert (name, records) == ("a.jsonl", "1 response")
    assert size == str(path.stat().st_size)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_stream_has_the_hash_of_what_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    content = json.dumps(response(0, 0)).encode() + b"\n"
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    assert provenance(load(["-"]), "").tables[0].rows[0][2:] == ("\u2013", hashlib.sha256(content).hexdigest())


def test_stated_commands_and_versions_come_first(write: Writer) -> None:
    command = "divtool select scored.jsonl --method diverse-ns-lite -o run/pairs.jsonl"
    report = selection() | {"command": command, "versions": {"divtool": "0.0.9", "numpy": "1.0"}}
    files = [write("train.json", [facts()]), write("pairs.jsonl", [pair(0)]), write("select.json", [report])]
    found = provenance(load(files), "divtool report /home/me/x.jsonl -o page.html")
    assert found.commands == [
        ("as select.json states it", command),  # the pairs are what it writes, and need no second command
        ("as train.json states it", "divtool train pairs.jsonl --method dpo -o adapter"),
        ("this page", "divtool report x.jsonl -o page.html"),
    ]
    table = found.tables[1]
    assert table.head == ("Package", "This page", "train.json", "select.json")
    cells = {row[0]: row[1:] for row in table.rows}
    assert cells["torch"] == ("\u2013", "9.9", "\u2013")
    assert cells["divtool"] == (__version__, "\u2013", "0.0.9")


def test_commands_are_made_again_from_records(write: Writer) -> None:
    drawn = [response(i, j) | {"model": "m+/home/me/dapter"} for i in range(2) for j in range(3)]
    scored = [response(0, 0, scores={"ttr": 0.5, "dd_ttr": 4.0}) | {"model": "other"}]
    files = [
        write("m.jsonl", evaluation()), write("r.jsonl", drawn), write("s.jsonl", scored), write("p.jsonl", [pair(0)]),
        write("a.jsonl", [exact(asked(), law(7, 0.9))]),
    ]  # fmt: skip
    assert [line for _, line in provenance(load(files), "").commands] == [
        "divtool sample PROMPTS --model m --adapter dapter -n 3 --temperature 1.0 --seed 0 -o r.jsonl",
        "divtool sample PROMPTS --model other -n 1 --temperature 1.0 --seed 0 -o RESPONSES",
        "divtool score RESPONSES --metrics ttr --deciles MAP -o s.jsonl",
        "divtool select SCORED --method diverse-ns-lite -o p.jsonl",
        "divtool eval RUN --task story --baseline BASELINE -o m.jsonl",
        "divtool random-audit --model tiny --task weekday --mode exact -o a.jsonl",
    ]


def test_commands_made_again_are_of_this_program(write: Writer) -> None:
    decoding = {"temperature": 1.0, "top_p": 0.9, "top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1}
    drawn = response(0, 0) | {"params": {**decoding, "max_new_tokens": 9, "strategy": "list"}}
    files = [write("r.jsonl", [drawn]), write("m.jsonl", [measure(), measure(run="b")]), write("p.jsonl", [pair(0)])]
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    lines = [shlex.split(line) for _, line in provenance(load(files), "").commands]
    assert len(lines) == 3
    for _, name, *words in lines:
        options = {option for parameter in known[name].params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= options


def test_nothing_from_a_file_acts_in_a_shell(write: Writer) -> None:
    evil = "divtool train x; rm -rf ~ $(id) `id` > /etc/passwd\n| sh"
    named = write("a\nrm -rf b.jsonl", [response(0, 0) | {"model": "$(id)\nrm -rf ~"}])
    found = told(load([write("t.json", [facts(command=evil)]), named]))
    for remark, line in found.items():
        assert "\n" not in remark
        assert shlex.split(line)[0] == "divtool"
    assert "divtool train 'x;' rm -rf '~' '$(id)' '`id`' '>' passwd '|' sh" in found.values()


@pytest.mark.parametrize("command", ["rm -rf /", "", 5, None, "divtool 'open", "sh divtool"])
def test_what_is_no_command_of_ours_is_not_told(command: object, write: Writer) -> None:
    assert told(load([write("t.json", [facts(command=command)])])) == {}


def test_numbers_of_the_page_are_defined_where_they_are_shown(write: Writer) -> None:
    def defined(*files: Path) -> dict[str, str]:
        found = next((s for s in sections_of(load(files)) if s.id == "definitions"), None)
        tables = [] if found is None else [t for t in found.tables if t.caption == "Of this page"]
        return dict(tables[0].rows) if tables else {}  # type: ignore[arg-type]

    measured = defined(write("m.jsonl", evaluation()))
    assert {"words", "p", "p adjusted", "[95 %]", "difference", "colours", "on the front"} <= measured.keys()
    assert "standard error" not in measured
    assert {"standard error", "gap", "words"} <= defined(write("p.jsonl", [pair(0), pair(1)])).keys()
    assert {"TV", "valid mass", "score, spread, format"} <= defined(
        write("a.jsonl", [exact(asked(), law(7, 0.9))])
    ).keys()
    assert "Diversity Decile" in defined(write("s.jsonl", [response(0, 0, scores={"dd_ttr": 4.0})]))
    assert defined(write("x.jsonl", [{"prompt": "x"}])) == {}
