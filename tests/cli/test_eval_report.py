"""`divtool eval --report` and `--unit-values`, and `divtool report` of what they write."""

from __future__ import annotations

import gzip
import random
import re
from pathlib import Path
from statistics import fmean
from typing import Any

import orjson
import pytest

_POOL = ("--task", "pool", "--metrics", "distinct_1,self_bleu", "--truncate-words", "none")


def _write(path: Path, vocabulary: int, *, usable: bool = True) -> None:
    draw = random.Random(vocabulary)
    with path.open("wb") as stream:
        for p in range(8):
            for i in range(3):
                text = " ".join(f"w{draw.randrange(vocabulary)}" for _ in range(40)) if usable else ""
                record = {"prompt": f"question {p}", "prompt_id": f"q{p}", "sample_index": i, "model": "made"}
                stream.write(orjson.dumps({**record, "response": text}) + b"\n")


@pytest.fixture
def runs(tmp_path: Path) -> None:
    _write(tmp_path / "rich.jsonl", 60)
    _write(tmp_path / "poor.jsonl", 20)


def _records(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def _body(path: Path) -> list[str]:
    """The pictures and examples of a page."""
    return re.findall(r"<figure>.*?</figure>|<article.*?</article>", path.read_text(), re.DOTALL)


def test_the_page_of_a_call_is_that_of_its_files(divtool: Any, runs: None, tmp_path: Path) -> None:
    given = ("--run", "rich=rich.jsonl", "--baseline", "poor=poor.jsonl", *_POOL)
    done = divtool("eval", *given, "-o", "m.jsonl", "--unit-values", "u.jsonl", "--report", "a.html")
    assert done.returncode == 0, done.stderr
    assert b"wrote a.html" in done.stderr
    text = (tmp_path / "a.html").read_text()
    assert 'id="plane"' in text
    assert 'id="prompts"' in text
    assert re.search(r"More diverse on pool .*distinct 1 \+0", text, re.DOTALL)
    assert "pool, best prompt: difference +" in text
    assert "divtool eval --run rich=rich.jsonl --baseline poor=poor.jsonl" in text
    done = divtool("report", "m.jsonl", "rich.jsonl", "poor.jsonl", "u.jsonl", "-o", "b.html")
    assert done.returncode == 0, done.stderr
    assert _body(tmp_path / "a.html") == _body(tmp_path / "b.html")
    done = divtool("report", "-o", "piped.html", stdin=(tmp_path / "m.jsonl").read_bytes())
    assert done.returncode == 0, done.stderr
    assert "More diverse on pool" in (tmp_path / "piped.html").read_text()


def test_measures_follow_from_the_values_by_unit(divtool: Any, runs: None, tmp_path: Path) -> None:
    done = divtool("eval", "rich.jsonl", "--baseline", "poor.jsonl", *_POOL, "-o", "m.jsonl", "--unit-values", "u.gz")
    assert done.returncode == 0, done.stderr
    (tmp_path / "u.jsonl").write_bytes(gzip.decompress((tmp_path / "u.gz").read_bytes()))
    units = _records(tmp_path / "u.jsonl")
    assert {unit["metric"] for unit in units} == {"distinct_1", "usable_rate", "words"}
    for row in _records(tmp_path / "m.jsonl"):
        own = [u for u in units if (u["run"], u["metric"], u["baseline"]) == (
            row["run"], row["metric"], row.get("baseline"))]  # fmt: skip
        if row["role"] not in {"headline", "quality", "length"}:
            assert not own
            continue
        assert [unit["unit_id"] for unit in own] == [f"q{p}" for p in range(8)]
        assert fmean(unit["value"] for unit in own) == pytest.approx(row["value"])
        if "delta" in row:
            assert fmean(u["value"] - u["baseline_value"] for u in own) == pytest.approx(row["delta"])


def test_a_run_without_anything_usable_shows_raw_responses(divtool: Any, runs: None, tmp_path: Path) -> None:
    _write(tmp_path / "empty.jsonl", 20, usable=False)
    given = ("--run", "empty=empty.jsonl", "--run", "rich=rich.jsonl", "--baseline", "poor=poor.jsonl", *_POOL)
    done = divtool("eval", *given, "-o", "m.jsonl", "--report", "a.html")
    assert done.returncode == 0, done.stderr
    assert "pool, empty: nothing usable; 3 responses as they are" in (tmp_path / "a.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--report", "absent/r.html"), 1, "absent/r.html: the folder absent does not exist"),
        (("--report", "rich.jsonl"), 2, "rich.jsonl is the input as well"),
        (("--report", "x", "--unit-values", "x"), 2, "x is named twice"),
        (("--unit-values", "m.jsonl"), 2, "m.jsonl is named twice"),
        (("--unit-values", "-"), 2, "only -o takes -"),
    ],
)
def test_places_are_looked_at_before_anything_is_measured(
    divtool: Any, runs: None, arguments: Any, status: int, message: str
) -> None:
    done = divtool("eval", "rich.jsonl", *_POOL, "-o", "m.jsonl", *arguments)
    assert done.returncode == status, done.stderr
    assert message in " ".join(done.stderr.decode().replace("│", " ").split())
