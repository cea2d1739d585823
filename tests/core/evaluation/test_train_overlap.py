"""Training prompts that an evaluation asks as well."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import orjson
import pytest

from divtool.core.errors import InputError
from divtool.core.evaluation.overlap import check_overlap, evaluation_prompts, find_overlap, normalised
from divtool.core.evaluation.runs import Run, SamplePlan
from divtool.core.evaluation.tasks.novelty import NOVELTY_BENCH
from divtool.core.evaluation.tasks.pool import POOL
from divtool.core.evaluation.tasks.story import STORY
from divtool.core.sampling.prompt_sets import builtin_rows

_STORY = evaluation_prompts([STORY], SamplePlan(), [])


def _chat(*turns: str, system: str = "") -> list[dict[str, str]]:
    own = [{"role": "user", "content": turn} for turn in turns]
    return [{"role": "system", "content": system}, *own] if system else own


def _file(path: Path, *prompts: Any) -> str:
    path.write_bytes(b"".join(orjson.dumps({"prompt": prompt, "chosen": "x"}) + b"\n" for prompt in prompts))
    return str(path)


def test_prompts_are_compared_in_a_normal_form() -> None:
    assert normalised("  Écrire\n\tune  HISTOIRE ") == normalised(
        _chat("E\u0301crire une", "histoire", system="Be brief.")
    )
    assert normalised("A story") != normalised("A story.")


@pytest.mark.parametrize(
    ("prompt", "what"),
    [
        (_STORY["story-eval-03"]["prompt"], "story-eval-03"),
        (_chat(f" {_STORY['story-eval-03']['prompt'].upper()} ", system="You are a writer."), "story-eval-03"),
        ("Years went by. In one WEEK they embarked.", "year-week-embark"),  # in any inflection and order
        ("Every year and every week", None),  # two of three
        ("In the yearbook, a weekend to disembark", None),  # words, not their parts
        (_chat("hello", system=_STORY["story-eval-03"]["prompt"]), None),  # the user did not ask it
    ],
)
def test_what_counts_as_an_evaluation_prompt(tmp_path: Path, prompt: Any, what: str | None) -> None:
    found = find_overlap(_file(tmp_path / "t.jsonl", "Something else", prompt), _STORY)
    assert found.found == ([("line 2", what)] if what else [])
    assert (found.lines, found.read) == (int(what is not None), 2)


def test_bad_lines_are_left_out_where_asked(tmp_path: Path) -> None:
    path = Path(_file(tmp_path / "t.jsonl", "x", 3, _STORY["story-eval-03"]["prompt"]))
    with pytest.raises(InputError, match=r"t\.jsonl:2"):
        find_overlap(str(path), _STORY)
    found = find_overlap(str(path), _STORY, skip_bad=True)
    assert (found.found, found.read, found.skipped) == ([("line 3", "story-eval-03")], 2, 1)


def test_our_own_training_sets_hold_nothing_of_the_evaluation(tmp_path: Path) -> None:
    prompts = [row.data["prompt"] for name in ("story-triplets", "scenes") for row in builtin_rows(name, 100, 0)]
    assert find_overlap(_file(tmp_path / "t.jsonl", *prompts), _STORY).lines == 0


def test_the_first_five_are_listed_each_once(tmp_path: Path) -> None:
    asked = [record["prompt"] for record in _STORY.values()][:7]
    path = _file(tmp_path / "t.jsonl", "x", *(prompt for prompt in asked for _ in range(3)))
    with pytest.raises(InputError, match="go on with --allow-overlap") as error:
        check_overlap(path, _STORY, None)
    listed = ", ".join(f"line {2 + 3 * n} (story-eval-0{n})" for n in range(5))
    assert (
        f"{path}: 21 of 22 training prompts are asked in the evaluation, or hold its words: {listed} and 2 more;"
        in str(error.value)
    )
    said: list[str] = []
    check_overlap(path, _STORY, said.append)
    assert len(said) == 1
    assert said[0].startswith(f"{path}: 21 of 22")
    check_overlap(_file(tmp_path / "u.jsonl", "x"), _STORY, None)


def test_evaluation_prompts_are_those_of_tasks_files_and_responses(tmp_path: Path) -> None:
    path = Path(_file(tmp_path / "p.jsonl", "One question?", "Another?"))
    run = Run("r", "m", {"mine": [{"prompt_id": "mine", "prompt": "My own"}]})
    found = evaluation_prompts([POOL, NOVELTY_BENCH], SamplePlan(prompt_file=path), [run])
    assert [record["prompt"] for record in found.values()] == ["My own", "One question?", "Another?"]
    assert list(evaluation_prompts([NOVELTY_BENCH], SamplePlan(), [])) == []
    assert find_overlap(_file(tmp_path / "t.jsonl", "my  own"), found).found == [("line 1", "mine")]


@pytest.mark.parametrize(("line", "fault"), [(b'{"text": "x"}', ":1: the key 'prompt'"), (b"[]", "not a JSON object")])
def test_a_record_without_a_prompt_is_named(tmp_path: Path, line: bytes, fault: str) -> None:
    (tmp_path / "t.jsonl").write_bytes(line + b"\n")
    with pytest.raises(InputError, match=fault):
        find_overlap(str(tmp_path / "t.jsonl"), _STORY)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        path = _file(tmp_path / f"{count}.jsonl", *(f"Prompt {n} of many words " * 20 for n in range(count)))
        tracemalloc.start()
        find_overlap(path, _STORY)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(2_000) < peak(200) + 100_000  # bytes; the file has 900 kB more
