"""Whole runs of possibility fine-tuning on a made model: what is written, said, gone on with and refused."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from divtool.core.errors import DivtoolError, UsageError
from divtool.core.models.options import LoadOptions
from divtool.core.possibility.manifest import read_manifest
from divtool.core.possibility.prompt import TEMPLATE
from divtool.core.reporting.load import load
from divtool.core.training.job import Report, Tell, TrainJob
from divtool.core.training.possibility import loop
from divtool.core.training.possibility.run import train
from divtool.core.training.possibility.settings import PossibilitySettings
from divtool.core.training.possibility.stepper import Stepper

REPORTED = ("train_log.jsonl", "divtool_train.json", "possibility.json")
NOUNS = ("bird", "stone", "town", "river", "night", "bridge")
GROUPS = [
    {
        "prompt": f"the {noun} walked over",
        "prompt_id": noun,
        "responses": [f"a {noun} sang", "stone fell under town", "it was a cold night", "quiet river", "old bird"],
    }
    for noun in NOUNS
]


class Lab:
    """Runs on the made model, and what they say and leave."""

    def __init__(self, folder: Path, model: str) -> None:
        self.folder, self.model = folder, model
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def run(self, output: str | None = "out", groups: Any = GROUPS, **more: Any) -> Report:
        """Train on groups."""
        fields = {key: more.pop(key) for key in list(more) if key in TrainJob.__dataclass_fields__}
        source = self.folder / "groups.jsonl"
        source.write_text("".join(json.dumps(group) + "\n" for group in groups))
        made: dict[str, Any] = {
            "method": "possibility",
            "source": str(source),
            "output": output and self.folder / output,
            "model": self.model,
            "settings": PossibilitySettings(**{"learning_rate": 5e-3, "epochs": 2.0, "eval_fraction": 0.0, **more}),
            "tell": Tell(self.notes.append, self.warnings.append),
        }
        return train(TrainJob(**(made | fields)))

    def log(self, output: str = "out") -> list[dict[str, Any]]:
        """The lines of a run's log, without times."""
        lines = [json.loads(line) for line in (self.folder / output / "train_log.jsonl").read_text().splitlines()]
        return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]

    def weights(self, output: str = "out") -> dict[str, torch.Tensor]:
        """The weights of an adapter."""
        from safetensors.torch import load_file

        return load_file(self.folder / output / "adapter_model.safetensors")

    def facts(self, output: str = "out") -> dict[str, Any]:
        """What the run wrote of itself."""
        return dict(json.loads((self.folder / output / "divtool_train.json").read_bytes()))


@pytest.fixture
def lab(tmp_path: Path, tiny_model: str) -> Lab:
    return Lab(tmp_path, tiny_model)


def test_a_run_moves_every_matrix_and_says_what_it_was(lab: Lab) -> None:
    lab.run(eval_fraction=0.2, lora_dropout=0.1)
    moved = [key for key, value in lab.weights().items() if "lora_B" in key and value.abs().max() > 0]
    assert len(moved) == 2 * 7
    manifest = read_manifest(lab.folder / "out")
    assert manifest is not None
    assert (manifest.template, manifest.pool, manifest.k, manifest.arm) == (TEMPLATE, 4, 4, "possibility")
    assert (manifest.scheme, manifest.ul_weight) == ("random", 0.5)
    facts = lab.facts()
    assert (facts["data"]["trained_on"], facts["data"]["held_out"], facts["data"]["beyond_k"]) == (5, 1, 6)
    assert facts["settings"]["profile"] == "small"
    assert facts["path"] == "packed"
    steps = [line for line in lab.log() if "loss" in line]
    held = [line for line in lab.log() if "eval_ce" in line]
    assert [line["step"] for line in steps] == [1, 2, 3, 4, 5, 6]
    assert [line["step"] for line in held] == [0, 1, 2, 3, 4, 5, 6]
    for line in steps:
        assert line["loss"] == pytest.approx(line["ce"] + 0.5 * line["ul"])
        assert 0 < line["p_selected"] < 1
    assert held[-1]["eval_ce"] < held[0]["eval_ce"]
    assert facts["result"]["eval_ce"] == held[-1]["eval_ce"]
    files = [lab.folder / name for name in ("groups.jsonl", *(f"out/{name}" for name in REPORTED))]
    assert [dict(file.kinds) for file in load(files).files] == [
        {"possibility group": 6}, {"training step": 13}, {"training run": 1}, {"possibility manifest": 1}
    ]  # fmt: skip
    card = (lab.folder / "out" / "README.md").read_text()
    assert "| arm | possibility |" in card
    assert TEMPLATE in card
    assert sum(line["groups"] for line in steps[:3]) == 5


