"""Whole runs on target distributions on a made model: what is learnt, held, said, written and gone on with."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from divtool.core.errors import DivtoolError, InputError, ThresholdMissed
from divtool.core.models.options import LoadOptions
from divtool.core.training import capability
from divtool.core.training.diffuse import anchor, stepper
from divtool.core.training.diffuse.run import train
from divtool.core.training.diffuse.settings import DiffuseSettings
from divtool.core.training.job import Report, Tell, TrainJob

NUMBERS = {"prompt": "a number from 1 to 10", "prompt_id": "numbers", "family": "n", "targets": []}
NUMBERS["targets"] = [{"text": str(n)} for n in range(1, 11)]
COIN = {"prompt": "the stone or the bird", "prompt_id": "coin", "targets": {"stone": 0.7, "bird": 0.3}}
BINOMIAL = {"prompt": "how many birds sang", "prompt_id": "binomial", "law": {"name": "binom"}}
BINOMIAL["law"]["args"] = {"n": 10, "p": 0.2}  # type: ignore[index]
NAMES = {"prompt": "a name", "prompt_id": "names", "targets": {"river": 1, "town": 1}, "exhaustive": False}


class Lab:
    """Runs on the made model, and what they say and leave."""

    def __init__(self, folder: Path, model: str) -> None:
        self.folder, self.model = folder, model
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.tables: list[Any] = []

    def run(self, output: str | None, records: list[dict[str, Any]], **more: Any) -> Report:
        """Train on records."""
        fields = {key: more.pop(key) for key in list(more) if key in TrainJob.__dataclass_fields__}
        source = self.folder / "targets.jsonl"
        source.write_text("".join(json.dumps(record) + "\n" for record in records))
        made: dict[str, Any] = {
            "method": "diffuse",
            "source": str(source),
            "output": output and self.folder / output,
            "model": self.model,
            "settings": DiffuseSettings(**{"learning_rate": 5e-3, "epochs": 3.0, "anchor": 0.0, **more}),
            "tell": Tell(self.notes.append, self.warnings.append, lambda *table: self.tables.append(table)),
        }
        return train(TrainJob(**(made | fields)))

    def log(self, output: str) -> list[dict[str, Any]]:
        """The lines of a run's log, without times."""
        lines = [json.loads(line) for line in (self.folder / output / "train_log.jsonl").read_text().splitlines()]
        return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]

    def bytes(self, output: str) -> bytes:
        """The adapter as it lies on disk."""
        return (self.folder / output / "adapter_model.safetensors").read_bytes()

    def facts(self, output: str) -> dict[str, Any]:
        """What the run wrote of itself."""
        return dict(json.loads((self.folder / output / "divtool_train.json").read_bytes()))

    def student(self, output: str) -> Any:
        """The model with a run's adapter."""
        from divtool.core.models.language import load

        return load(self.model, LoadOptions(adapter=str(self.folder / output), merge=False))


