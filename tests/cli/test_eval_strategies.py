"""`divtool eval --strategy`: models that are asked in other ways than directly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

_ASKED = ("--task", "pool", "--prompts", "p.jsonl", "--preset", "quick", "--metrics", "distinct_1", "--no-guard")


def _records(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    names = ("a bird", "a tree", "a town", "a tool")
    path = tmp_path / "p.jsonl"
    path.write_bytes(b"".join(orjson.dumps({"prompt": f"Name {name}."}) + b"\n" for name in names))
    return path


def test_a_strategy_is_compared_with_another_of_the_same_model(
    divtool: Any, tiny_model: str, prompts: Path, tmp_path: Path
) -> None:
    runs = ("--run", f"turns={tiny_model}", "--baseline", f"plain={tiny_model}@strategy=direct")
    given = ("eval", *_ASKED, *runs, "-n", "3", "--strategy", "sequential", "-o", "m.jsonl")
    done = divtool(*given)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(b"parameters, cpu") == 1  # loaded once
    drawn = {name: _records(tmp_path / "m.jsonl.work" / f"pool.{name}.jsonl") for name in ("turns", "plain")}
    assert [(r["sample_index"], r["turn"]) for r in drawn["turns"][:4]] == [(0, 1), (0, 2), (0, 3), (0, 1)]
    assert [(r["sample_index"], r["turn"]) for r in drawn["plain"][:4]] == [(0, 1), (1, 1), (2, 1), (0, 1)]
    row = next(r for r in _records(tmp_path / "m.jsonl") if r["metric"] == "distinct_1" and r["run"] == "turns")
    assert (row["n_prompts"], row["n_responses"]) == (4, 12)
    assert "decoding differs: strategy sequential against direct" in row["note"]
    whole = (tmp_path / "m.jsonl").read_bytes()
    again = divtool(*given, "--resume")
    assert b"12 responses" not in again.stderr
    assert (tmp_path / "m.jsonl").read_bytes() == whole
    # The files say the same, where every turn is asked for.
    files = ("turns=m.jsonl.work/pool.turns.jsonl@strategy=sequential", "m.jsonl.work/pool.plain.jsonl")
    done = divtool(
        "eval", "--task", "pool", "--metrics", "distinct_1", "--run", files[0], "--baseline", f"plain={files[1]}"
    )
    assert done.returncode == 0, done.stderr
    other = next(r for r in map(orjson.loads, done.stdout.splitlines()) if r["metric"] == "distinct_1")
    assert (other["value"], other["baseline_value"]) == (row["value"], row["baseline_value"])


def test_another_strategy_draws_anew(divtool: Any, tiny_model: str, prompts: Path, tmp_path: Path) -> None:
    given = ("eval", *_ASKED, "--model", f"{tiny_model}", "-n", "2", "-o", "m.jsonl")
    assert divtool(*given, "--strategy", "persona").returncode == 0
    done = divtool(*given, "--strategy", "paraphrase", "--resume")
    assert done.returncode == 0, done.stderr
    assert b"drawn with another strategy; nothing of it is used" in done.stderr
    assert {r["params"]["strategy"] for r in _records(tmp_path / "m.jsonl.work" / "pool.run.jsonl")} == {"paraphrase"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("r.jsonl", "--strategy", "list"), "--strategy is how models are asked, and every run of this call is a file"),
        (("--model", "m", "--strategy", "lists"), "unknown strategy 'lists': did you mean 'list'?"),
        (("--run", "a=m@strategy=lists"), "unknown strategy 'lists': did you mean 'list'?"),
        (("r.jsonl", "--strategy", "list", "--engine", "ray"), "every run of this call is a file"),
    ],
)
def test_a_wrong_strategy_ends_at_once(divtool: Any, arguments: tuple[str, ...], message: str) -> None:
    done = divtool("eval", "--task", "pool", *arguments)
    assert done.returncode == 2
    assert done.stdout == b""
    assert message in done.stderr.decode()
    assert len(done.stderr.splitlines()) == 1


def test_lists_of_the_embedded_model(divtool: Any, prompts: Path, tmp_path: Path) -> None:
    runs = ("--run", "listed=smollm2-135m@strategy=list,max_new_tokens=48", "--baseline", "plain")
    plain = ("--run", "plain=smollm2-135m@max_new_tokens=12")
    done = divtool("eval", *_ASKED, *runs, *plain, "-n", "2", "-o", "m.jsonl")
    assert done.returncode == 0, done.stderr
    assert b"lists: " in done.stderr
    assert b"of 8 responses read (parse rate" in done.stderr
    drawn = _records(tmp_path / "m.jsonl.work" / "pool.listed.jsonl")
    assert 1 <= len(drawn) <= 8
    row = next(r for r in _records(tmp_path / "m.jsonl") if r["run"] == "listed")
    assert ("could not be read" in row["note"]) == (len(drawn) < 8)
    assert (row["params"]["strategy"], row["parse_rate"]) == ("list", len(drawn) / 8)
