"""`divtool eval` with several runs and tasks, with bounds, and in continuous integration."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest


def _write(path: Path, *, vocabulary: int = 60, prompts: int = 8, samples: int = 3, seed: int = 0, **more: Any) -> None:
    draw = random.Random(seed)
    with path.open("wb") as stream:
        for p in range(prompts):
            for i in range(samples):
                text = " ".join(f"w{draw.randrange(vocabulary)}" for _ in range(40))
                record = {"prompt": f"question {p}", "prompt_id": f"q{p}", "sample_index": i, "model": "made"}
                stream.write(orjson.dumps({**record, "response": text, **more}) + b"\n")


@pytest.fixture
def runs(tmp_path: Path) -> None:
    _write(tmp_path / "rich.jsonl")
    _write(tmp_path / "mid.jsonl", vocabulary=30, samples=4, seed=2, params={"temperature": 0.5})
    _write(tmp_path / "poor.jsonl", vocabulary=20, seed=1, params={"temperature": 1.0})


_POOL = ("--task", "pool", "--metrics", "distinct_1,self_bleu", "--truncate-words", "none")
_THREE = ("--run", "rich=rich.jsonl", "--run", "mid=mid.jsonl", "--baseline", "poor=poor.jsonl")


def _records(text: bytes) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in text.splitlines()]


def _cases(path: Path) -> dict[str, str]:
    """What each test case of a JUnit file says, by its name."""
    root = ElementTree.parse(path).getroot()
    cases = {str(case.get("name")): case[0].tag for case in root.iter("testcase")}
    assert int(str(root.get("tests"))) == len(cases)
    for tag, count in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert int(str(root.get(count))) == list(cases.values()).count(tag)
    return cases


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-", "--human", "-"), b"standard input can be read only once"),
        (("-", "--train-data", "-"), b"standard input can be read only once"),
        (("rich.jsonl", "--quality", ","), b"no measure of quality named"),
        (("rich.jsonl", "--quality", "scores.usable_rate"), b"usable_rate is computed in this call as well"),
        (("--run", "[human]=rich.jsonl"), b"names in brackets are those of rows for comparison"),
    ],
)
def test_what_contradicts_itself_ends_at_once(divtool: Any, runs: None, arguments: Any, message: bytes) -> None:
    done = divtool("eval", *_POOL, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_score_named_twice_is_one_row(divtool: Any, tmp_path: Path) -> None:
    _write(tmp_path / "scored.jsonl", scores={"fluency": 2.0})
    done = divtool("eval", "scored.jsonl", *_POOL, "--quality", "scores.fluency,scores.fluency")
    assert done.returncode == 0, done.stderr
    assert [record["metric"] for record in _records(done.stdout)].count("fluency") == 1


def test_a_baseline_of_one_response_a_prompt_is_told_of(divtool: Any, runs: None, tmp_path: Path) -> None:
    _write(tmp_path / "lone.jsonl", samples=1)
    done = divtool("eval", "rich.jsonl", "--baseline", "lone.jsonl", *_POOL)
    assert done.returncode == 1
    assert b"lone.jsonl: one response a prompt has no diversity" in done.stderr


def test_a_file_without_the_prompts_of_a_model_is_told_of_before_it_is_asked(
    divtool: Any, runs: None, tiny_model: str, tmp_path: Path
) -> None:
    given = ("--model", tiny_model, "--baseline", "rich.jsonl", "--task", "story", "--work", "work")
    done = divtool("eval", *given)
    assert done.returncode == 1
    assert b"rich.jsonl holds no responses to its prompts" in done.stderr
    assert not (tmp_path / "work").exists()


def test_runs_stand_side_by_side_with_the_verdicts_first(divtool: Any, runs: None) -> None:
    done = divtool("eval", *_THREE, *_POOL)
    assert done.returncode == 0, done.stderr
    records = _records(done.stdout)
    compared = [record for record in records if "delta" in record]
    assert {record["run"] for record in compared} == {"rich", "mid"}
    assert {record["baseline"] for record in compared} == {"poor"}
    heads = {record["run"]: record for record in compared if record["role"] == "headline"}
    assert {run: (head["verdict"], head["family_size"]) for run, head in heads.items()} == {
        "rich": ("more", 2),
        "mid": ("more", 2),
    }
    assert "decoding differs: temperature 0.5 against 1.0" in heads["mid"]["note"]
    assert "cut to the smaller number: 4 against 3" in heads["mid"]["note"]
    assert "decoding" not in heads["rich"]["note"]
    shown = done.stderr.decode()
    assert shown.index("more diverse") < shown.index("pool: value (delta against poor")
    assert [line.split()[:4] for line in shown.splitlines() if line.startswith("metric")] == [
        ["metric", "poor", "rich", "mid"]
    ]
    assert "warning: mid: decoding differs" in shown
    assert "\x1b" not in shown


def test_many_runs_get_a_line_each(divtool: Any, tmp_path: Path) -> None:
    for seed in range(7):
        _write(tmp_path / f"{seed}.jsonl", seed=seed)
    done = divtool("eval", *(part for n in range(7) for part in ("--run", f"r{n}={n}.jsonl")), *_POOL)
    assert done.returncode == 0, done.stderr
    assert b"\nrun  distinct_1" in done.stderr
    assert {record["run"] for record in _records(done.stdout)} >= {f"r{n}" for n in range(7)}


def test_bounds_that_are_met_exit_0(divtool: Any, runs: None, tmp_path: Path) -> None:
    bounds = ("--fail-under", "pool.distinct_1.delta_ci_low=0.05", "--fail-under", "pool.self_bleu=0.5")
    done = divtool("eval", *_THREE, *_POOL, *bounds, "--require", "not-worse", "--junit", "j.xml")
    assert done.returncode == 0, done.stderr
    assert _cases(tmp_path / "j.xml") == {
        f"{run}: {subject}": "system-out"
        for subject in ("distinct_1.delta_ci_low", "self_bleu", "usable_rate not worse")
        for run in ("rich", "mid")
    }


def test_a_missed_bound_exits_3_after_everything_is_written(divtool: Any, runs: None, tmp_path: Path) -> None:
    bound = ("--fail-under", "pool.distinct_1.delta=0.2")
    done = divtool("eval", *_THREE, *_POOL, *bound, "--junit", "j.xml", "-o", "m.jsonl")
    assert done.returncode == 3
    assert b"error: 1 missed: pool.distinct_1.delta of mid: 0.0802" in done.stderr
    assert len(_records((tmp_path / "m.jsonl").read_bytes())) >= 12
    cases = _cases(tmp_path / "j.xml")
    assert cases["mid: distinct_1.delta"] == "failure"
    assert cases["rich: distinct_1.delta"] == "system-out"
    failure = ElementTree.parse(tmp_path / "j.xml").getroot().find(".//failure")
    assert failure is not None
    assert failure.text is not None
    assert "asked for >= 0.2\ndistinct_1:" in failure.text
    assert "tokenizer word" in failure.text


def test_a_null_misses_its_bound(divtool: Any, tmp_path: Path) -> None:
    _write(tmp_path / "few.jsonl", prompts=4)
    given = ("eval", "few.jsonl", *_POOL, "--fail-under")
    assert divtool(*given, "pool.distinct_1=0.1").returncode == 0
    done = divtool(*given, "pool.distinct_1.ci_low=0.1")
    assert done.returncode == 3
    assert b"null, asked for >= 0.1, too few units (4 of 6)" in done.stderr


def test_quality_that_fell_is_not_let_through(divtool: Any, tmp_path: Path) -> None:
    """Every second answer empty is worse; one of many is undecided; the same is equivalent."""
    _write(tmp_path / "base.jsonl", samples=4)
    records = _records((tmp_path / "base.jsonl").read_bytes())
    for name, empty in (("worse", lambda n: n % 2), ("undecided", lambda n: n == 5), ("same", lambda n: False)):
        changed = [{**r, "response": "" if empty(n) else r["response"]} for n, r in enumerate(records)]
        (tmp_path / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(r) + b"\n" for r in changed))
    for name, status in (("worse", 3), ("undecided", 3), ("same", 0)):
        given = ("eval", f"{name}.jsonl", "--baseline", "base.jsonl", *_POOL, "--junit", "j.xml")
        assert divtool(*given).returncode == 0
        assert set(_cases(tmp_path / "j.xml").values()) == {"system-out"}
        done = divtool(*given, "--require", "not-worse")
        assert done.returncode == status, done.stderr
        verdict = "equivalent" if name == "same" else name
        rows = [r for r in _records(done.stdout) if r["metric"] == "usable_rate" and "delta" in r]
        assert [row["verdict"] for row in rows] == [verdict]
        assert (f"of {name}.jsonl: {verdict}: delta".encode() in done.stderr) == (status == 3)


def test_a_margin_of_the_user_decides(divtool: Any, tmp_path: Path) -> None:
    _write(tmp_path / "base.jsonl", samples=4)
    records = _records((tmp_path / "base.jsonl").read_bytes())
    changed = [{**r, "response": "" if r["sample_index"] == 0 else r["response"]} for r in records]
    (tmp_path / "run.jsonl").write_bytes(b"".join(orjson.dumps(r) + b"\n" for r in changed))
    given = ("eval", "run.jsonl", "--baseline", "base.jsonl", *_POOL, "--require", "not-worse")
    assert b"worse: delta -0.25" in divtool(*given).stderr
    done = divtool(*given, "--margin", "usable_rate=0.3")
    assert done.returncode == 0, done.stderr
    row = next(r for r in _records(done.stdout) if r["metric"] == "usable_rate" and "delta" in r)
    assert (row["margin"], row["verdict"]) == (0.3, "not worse")


def test_a_refused_task_is_skipped_and_the_others_are_measured(divtool: Any, runs: None, tmp_path: Path) -> None:
    done = divtool("eval", "rich.jsonl", *_POOL, "--task", "story,pool", "--junit", "j.xml")
    assert done.returncode == 0, done.stderr
    assert b"warning: task story left out: rich.jsonl holds no responses to its prompts" in done.stderr
    assert {record["task"] for record in _records(done.stdout)} == {"pool"}
    assert _cases(tmp_path / "j.xml") == {"task": "skipped"}
    done = divtool("eval", "rich.jsonl", *_POOL, "--task", "story,pool", "--fail-under", "story.distinct_1=0")
    assert done.returncode == 3
    assert b"story.distinct_1 of rich.jsonl: not measured" in done.stderr


def test_a_task_that_fails_is_an_error_and_the_others_are_written(divtool: Any, tmp_path: Path) -> None:
    _write(tmp_path / "one.jsonl", samples=1)
    _write(tmp_path / "story.jsonl", samples=2)
    story = [
        {**r, "prompt_id": f"story-eval-0{r['prompt_id'][1:]}"}
        for r in _records((tmp_path / "story.jsonl").read_bytes())
    ]
    lines = b"".join(orjson.dumps(record) + b"\n" for record in story[::2])
    (tmp_path / "one.jsonl").write_bytes(lines)
    (tmp_path / "both.jsonl").write_bytes((tmp_path / "story.jsonl").read_bytes() + lines)
    done = divtool("eval", "both.jsonl", *_POOL, "--task", "story,pool", "--junit", "j.xml", "-o", "m.jsonl")
    assert done.returncode == 1
    assert b"error: 1 of 2 tasks failed; task story: both.jsonl: one response a prompt" in done.stderr
    assert {record["task"] for record in _records((tmp_path / "m.jsonl").read_bytes())} == {"pool"}
    assert _cases(tmp_path / "j.xml") == {"task": "error"}
    done = divtool("eval", "one.jsonl", *_POOL, "--junit", "j.xml")
    assert done.returncode == 1
    assert b"sample with -n 2 or more" in done.stderr
    assert _cases(tmp_path / "j.xml") == {"task": "error"}


def test_a_run_against_itself_is_allowed_with_a_warning(divtool: Any, runs: None) -> None:
    done = divtool("eval", "--run", "a=rich.jsonl", "--baseline", "a", *_POOL)
    assert done.returncode == 0, done.stderr
    assert b"warning: a run compared with itself" in done.stderr
    rows = [record for record in _records(done.stdout) if "delta" in record]
    assert {record["metric"]: (record["delta"], record["p_value"], record["verdict"]) for record in rows} == {
        "distinct_1": (0, 1, "not shown"),
        "self_bleu": (0, 1, None),
        "usable_rate": (0, 1, "equivalent"),
        "words": (0, 1, None),
    }


def test_bad_lines_may_be_left_out(divtool: Any, runs: None, tmp_path: Path) -> None:
    with (tmp_path / "rich.jsonl").open("ab") as stream:
        stream.write(b"{broken\n")
    assert divtool("eval", "rich.jsonl", *_POOL).returncode == 1
    done = divtool("eval", "rich.jsonl", *_POOL, "--on-error", "skip")
    assert done.returncode == 0, done.stderr
    assert b"warning: rich.jsonl: 1 bad lines left out" in done.stderr
    assert all("1 bad lines left out" in r["note"] for r in _records(done.stdout) if r["role"] != "reference")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--run", "a=rich.jsonl", "--run", "a=mid.jsonl"), 2, "two runs are called 'a'"),
        (("--run", "a=rich.jsonl", "mid.jsonl"), 2, "give every run as a --run"),
        (("--run", "a=none.jsonl"), 1, "none.jsonl: no such file"),
        (("rich.jsonl", "--baseline", "none.jsonl"), 1, "none.jsonl: no such file"),
        (("rich.jsonl", "--adapter", "d"), 2, "--adapter needs a --model"),
        (("rich.jsonl", "--require", "not-worse"), 2, "--require not-worse needs a --baseline"),
        (("rich.jsonl", "--fail-under", "pool.distinct1=1"), 2, "did you mean 'distinct_1'?"),
        (("rich.jsonl", "--fail-under", "story.distinct_1=1"), 2, "unknown task of this call 'story'"),
        (("rich.jsonl", "--fail-under", "pool.distinct_1.delta=1"), 2, "needs a --baseline"),
        (("rich.jsonl", "--margin", "usable=1"), 2, "did you mean 'usable_rate'?"),
        (("rich.jsonl", "--margin", "usable_rate=0"), 2, "a number above 0"),
        (("rich.jsonl", "--vocab", "rich.jsonl"), 2, "--vocab needs --vectors FILE"),
        (("rich.jsonl", "--vectors", "rich.jsonl"), 2, "no task of this call rests on word vectors"),
        (("rich.jsonl", "--prompts", "rich.jsonl"), 2, "every task of this call has prompts of its own"),
        (("rich.jsonl", "--prefill", "on"), 2, "no task of this call has a fixed beginning"),
        (("rich.jsonl", "--junit", "rich.jsonl"), 2, "rich.jsonl is the input as well"),
        (("rich.jsonl", "-o", "x.xml", "--junit", "x.xml"), 2, "x.xml is named twice"),
        (("rich.jsonl", "--junit", "no/such/j.xml"), 1, "no/such/j.xml: cannot be written"),
        (("--run", "a=m@temprature=1"), 2, "did you mean 'temperature'?"),
        (("rich.jsonl", "--baseline", "poor.jsonl", "--sweep", "temperature=0.5,1"), 2, "poor.jsonl is a file"),
        (("rich.jsonl", "--baseline", "m", "--sweep", "heat=0.5,1"), 2, "unknown setting to sweep 'heat'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_wrong_use_is_one_line_before_anything_is_done(
    divtool: Any, runs: None, tmp_path: Path, arguments: tuple[str, ...], status: int, message: str
) -> None:
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    done = divtool("eval", *_POOL, *arguments)
    assert done.returncode == status, done.stderr
    assert message in " ".join(done.stderr.decode().split())
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_temperatures_of_one_model_in_one_call(divtool: Any, tiny_model: str, tmp_path: Path) -> None:
    given = ("--task", "story", "--preset", "quick", "--count", "3", "-n", "2", "--metrics", "distinct_1")
    runs = ("--run", f"cold={tiny_model}@temperature=0.2,max_new_tokens=24", "--baseline", "hot")
    hot = ("--run", f"hot={tiny_model}@temperature=1.5,max_new_tokens=24")
    done = divtool("eval", *runs, *hot, *given, "-o", "m.jsonl")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(b"parameters, cpu") == 1  # loaded once
    assert sorted(path.name for path in (tmp_path / "m.jsonl.work").glob("*.jsonl")) == [
        "story.cold.jsonl", "story.hot.jsonl",
    ]  # fmt: skip
    drawn = _records((tmp_path / "m.jsonl.work" / "story.cold.jsonl").read_bytes())
    assert {(r["params"]["temperature"], r["params"]["max_new_tokens"]) for r in drawn} == {(0.2, 24)}
    whole = (tmp_path / "m.jsonl").read_bytes()
    cut = tmp_path / "m.jsonl.work" / "story.cold.jsonl"
    cut.write_bytes(b"".join(cut.read_bytes().splitlines(keepends=True)[:3]))
    done = divtool("eval", *runs, *hot, *given, "-o", "m.jsonl", "--resume")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "m.jsonl").read_bytes() == whole


def test_a_sweep_leads_with_what_runs_add_to_the_curve(divtool: Any, tiny_model: str, tmp_path: Path) -> None:
    """The points are drawn once, measured and not judged; --resume draws nothing anew."""
    short = f"{tiny_model}@max_new_tokens=24"
    given = ("eval", "--run", f"other={short},seed=1", "--baseline", f"plain={short}", "--task", "story", "--no-guard")
    sizes = ("--preset", "quick", "--count", "7", "-n", "2", "--metrics", "distinct_1", "--seed", "3", "-o", "m.jsonl")
    swept = ("--sweep", "temperature=1.0,0.3", "--require", "not-worse", "--junit", "j.xml")
    bound = ("--fail-under", "story.diversity_at_matched_quality.ci_low=-1")
    done = divtool(*given, *sizes, *swept, *bound)
    assert done.returncode in (0, 3), done.stderr
    records = _records((tmp_path / "m.jsonl").read_bytes())
    points = [record for record in records if "setting" in record]
    assert {(r["run"], r["metric"], r["role"]) for r in points} == {
        (f"[temperature={value}]", metric, "reference")
        for value in ("0.3", "1.0")
        for metric in ("distinct_1", "usable_rate", "words")
    }
    values = {(record["run"], record["metric"]): record["value"] for record in records}
    assert values["[temperature=1.0]", "usable_rate"] == values["plain", "usable_rate"]
    heads = {record["run"]: record for record in records if record["role"] == "headline"}
    assert set(heads) == {"other", "plain"}
    assert heads["other"]["family_size"] == 1
    (matched,) = [record for record in records if record["role"] == "matched"]
    assert (matched["run"], matched["sweep"]) == ("other", {"temperature": [0.3, 1.0]})
    assert set(_cases(tmp_path / "j.xml")) == {
        "other: usable_rate not worse", "other: diversity_at_matched_quality.ci_low",
    }  # fmt: skip
    shown = done.stderr.decode()
    asked = "would another temperature of plain have done the same (0.3, 1.0)?"
    assert shown.index(asked) < shown.index("against plain")
    assert "of unrelated responses" in shown
    work = tmp_path / "m.jsonl.work"
    before = {path: path.read_bytes() for path in work.glob("*.jsonl")}
    assert {path.name for path in before} == {
        "story.plain.jsonl", "story.other.jsonl", "story.sweep-temperature-0.3.jsonl",
    }  # fmt: skip
    again = divtool(*given, *sizes, *swept, *bound, "--resume")
    assert again.stderr.count(b"0 responses, 0 tokens") == 3
    assert {path: path.read_bytes() for path in work.glob("*.jsonl")} == before
    assert _records((tmp_path / "m.jsonl").read_bytes()) == records