@pytest.mark.parametrize("arm", ["one-to-one", "one-to-many", "numbered"])
def test_every_arm_makes_an_update_of_eight_responses(lab: Lab, arm: str) -> None:
    lab.run(arm=arm, epochs=1.0)
    first = lab.log()[0]
    assert (first["ul"], first["t_sel"]) == (None, 0)
    assert first["groups"] == (6 if arm == "one-to-one" else 2)
    manifest = read_manifest(lab.folder / "out")
    assert manifest is not None
    assert (manifest.arm, manifest.ul_weight) == (arm, 0.0)


def test_goes_on_after_a_kill_to_the_same_weights(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    more: dict[str, Any] = {"max_steps": 6, "eval_fraction": 0.2, "lora_dropout": 0.1}
    lab.run("whole", **more)
    real = Stepper.step

    def killed(self: Stepper, lessons: Any, number: int) -> Any:
        if number == 4:
            raise RuntimeError("killed")
        return real(self, lessons, number)

    for name, every in (("cut", 2), ("early", 25)):
        with monkeypatch.context() as patch:
            patch.setattr(Stepper, "step", killed)
            with pytest.raises(RuntimeError, match="killed"):
                lab.run(name, **more, save_steps=every)
    # What was being written when the run was killed.
    work = lab.folder / "cut" / "checkpoints"
    shutil.copytree(work / "checkpoint-2", work / "checkpoint-3", ignore=lambda *_: ["complete", "counters.json"])
    with (lab.folder / "cut" / "train_log.jsonl").open("a") as log:
        log.write('{"step": 4, "lo')
    with pytest.raises(DivtoolError, match="holds an unfinished run"):
        lab.run("cut", **more)
    with pytest.raises(DivtoolError, match=r"it differs in ul_weight \(0.5 there, 1.0 now\)"):
        lab.run("cut", **more, ul_weight=1.0, resume=True)
    lab.run("cut", **more, resume=True)
    assert [note for note in lab.notes if note.startswith("going on")] == ["going on after update 2 of 6"]
    # Killed before anything was saved.
    lab.run("early", **more, resume=True)
    whole = lab.weights("whole")
    for name in ("cut", "early"):
        assert max(float((whole[key] - value).abs().max()) for key, value in lab.weights(name).items()) <= 1e-6
        assert lab.log(name) == lab.log("whole")
        assert not (lab.folder / name / "checkpoints").exists()


def test_stops_at_ctrl_c_with_a_checkpoint(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Stepper.step

    def interrupted(self: Stepper, lessons: Any, number: int) -> Any:
        if number == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return real(self, lessons, number)

    with monkeypatch.context() as patch:
        patch.setattr(Stepper, "step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            lab.run("cut")
    assert any("stopped after update 3 of 6" in note for note in lab.notes)
    lab.run("cut", resume=True)
    lab.run("whole")
    whole, cut = lab.weights("whole"), lab.weights("cut")
    assert all(torch.equal(whole[key], cut[key]) for key in whole)


def test_no_number_keeps_the_last_good_adapter(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Stepper.step

    def broken(self: Stepper, lessons: Any, number: int) -> Any:
        if number == 3:
            next(iter(self._model.parameters())).data.fill_(math.nan)
        return real(self, lessons, number)

    monkeypatch.setattr(Stepper, "step", broken)
    names = "|".join(NOUNS)
    with pytest.raises(DivtoolError, match=rf"prompt ({names}), update 3: the loss is not finite"):
        lab.run()
    folder = lab.folder / "out" / "checkpoints" / "checkpoint-2"
    assert (folder / "complete").is_file()
    from safetensors.torch import load_file

    assert all(torch.isfinite(value).all() for value in load_file(folder / "adapter.safetensors").values())


def test_warns_where_held_out_responses_get_unlikely(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_RISE", -1.0)
    lab.run(eval_fraction=0.2)
    assert sum("held-out cross-entropy is" in text for text in lab.warnings) == 1


def test_a_dry_run_writes_nothing(lab: Lab) -> None:
    shown = dict(lab.run(None, dry_run=True).rows)
    assert (shown["arm"], shown["groups"], shown["rows"], shown["updates"]) == ("possibility", 6, 24, 6)
    assert shown["T_sel, selected tokens of unwanted ones"] > 0
    # "bird" is a word of the prompt of one group, "stone", "town", "river", "night" of one each, and so on.
    assert shown["content words of the prompt"].endswith("%")
    assert not list(lab.folder.glob("out*"))
    assert dict(lab.run(None, dry_run=True, arm="one-to-many").rows)["rows"] == 6
    plain = dict(lab.run(None, dry_run=True, pack=False).rows)
    assert plain["rows are run"] == "batched"


def test_other_numbers_other_prompts(lab: Lab, tiny_model: str) -> None:
    lab.run(groups=[{**GROUPS[0], "numbers": [3, 9, 1, 4, 2]}], max_number=9, number_prompt="Number {n}!", max_steps=1)
    manifest = read_manifest(lab.folder / "out")
    assert manifest is not None
    assert (manifest.template, manifest.pool) == ("Number {n}!", 9)
    # An adapter is gone on with as it is.
    lab.run("more", loading=LoadOptions(adapter=str(lab.folder / "out")), max_steps=1)
    assert lab.facts("more")["settings"]["lora_dropout"] == 0.0


def test_a_model_without_a_chat_template_warns_once(lab: Lab, tmp_path: Path) -> None:
    shutil.copytree(lab.model, tmp_path / "plain")
    (tmp_path / "plain" / "chat_template.jinja").unlink()
    lab.run(None, model=str(tmp_path / "plain"), dry_run=True)
    assert lab.warnings == ["the model has no chat template: prompt and response are joined by an empty line"]


def test_bad_groups(lab: Lab) -> None:
    single = {"prompt": "p", "responses": ["A", "a "]}
    with pytest.raises(DivtoolError, match="needs at least 2 different responses per prompt"):
        lab.run(groups=[single])
    lab.run("one", groups=[single], arm="one-to-one", max_steps=1)
    assert lab.facts("one")["data"]["equal"] == 1
    with pytest.raises(DivtoolError, match=r"groups.jsonl:2: .*expects groups; run select --method possibility first"):
        lab.run(groups=[GROUPS[0], {"prompt": "p", "chosen": [], "rejected": []}])
    bad = [GROUPS[0], {"prompt": "p", "responses": [1, 2]}, {**GROUPS[1], "numbers": [1, 2, 3, 4, 9]}, single]
    lab.run("skipped", groups=bad, skip_bad=True, max_steps=1)
    data = lab.facts("skipped")["data"]
    assert (data["bad_lines"], data["bad_numbers"], data["single"], data["trained_on"]) == (1, 1, 1, 1)
    with pytest.raises(DivtoolError, match=r"groups.jsonl:1: 'numbers' holds 9"):
        lab.run("x", groups=bad[2:])


def test_dialogues_and_text_without_blanks(lab: Lab) -> None:
    dialogue = {"context": "hi\nwell", "candidates": ["\u4eca\u65e5\u306f" * 15, "\u660e\u65e5\u306f" * 15]}
    lab.run(groups=[dialogue], input_format="dialogue", max_steps=1)
    assert any("--ul-tokens all looks at every token" in text for text in lab.warnings)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"k": 12, "max_number": 9}, "k = 12 needs at least 12 numbers; raise --max-number"),
        ({"k": 1}, "--k is 1"),
        ({"number_prompt": "no place"}, r"--number-prompt holds \{n\} 0 times"),
        ({"ul_weight": -1.0}, "--ul-weight is -1.0"),
        ({"ul_weight": 0.5, "arm": "numbered"}, "--arm numbered has no unlikelihood loss"),
        ({"eval_fraction": 1.0}, "--eval-fraction is 1.0"),
        ({"ul_warmup": -1}, "--ul-warmup is -1"),
        ({"rows_per_chunk": 0}, "--rows-per-chunk is 0"),
    ],
)
def test_refuses(given: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        PossibilitySettings(**given)


def test_profiles() -> None:
    small = PossibilitySettings(k=6).filled(135_000_000, "cuda")
    assert (small.profile, small.max_number, small.learning_rate, small.epochs) == ("small", 6, 3e-4, 3.0)
    assert (small.four_bit, small.lora_dropout, small.groups_a_step) == (False, 0.0, 1)
    large = PossibilitySettings().filled(7_000_000_000, "cuda")
    assert (large.profile, large.max_number, large.learning_rate, large.epochs) == ("large", 9, 5e-5, 1.0)
    assert (large.four_bit, large.total_steps(1000)) == (True, 500)
    llama = PossibilitySettings(profile="llama-2", learning_rate=1e-4).filled(135_000_000, "cpu")
    assert (llama.lora_r, llama.lora_alpha, llama.lora_dropout, llama.learning_rate) == (64, 16, 0.1, 1e-4)
    one = PossibilitySettings(arm="one-to-one")
    assert one.filled(1, "cpu").total_steps(4000) == 3 * 500
    assert PossibilitySettings(arm="one-to-one", batch_positives=2).filled(1, "cpu").steps_a_pass(4000) == 2000
    with pytest.raises(UsageError, match="k = 10 needs at least 10 numbers"):
        PossibilitySettings(k=10).filled(7_000_000_000, "cpu")


def test_the_output_layer_is_trained_only_where_it_is_its_own(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(DivtoolError, match="lm_head shares its weights with the input embeddings"):
        lab.run(lora_targets="q_proj,lm_head")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(lab.model)
    model.config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    model.save_pretrained(tmp_path / "untied")
    AutoTokenizer.from_pretrained(lab.model).save_pretrained(tmp_path / "untied")
    lab.run("untied-out", model=str(tmp_path / "untied"), lora_targets="q_proj,lm_head", max_steps=1)
    moved = [key for key, value in lab.weights("untied-out").items() if "lora_B" in key and value.abs().max() > 0]
    assert any("lm_head" in key for key in moved)
