"""`divtool eval` guards what a model must not lose: by itself between models, from files, and with bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import orjson

_SMALL = ("--task", "story", "--count", "6", "-n", "2", "--metrics", "distinct_1", "--truncate-words", "none")
_PARTS = ["nll", "mc", "format"]


def _records(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def _compared(path: Path) -> list[dict[str, Any]]:
    return [record for record in _records(path) if "delta" in record]


def test_it_joins_a_comparison_of_models_and_its_files_are_measured_again(
    divtool: Any, tiny_model: str, other_tiny_model: str, tmp_path: Path
) -> None:
    runs = ("--run", f"new={other_tiny_model}", "--run", f"hot={other_tiny_model}@temperature=1.4,max_new_tokens=24")
    done = divtool("eval", *runs, "--baseline", f"old={tiny_model}@max_new_tokens=24", *_SMALL, "-o", "m.jsonl")
    assert done.returncode == 0, done.stderr
    assert b"task guard added, as models are compared (--no-guard leaves it out)" in done.stderr
    assert b"warning: guard: new: nll worse, mc undecided" in done.stderr
    work = tmp_path / "m.jsonl.work"
    assert sorted(path.name for path in work.glob("guard.*.jsonl")) == ["guard.new.jsonl", "guard.old.jsonl"]
    said = orjson.loads((work / "eval.json").read_bytes())
    assert said["command"].startswith("divtool eval --run new=")
    assert said["versions"]["torch"]
    rows = [record for record in _compared(tmp_path / "m.jsonl") if record["task"] == "guard"]
    by_run = [{r["metric"]: (r["value"], r["delta"]) for r in rows if r["run"] == name} for name in ("new", "hot")]
    assert by_run[0] == by_run[1]  # decoding of its own
    assert {row.get("family_size") for row in rows} == {None}
    assert max(record["family_size"] for record in _records(tmp_path / "m.jsonl") if "family_size" in record) == 2

    files = ("--run", f"new={work}/guard.new.jsonl", "--baseline", f"old={work}/guard.old.jsonl")
    bounds = ("--fail-under", "guard.mc=0.9", "--fail-under", "guard.nll=50", "--require", "not-worse")
    again = divtool("eval", *files, "--task", "guard", *bounds, "--junit", "j.xml", "-o", "again.jsonl")
    assert again.returncode == 3
    assert b"guard.mc of new: 0." in again.stderr
    assert b"guard.nll not worse of new: worse: delta 0." in again.stderr
    assert b"quality" not in again.stderr  # no table of headlines
    new = [row for row in rows if row["run"] == "new"]
    assert _compared(tmp_path / "again.jsonl") == new
    cases = {case.get("name"): case[0].tag for case in ElementTree.parse(tmp_path / "j.xml").iter("testcase")}
    assert cases["new: mc"] == cases["new: nll not worse"] == "failure"
    assert cases["new: nll"] == "system-out"


def test_it_is_left_out_where_asked_and_runs_alone(divtool: Any, tiny_model: str, tmp_path: Path) -> None:
    other = tmp_path / "copy"
    other.symlink_to(tiny_model)
    given = ("eval", "--model", "copy", "--baseline", tiny_model, "--work", "w")
    for left_out, count in ((("--no-guard",), b"24 responses"), ((), b"380 responses")):
        assert count in divtool(*given, *_SMALL, "--preset", "quick", "--dry-run", *left_out).stderr
    alone = divtool(*given, "--task", "guard", "--no-guard", "--require", "not-worse", "-o", "g.jsonl")
    assert alone.returncode == 0, alone.stderr
    verdicts = {row["metric"]: row["verdict"] for row in _compared(tmp_path / "g.jsonl") if row["role"] == "guard"}
    assert verdicts == dict.fromkeys(_PARTS, "equivalent")

    path = tmp_path / "w" / "guard.run.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    resumed = divtool(*given, "--task", "guard", "--resume", "-o", "r.jsonl")
    assert resumed.returncode == 0, resumed.stderr
    assert (tmp_path / "r.jsonl").read_bytes() == (tmp_path / "g.jsonl").read_bytes()


def test_a_file_of_other_responses_holds_nothing_for_it(divtool: Any, tmp_path: Path) -> None:
    record = {"prompt": "a", "prompt_id": "a", "sample_index": 0, "model": "made", "response": "b"}
    (tmp_path / "r.jsonl").write_bytes(orjson.dumps(record) + b"\n")
    done = divtool("eval", "r.jsonl", "--task", "guard")
    assert done.returncode == 1
    assert b"no file holds responses to the prompts of these tasks" in b" ".join(done.stderr.split())
