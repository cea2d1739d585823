"""Made runs that say how to read a number."""

from __future__ import annotations

import random
from typing import Any

import pytest

from divtool.core.draws import generator
from divtool.core.evaluation import references
from divtool.core.evaluation.references import identical, unrelated
from divtool.core.evaluation.runs import Run
from divtool.core.jsonl import Record


def _run(seed: int, prompts: int = 40) -> Run:
    """Prompts in no order, with one to five responses; some have no usable one."""
    draw = random.Random(seed)
    names = draw.sample(range(1000), prompts)
    found: dict[str, list[Record]] = {
        f"p{name}": [{"prompt_id": f"p{name}", "ok": draw.random() < 0.6} for _ in range(draw.randint(1, 5))]
        for name in names
    }
    return Run("r", "m", found)


def _usable(record: Record) -> bool:
    return bool(record["ok"])


def _plainly(run: Run, seed: int) -> dict[str, list[Record]]:
    """As the documentation says it, a list of all other prompts for each."""
    pools = {p: [record for record in records if _usable(record)] for p, records in run.responses.items()}
    found = {}
    for prompt_id, records in run.responses.items():
        others = [p for p in sorted(pools) if pools[p] and p != prompt_id]
        numbers = generator(seed, "unrelated", prompt_id)
        drawn = [others[place] for place in numbers.permutation(len(others))[: len(records)]]
        found[prompt_id] = [pools[p][numbers.integers(len(pools[p]))] for p in drawn]
    return found


@pytest.mark.parametrize("seed", range(5))
def test_unrelated_responses_are_drawn_as_documented(seed: int) -> None:
    run = _run(seed)
    made = unrelated(run, _usable, seed)
    expected = _plainly(run, seed)
    assert list(made.responses) == list(expected)
    for prompt_id, records in made.responses.items():
        assert [id(record) for record in records] == [id(record) for record in expected[prompt_id]]


@pytest.mark.parametrize("most", [0, 10_000])
@pytest.mark.parametrize("seed", range(5))
def test_unrelated_responses_answer_other_prompts_each_another(
    seed: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "_MANY", most)
    run = _run(seed)
    made = unrelated(run, _usable, seed).responses
    assert made.keys() == run.responses.keys()
    for prompt_id, records in made.items():
        asked = [record["prompt_id"] for record in records]
        assert len(asked) == len(run.responses[prompt_id])
        assert len(set(asked)) == len(asked)
        assert prompt_id not in asked
        assert all(map(_usable, records))
    assert made == unrelated(run, _usable, seed).responses != unrelated(run, _usable, seed + 1).responses


@pytest.mark.parametrize("most", [0, 10_000])
def test_every_other_prompt_is_drawn_as_often(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "_MANY", most)
    records: dict[str, list[Any]] = {f"p{n}": [{"prompt_id": f"p{n}", "ok": True}] * 2 for n in range(6)}
    counts = dict.fromkeys((f"p{n}" for n in range(1, 6)), 0)
    for seed in range(2000):
        for record in unrelated(Run("r", "m", records), _usable, seed).responses["p0"]:
            counts[record["prompt_id"]] += 1
    # 2 of 5 each time: 800 on average, with a standard deviation of 22.
    assert all(690 < count < 910 for count in counts.values()), counts


@pytest.mark.parametrize("most", [0, 10_000])
def test_with_fewer_other_prompts_there_are_fewer(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "_MANY", most)
    records: dict[str, list[Any]] = {p: [{"prompt_id": p, "ok": p != "c"}] * 4 for p in "abc"}
    made = unrelated(Run("r", "m", records), _usable, 0).responses
    assert {p: [record["prompt_id"] for record in made[p]] for p in "ab"} == {
        "a": ["b"], "b": ["a"],
    }  # fmt: skip
    assert sorted(record["prompt_id"] for record in made["c"]) == ["a", "b"]
    alone = Run("r", "m", {"a": [{"prompt_id": "a", "ok": True}] * 3})
    assert unrelated(alone, _usable, 0).responses == {"a": []}


def test_identical_responses_are_the_first_usable_one() -> None:
    records = {"a": [{"ok": False, "n": 0}, {"ok": True, "n": 1}, {"ok": True, "n": 2}], "b": [{"ok": False, "n": 3}]}
    made = identical(Run("r", "m", records), _usable).responses
    assert made == {"a": [{"ok": True, "n": 1}] * 3}