@pytest.fixture
def lab(tmp_path: Path, tiny_model: str, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab whose everyday answers are few and short."""
    monkeypatch.setattr(capability, "CAP", 4)
    monkeypatch.setattr(capability, "DRAWS", 1)
    every = capability._items
    monkeypatch.setattr(capability, "_items", lambda part: every(part)[:2])
    monkeypatch.setattr(anchor, "TOKENS", 8)
    prompts = anchor.everyday_prompts()[:4]
    monkeypatch.setattr(anchor, "everyday_prompts", lambda: prompts)
    return Lab(tmp_path, tiny_model)


def read(lm: Any, record: dict[str, Any]) -> Any:
    """How a record's answers fit."""
    from divtool.core.jsonl import Row
    from divtool.core.models.tree.packed import edge_logprobs
    from divtool.core.targets.record import target_of
    from divtool.core.training.diffuse.lessons import lessons_of

    lesson = lessons_of(lm, [target_of(Row(json.loads(json.dumps(record)), "made"))], None)[0]
    part = lesson.parts[0]
    return lesson.fit(part, edge_logprobs(lm, part.prompt_ids, part.trie).edge, 0.0)


@pytest.fixture
def wide(lab: Lab) -> Lab:
    """The lab with a made model that can be sure of a token: wider, with larger logits."""
    from transformers import AutoConfig, LlamaForCausalLM

    config = AutoConfig.from_pretrained(lab.model)
    config.hidden_size, config.intermediate_size, config.head_dim = 128, 128, 32
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(config)
    model.model.norm.weight.data.mul_(2.0)
    folder = lab.folder / "wide"
    shutil.copytree(lab.model, folder)
    model.save_pretrained(folder)
    lab.model = str(folder)
    return lab


def test_learns_an_even_list_and_carries_it_to_another_wording(wide: Lab) -> None:
    lab = wide
    lab.run("out", [NUMBERS], epochs=50.0)
    *steps, final = lab.log("out")
    assert final["final"]
    assert final["loss"] <= 1.05 * np.log(10)
    for line in [*steps, final]:
        assert line["kl"] == pytest.approx(line["spread_kl"] + line["validity_kl"], abs=1e-6)
        assert line["kl"] >= -1e-6
    assert all(line["anchor_kl"] is None and line["grad_norm"] > 0 and line["tokens"] > 10 for line in steps)
    assert [(line["step"], line["pass"]) for line in steps] == [(n, n) for n in range(1, len(steps) + 1)]
    trained = lab.student("out")
    other = NUMBERS | {"prompt": "any number from 1 to 10"}
    assert read(trained, other).tv < read_base(trained, other).tv
    # What the log says at the end is what the adapter on disk does.
    assert read(trained, NUMBERS).tv == pytest.approx(final["tv"], abs=1e-4)


def test_a_perfect_model_has_nothing_to_learn(lab: Lab, make_table_model: Any) -> None:
    lab.model = make_table_model({"1": 0.5, "2": 0.3, "3": 0.2})
    lab.run("out", [{"prompt": "x", "targets": {"1": 5, "2": 3, "3": 2}}], max_steps=1)
    first = lab.log("out")[0]
    assert first["kl"] == pytest.approx(0, abs=1e-6)
    assert first["tv"] == pytest.approx(0, abs=1e-4)  # The table's logits are rounded to about so much.


def test_learns_a_weighted_law(wide: Lab) -> None:
    wide.run("out", [BINOMIAL], epochs=50.0)
    assert wide.log("out")[-1]["tv"] <= 0.05
    # The log's target is cut at its quantiles.
    whole = {str(n): math.comb(10, n) * 0.2**n * 0.8 ** (10 - n) for n in range(11)}
    found = read(wide.student("out"), {"prompt": BINOMIAL["prompt"], "targets": whole})
    assert found.tv <= 0.05


def read_base(lm: Any, record: dict[str, Any]) -> Any:
    with lm.model.disable_adapter():
        return read(lm, record)


def test_one_step_moves_every_b_matrix_and_no_base_weight(lab: Lab) -> None:
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    lab.run("out", [NUMBERS], max_steps=1)
    weights = load_file(lab.folder / "out" / "adapter_model.safetensors")
    moved = [key for key, value in weights.items() if "lora_B" in key and value.abs().max() > 0]
    assert len(moved) == 2 * 7
    base = AutoModelForCausalLM.from_pretrained(lab.model).state_dict()
    with_adapter = lab.student("out").model.get_base_model().state_dict()
    kept = {name.replace(".base_layer", ""): value for name, value in with_adapter.items() if "lora_" not in name}
    assert all(torch.equal(kept[name], value) for name, value in base.items())


class CutShort(Exception):
    """Stands for a crash."""


def cut_after(monkeypatch: pytest.MonkeyPatch, step: int, what: Any) -> None:
    """Do something right after a step was taken."""
    real = stepper.Stepper.step

    def taken(self: Any, *arguments: Any) -> Any:
        found = real(self, *arguments)
        self.taken = getattr(self, "taken", 0) + 1
        if self.taken == step:
            what()
        return found

    monkeypatch.setattr(stepper.Stepper, "step", taken)


def crash() -> None:
    raise CutShort


MIXED = [NUMBERS, COIN, NAMES]


@pytest.mark.parametrize("more", [{"anchor": 1.0}, {"batch_size": 2, "gradient_checkpointing": True, "gamma": 20.0}])
def test_resumed_equals_uninterrupted(lab: Lab, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]) -> None:
    lab.run("whole", MIXED, **more)
    with monkeypatch.context() as patch:
        cut_after(patch, 5, crash)
        with pytest.raises(CutShort):
            lab.run("cut", MIXED, **more)
    with pytest.raises(DivtoolError, match="go on with --resume"):
        lab.run("cut", MIXED, **more)
    with pytest.raises(DivtoolError, match=r"differs in gamma \(.* there, 0.1 now\)"):
        lab.run("cut", MIXED, resume=True, **{**more, "gamma": 0.1})
    with pytest.raises(DivtoolError, match="differs in targets_sha256"):
        lab.run("cut", [*MIXED, BINOMIAL], resume=True, max_steps=len(lab.log("whole")) - 3, **more)
    lab.run("cut", MIXED, resume=True, **more)
    assert any(note.startswith("going on after pass ") for note in lab.notes)
    assert lab.bytes("cut") == lab.bytes("whole")
    assert lab.log("cut") == lab.log("whole")
    assert lab.facts("cut")["capability"] == lab.facts("whole")["capability"]
    assert not (lab.folder / "cut" / "checkpoints").exists()


