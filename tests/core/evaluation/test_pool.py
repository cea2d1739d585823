from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from divtool.core.errors import UsageError
from divtool.core.evaluation.runs import SamplePlan
from divtool.core.evaluation.task_options import TaskOptions
from divtool.core.evaluation.tasks.pool import POOL, following, usable
from divtool.core.evaluation.tasks.story import STORY
from divtool.core.sampling.backend import Decoding
from divtool.core.sampling.prompt_sets import builtin_rows

VARIED = " ".join(f"w{n}" for n in range(30))


@pytest.mark.parametrize("text", ["Yes.", "na na na na na na na na na", VARIED, "猫"])
def test_usable(text: str) -> None:
    assert usable({"response": text})
    assert usable({"response": text, "finish_reason": "length"})


@pytest.mark.parametrize("text", ["", "  ", "...!", "one two three four " * 5])
def test_not_usable(text: str) -> None:
    assert not usable({"response": text})


def test_it_has_nothing_to_ask_a_model() -> None:
    with pytest.raises(UsageError, match="task pool has no prompts of its own: name a file of them with --prompts"):
        POOL.prompts()


def _prompts(path: Path, count: int) -> Path:
    path.write_bytes(b"".join(orjson.dumps({"prompt": f"Write about {n}."}) + b"\n" for n in range(count)))
    return path


@pytest.mark.parametrize("preset", ["standard", "paper"])
def test_protocol_asks_a_file_as_published(tmp_path: Path, preset: str) -> None:
    task = following("2503.17126", from_file=True)
    plan = SamplePlan(preset=preset, prompt_file=_prompts(tmp_path / "p.jsonl", 1_003))
    assert len(plan.rows(task)) == 1_000
    options = plan.options(task)
    assert (options.samples, options.prefill) == (4, "")
    assert options.decoding == Decoding(1.0, 0.95, 50, 0.0, 2_048, 1.1)
    assert options.decoding.params("direct")["repetition_penalty"] == 1.1


@pytest.mark.parametrize("preset", [None, "quick"])
def test_quick_form_asks_built_in_stories(preset: Any) -> None:
    task = following("2503.17126", from_file=False)
    plan = SamplePlan(preset=preset)
    assert [row.data for row in plan.rows(task)] == [row.data for row in builtin_rows("story-eval", 20, 0)]
    assert plan.options(task).samples == 4
    assert plan.options(task).decoding == Decoding(1.0, 0.95, 50, 0.0, 128, 1.1)
    assert "not comparable" in task.note


def test_protocol_takes_the_place_of_the_pool_alone() -> None:
    chosen = TaskOptions(protocol="2503.17126").settled([STORY, POOL], None, draws=True)
    assert [task.name for task in chosen] == ["story", "pool"]
    assert chosen[0] is STORY
    assert set(chosen[1].metrics) == {
        "semantic_distance", "style_distance", "set_compression_ratio", "homogenization_rougel", "ngram_diversity",
        "unique_share",
    }  # fmt: skip
    assert TaskOptions().settled([POOL], "paper", draws=True) == [POOL]


def test_models_are_asked_all_prompts_of_a_file(tmp_path: Path) -> None:
    prompts = _prompts(tmp_path / "p.jsonl", 1_003)
    given = TaskOptions(prompts=prompts)
    story, task = given.settled([STORY, POOL], None, draws=True)
    assert story is STORY
    given.check([task])
    assert given.settled([POOL], None, draws=False) == [POOL]
    plan = SamplePlan(prompt_file=prompts)
    assert len(plan.rows(task)) == 1_003
    assert plan.total(task) == 8_024
    assert (plan.options(task).decoding, plan.options(task).prefill) == (Decoding(1.0, 1.0, max_new_tokens=512), "")
    quick = SamplePlan(prompt_file=prompts, preset="quick", prompts=2)
    assert quick.total(task) == 8
    assert quick.options(task).decoding == Decoding(1.0, 0.9, max_new_tokens=128)


@pytest.mark.parametrize(
    ("tasks", "protocol", "preset", "message"),
    [
        ([STORY], "2503.17126", None, "--protocol is for --task pool"),
        ([POOL], "2503.1712", None, "unknown protocol '2503.1712': did you mean '2503.17126'"),
        (
            [POOL],
            "2503.17126",
            "standard",
            "asks the prompts of a file: name it with --prompts, or take --preset quick",
        ),
    ],
)
def test_wrong_protocols_are_said(tasks: Any, protocol: str, preset: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TaskOptions(protocol=protocol).settled(tasks, preset, draws=True)


def test_prompts_are_for_a_protocol_too(tmp_path: Path) -> None:
    options = TaskOptions(prompts=_prompts(tmp_path / "p.jsonl", 3), protocol="2503.17126")
    options.check(options.settled([POOL], None, draws=True))
    with pytest.raises(UsageError, match="every task of this call has prompts of its own, or measures files"):
        TaskOptions(prompts=options.prompts).check([POOL])
