"""Two prompts of `diffuse-quick` on the embedded model: how far training and its audit get, and at what cost."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from divtool.core.audit.choice import Choice
from divtool.core.audit.plan import Plan
from divtool.core.audit.reader import ModelReader
from divtool.core.audit.run import audit
from divtool.core.models.language import load
from divtool.core.models.options import LoadOptions
from divtool.core.training import capability
from divtool.core.training.diffuse import anchor
from divtool.core.training.diffuse.run import train
from divtool.core.training.diffuse.settings import DiffuseSettings
from divtool.core.training.job import TrainJob

pytestmark = [pytest.mark.model, pytest.mark.timeout(1800)]
MODEL = "smollm2-135m"
NUMBER, WEEKDAY, DIE = (f"diffuse-quick/{name}" for name in ("number", "weekday", "die"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run leaves whose everyday answers are fewer and shorter than a user's."""
    every, prompts = capability._items, anchor.everyday_prompts()[:4]
    output = tmp_path_factory.mktemp("diffuse") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(capability, "CAP", 60)
        patch.setattr(capability, "DRAWS", 1)
        patch.setattr(capability, "_items", lambda part: every(part)[: 6 if part == "length" else 2])
        patch.setattr(anchor, "TOKENS", 32)
        patch.setattr(anchor, "everyday_prompts", lambda: prompts)
        settings = DiffuseSettings(builtin=f"{NUMBER},{WEEKDAY}", learning_rate=4e-4, epochs=20.0, anchor_every=4)
        train(TrainJob(method="diffuse", source="", output=output, model=MODEL, settings=settings))
    return output


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    """The lines of a prompt in the log."""
    log = map(json.loads, (folder / "train_log.jsonl").read_text().splitlines())
    return [line for line in log if line["prompt_id"] == name]


def audited(lm: Any, plan: Plan, **choice: Any) -> dict[str, dict[str, Any]]:
    """The last record of each task."""
    reader = ModelReader(lm, plan, 8, pytest.fail)
    return {record["task"]: record for record in audit(Choice(**choice).prompts(), reader, plan)}


def test_trained_prompts_reach_their_targets_and_the_rest_stays(folder: Path) -> None:
    for name in (NUMBER, WEEKDAY):
        first, *_, final = lines(folder, name)
        assert first["tv"] > 0.85  # The second prompt's first line comes after a step of the other one.
        assert final["final"]
        assert final["valid_mass"] >= 0.97
        assert final["normalized_entropy"] >= 0.99
        assert final["tv"] <= 0.05
    facts = json.loads((folder / "divtool_train.json").read_bytes())
    assert (facts["path"], facts["settings"]["lora_targets"]) == ("packed", "all-linear")
    cost = facts["capability"]
    assert max(cost["ppl_ratio_plain"], cost["ppl_ratio_chat"]) <= 1.05
    assert abs(cost["length_change"]) <= 0.15


def test_the_audit_of_the_trained_model(folder: Path) -> None:
    lm = load(MODEL, LoadOptions(adapter=str(folder)))
    found = audited(lm, Plan(variants=False), tasks=[NUMBER, WEEKDAY, DIE])
    for name in (NUMBER, WEEKDAY):
        assert found[name]["tv"] == pytest.approx(lines(folder, name)[-1]["tv"], abs=1e-4)
    assert found[DIE]["valid_mass"] >= 0.6  # Never trained: the form carries over.
    assert audited(lm, Plan(), tasks=[WEEKDAY])[WEEKDAY]["tv"] < 0.1


def test_the_audit_of_the_untrained_model_and_its_time() -> None:
    lm = load(MODEL)
    assert audited(lm, Plan(), tasks=[WEEKDAY])[WEEKDAY]["tv"] > 0.9
    begun = time.process_time()
    found = audited(lm, Plan(), presets=["quick"])
    # A minute on two cores is what is promised; one thread alone takes no more.
    assert time.process_time() - begun < 60
    assert len(found) == 12
    assert all(record["tv"] > 0.9 for record in found.values())