def test_interrupt_says_what_is_saved_and_resumes(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.run("whole", MIXED)
    with monkeypatch.context() as patch:
        cut_after(patch, 5, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            lab.run("cut", MIXED)
    assert lab.notes[-1] == "stopped after step 5 of 9; pass 1 is saved; the same command with --resume goes on"
    lab.run("cut", MIXED, resume=True)
    assert lab.bytes("cut") == lab.bytes("whole")
    lab.run("cut", MIXED, resume=True)
    assert "nothing is left to train" in lab.notes[-1]


def test_an_open_list_beside_a_complete_one_sits_out(lab: Lab) -> None:
    lab.run("out", [COIN, NAMES], gamma=100.0)
    named = [line for line in lab.log("out") if line["prompt_id"] == "names"]
    # Near enough after the first pass, whose step it took; looked at in every later one.
    assert [line["lr"] > 0 for line in named[:-1]] == [True, False, False]
    assert [line["pass"] for line in named[:-1]] == [1, 2, 3]


def test_early_stop_ends_the_run_and_says_why(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("divtool.core.training.diffuse.stop.TV", 1.0)
    monkeypatch.setattr("divtool.core.training.diffuse.stop.VALID", 0.0)
    lab.run("out", [COIN, NUMBERS], epochs=9.0)
    assert (lab.facts("out")["result"]["steps"], lab.facts("out")["result"]["epochs"]) == (4, 2)
    assert "in 2 passes running" in lab.facts("out")["result"]["stop_reason"]
    lab.run("open", [NAMES], epochs=9.0, gamma=100.0)
    assert "within 100 of its least" in lab.facts("open")["result"]["stop_reason"]


def test_the_anchor_holds_everyday_answers(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(anchor, "anchor_texts", lambda *_: pytest.fail("used without weight"))
        lab.run("free", [NUMBERS, COIN], epochs=6.0)
    assert not (lab.folder / "free" / "anchors.jsonl").exists()
    lab.run("held", [NUMBERS, COIN], epochs=6.0, anchor=10.0)
    values = [line["anchor_kl"] for line in lab.log("held") if "final" not in line]
    assert [value is not None for value in values] == [False, True] * 6
    assert values[1] > 0

    def apart(name: str) -> float:
        lm = lab.student(name)
        texts = anchor.anchor_texts(lm, lab.folder / "held" / "anchors.jsonl", 0)
        held = anchor.Anchor(lm, texts, 1)
        assert len(held) == 4
        with torch.no_grad():
            return sum(float(held.kl(turn)) for turn in range(4))

    assert apart("held") < 0.5 * apart("free")


def test_base_log_probabilities_are_the_same_kept_and_computed(lab: Lab) -> None:
    lab.run("out", [COIN], anchor=1.0, max_steps=2)
    lm = lab.student("out")
    texts = anchor.anchor_texts(lm, lab.folder / "out" / "anchors.jsonl", 0)
    kept, computed = anchor.Anchor(lm, texts, 1), anchor.Anchor(lm, texts, 1, kept=0)
    with torch.no_grad():
        values = [kept.kl(3), kept.kl(3 + 4), computed.kl(3)]
        with anchor.base_of(lm.model):
            zero = kept.kl(3)
    assert values[0] == values[1] == values[2] > zero
    assert abs(float(zero)) < 1e-6


def test_what_the_folder_holds(lab: Lab) -> None:
    lab.run("out", MIXED, anchor=1.0, command=f"divtool train --method diffuse {lab.folder}/targets.jsonl")
    assert sorted(path.name for path in (lab.folder / "out").iterdir()) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "anchors.jsonl",
        "divtool_train.json",
        "train_log.jsonl",
    ]
    facts, card = lab.facts("out"), (lab.folder / "out" / "README.md").read_text()
    assert (facts["unit"], facts["data"]["trained_on"], facts["data"]["answers"]) == ("prompts", 3, 14)
    assert (facts["path"], facts["boundaries"], facts["end_id"], facts["dtype"]) == (
        "packed",
        ["template"],
        1,
        "float32",
    )
    assert 0 < facts["self_check"]["max_diff"] < 1e-3
    assert facts["capability"]["ppl_ratio_plain"] > 0
    assert facts["data"]["sha256"] in card
    assert str(lab.folder) not in card
    shown = [table[0] for table in lab.tables]
    assert shown == ["Trained prompts, after the last step", "What the training cost"]
    assert sum(note.startswith("     1/3") for note in lab.notes) == 1


def test_a_dry_run_trains_and_writes_nothing(lab: Lab) -> None:
    report = lab.run(None, MIXED, dry_run=True)
    rows = dict(report.rows)
    assert (rows["prompts"], rows["answers"], rows["steps at most"], rows["path"]) == (3, 14, 9, "packed")
    assert rows["steps, estimated seconds"] < 60
    assert [path.name for path in lab.folder.iterdir()] == ["targets.jsonl"]


def test_a_perplexity_bound_fails_the_run_with_everything_written(lab: Lab) -> None:
    with pytest.raises(ThresholdMissed, match="above --max-ppl-ratio 1e-09"):
        lab.run("out", [COIN], max_steps=1, max_ppl_ratio=1e-9)
    assert lab.facts("out")["result"]["steps"] == 1


def test_numbers_that_are_lost_stop_the_run(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        DivtoolError, match=r"prompt (coin|numbers): the (loss|gradient) is not finite; .* lower --lear"
    ):
        lab.run("out", [COIN, NUMBERS], learning_rate=1e30)
    assert not (lab.folder / "out" / "divtool_train.json").exists()


def failing(times: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Memory runs out so many times; the answer gathers the limits that are tried."""
    real, limits = stepper.tree_losses, []

    def losses(*arguments: Any, limit: int, **more: Any) -> Any:
        limits.append(limit)
        if len(limits) <= times:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(*arguments, limit=limit, **more)

    monkeypatch.setattr(stepper, "tree_losses", losses)
    return limits


def test_memory_that_runs_out(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.run("whole", [NUMBERS], max_rows=4)
    with monkeypatch.context() as patch:
        limits = failing(1, patch)
        lab.run("halved", [NUMBERS], max_rows=8)
        assert limits[:3] == [8, 4, 4]
    assert "out of memory at 8 rows a pass; going on with 4" in lab.warnings
    assert lab.bytes("halved") == lab.bytes("whole")
    with monkeypatch.context() as patch:
        failing(2, patch)
        with pytest.raises(DivtoolError, match="prompt numbers: out of memory at 4 rows a pass; set --max-rows 2"):
            lab.run("out", [NUMBERS], max_rows=8)


def test_what_tokens_cannot_hold_is_named_with_its_line(lab: Lab) -> None:
    long = {"prompt": "much", "prompt_id": "long", "targets": ["x" * 600, "y"]}
    with pytest.raises(InputError, match=r"targets.jsonl:2: .*more than 512"):
        lab.run("out", [COIN, long])
    lab.run("out", [COIN, long], skip_bad=True, max_steps=1)
    assert sum("targets.jsonl:2" in line for line in lab.warnings) == 1
    assert (lab.facts("out")["data"]["trained_on"], lab.facts("out")["data"]["left_out"]) == (1, 1)


DIE = {"text": "1", "weight": 2}, {"text": "2", "weight": 1}, {"text": "3", "weight": 1}
OURS: list[dict[str, Any]] = [
    {"prompt": "a die", "prompt_id": "dice/die", "family": "dice", "targets": [*DIE]},
    {"prompt": "a bird", "prompt_id": "dice/more/bird", "family": "dice/more", "prefill": "it is ", "terminal": "none"},
]
OURS[1]["targets"] = [{"text": "{stone}"}, {"text": "{river}"}]
THEIRS = {
    "dice/die": {"request": "a die", "targets": ["1", "2", "3"], "weights": [2, 1, 1]},
    "dice/more/bird": {"request": "a bird", "response": "it is ", "targets": ["{stone}", "{river}"], "eos": False},
}


def test_the_reference_form_trains_as_our_records(lab: Lab) -> None:
    from divtool.core.models.language import load
    from divtool.core.targets.read import read_targets
    from divtool.core.training.diffuse.lessons import lessons_of

    for name, record in THEIRS.items():
        path = lab.folder / "given" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record))
    lab.run("theirs", [], source=str(lab.folder / "given"), epochs=2.0)
    lab.run("ours", OURS, epochs=2.0)
    ids, lm = [], load(lab.model)
    for source in ("given", "targets.jsonl"):
        lessons = lessons_of(lm, read_targets(str(lab.folder / source), warn=pytest.fail), None)
        parts = [(lesson, part) for lesson in lessons for part in lesson.parts]
        ids.append([(one.weights.tolist(), part.prompt_ids, part.trie.sequences()) for one, part in parts])
    assert ids[0] == ids[1]
    assert [len(sequences) for *_, sequences in ids[0]] == [3, 2]
    # The log has the losses, in full digits.
    assert lab.log("theirs") == lab.log("ours")
    assert lab.bytes("theirs") == lab.bytes("ours")
    assert {line["prompt_id"]: line["family"] for line in lab.log("theirs")} == {
        "dice/die": "dice",
        "dice/more/bird": "dice/more",
    }


def test_several_beginnings_of_an_answer_are_drawn_by_pass(lab: Lab) -> None:
    folder = lab.folder / "given" / "coins"
    folder.mkdir(parents=True)
    record = {
        "request": "head or tail",
        "response": ["it is ", "what I say is "],
        "targets": ["head", "tail"],
        "weights": [3, 1],
    }
    (folder / "coin.json").write_text(json.dumps(record))
    lab.run("out", [], source=str(folder.parent), epochs=8.0)
    tokens = {line["tokens"] for line in lab.log("out") if "final" not in line}
    assert len(tokens) == 2  # The beginnings have different numbers of tokens.
    assert lab.log("out")[0]["family"] == "coins"
    assert lab.log("out")[0]["target_entropy"] == pytest.approx(0.5623, abs=1e-4)


def test_continuing_an_adapter(lab: Lab) -> None:
    lab.run("first", [COIN], lora_r=4, max_steps=2)
    lab.run("second", [COIN], max_steps=1, loading=LoadOptions(adapter=str(lab.folder / "first")))
    assert lab.log("second")[0]["loss"] == pytest.approx(lab.log("first")[-1]["loss"], abs=1e-5)
    assert lab.facts("second")["settings"]["lora_r"] == 4
    assert lab.facts("second")["start_adapter"] == "first"
    # The cost is counted from the model without any adapter.
    assert lab.facts("second")["capability"]["before"] == lab.facts("first")["capability"]["before"]


def test_four_bit_on_a_cpu(lab: Lab) -> None:
    from safetensors.torch import load_file

    lab.run("out", [COIN, NUMBERS], max_steps=2, four_bit=True, anchor=1.0)
    weights = load_file(lab.folder / "out" / "adapter_model.safetensors")
    # Gradients pass through the four-bit weights although they were scored with before.
    assert sum("lora_B" in key and bool(value.abs().max() > 0) for key, value in weights.items()) == 2 * 7
    assert lab.facts("out")["dtype"] == "nf4"


def test_a_law_with_too_many_values_learns(lab: Lab) -> None:
    law = {"prompt": "a weight", "prompt_id": "weight", "decimals": 3}
    law["law"] = {"name": "norm", "args": {"loc": 100, "scale": 15}}
    lab.run("out", [law, COIN], epochs=4.0)
    lines = [line for line in lab.log("out") if line["prompt_id"] == "weight"]
    assert lines[-1]["loss"] < 0.8 * lines[0]["loss"]
    assert lines[0]["kl"] == pytest.approx(lines[0]["loss"] - lines[0]["target_entropy"])
    assert {line["tv"] for line in lines} == {None}


def test_passes_are_shuffled_by_seed(lab: Lab) -> None:
    lab.run("s0", MIXED, epochs=4.0)
    lab.run("s1", MIXED, epochs=4.0, seed=1)
    zero, one = ([line["prompt_id"] for line in lab.log(name)] for name in ("s0", "s1"))
    assert zero != one
    assert all(sorted(zero[start : start + 3]) == ["coin", "names", "numbers"] for start in (0, 3, 6, 9))
